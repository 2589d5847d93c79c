"""Small sets of invented records, as a folder of results holds them."""

from pathlib import Path
from typing import Any

from benchmarks.grid.cells import Cell, ImageCell, LossCell
from benchmarks.grid.losses import distillation, nt_xent
from benchmarks.page.machines import Machine
from benchmarks.page.page import render
from benchmarks.records.record import Record, append
from tests.benchmarks.invented import record

OURS = {"package": "simclr-bench 0.1.0"}
PEER = {"package": "peer 1.0"}
GONE = "not installed (No module named 'peer'): install it"


def race(cell: Cell, **ratios: float | str) -> list[Record]:
    """Ours and others in a cell: a ratio each, or why there is none; losses have an error too."""
    exact = isinstance(cell, LossCell)
    ours, theirs = (7e-8, 4e-7) if exact else (None, None)
    found = [record("fused", cell, ratio=1.0, gradient_error=ours, **OURS)]
    for name, ratio in ratios.items():
        about: dict[str, Any] = PEER if name == "peer" else {}
        if isinstance(ratio, str):
            found.append(record(name, cell, not_run=ratio, **about))
        else:
            found.append(record(name, cell, ratio=ratio, gradient_error=theirs, **about))
    return found


def point(
    provider: str, rows: int, time_ms: float | None, peak_mb: float = 0.0, **changes: Any
) -> Record:
    """A point of a scaling curve; refused without a time."""
    cell = LossCell("nt_xent", rows, 128)
    about = OURS if provider == "fused" else {}
    fields: dict[str, Any] = {"suite": "scaling", **about, **changes}
    if time_ms is None:
        return record(provider, cell, **{"not_run": "refused: out of memory", **fields})
    return record(provider, cell, times_ms=(time_ms,) * 3, peak_mb=peak_mb, **fields)


def standard(**changes: Any) -> list[Record]:
    """Races of both losses at a few of the first screen's sizes."""
    ratios = {"eager": 3.0, "compile": 2.0, "peer": 7.0, **changes}
    cells = [nt_xent(256, 128), nt_xent(4096, 128), nt_xent(4096, 512), distillation(1024, 1000)]
    return [found for cell in cells for found in race(cell, **ratios)]


def train(images: int, **ratios: float) -> list[Record]:
    """A training step with our loss and with others."""
    return race(ImageCell("train", images, 32, network="r18"), **ratios)


def machine(records: list[Record], name: str = "a-machine") -> Machine:
    return Machine(name, tuple(records))


def page(folder: Path, *sets: list[Record]) -> str:
    """The page of a folder of results with a machine per set of records."""
    for number, records in enumerate(sets):
        append(folder / "cpu" / f"machine-{number}", records)
    return render(folder).replace("\N{NBSP}", " ")
