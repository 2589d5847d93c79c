"""Records that nobody measured."""

from typing import Any

from benchmarks.grid.cells import Cell
from benchmarks.grid.losses import nt_xent
from benchmarks.records.record import Record

ENVIRONMENT = {
    "cpu": "A CPU",
    "cores": 2,
    "kernels": "avx2",
    "packages": {"torch": "2.11.0"},
    "python": "3.11.2",
    "commit": "0123456789abcdef",
    "dirty": False,
}


def record(provider: str, cell: Cell | None = None, **changes: Any) -> Record:
    """A record of the acceptance suite; ratios of one number are seven equal rounds."""
    if isinstance(ratio := changes.pop("ratio", None), float):
        changes |= {"ratios": (ratio,) * 7, "times_ms": (2 * ratio,) * 7, "foreign_cpu": (0.0,) * 7}
    fields: dict[str, Any] = {
        "suite": "standard",
        "cell": cell or nt_xent(256, 128),
        "provider": provider,
        "ours": "fused",
        "package": "torch 2.11.0",
        "precision": "float32",
        "allocator": "default",
        "environment": ENVIRONMENT,
        "finished": "2026-01-01T00:00:00Z",
    }
    return Record(**{**fields, **changes})
