"""Raw records: one JSON line per cell and provider, and the files that hold them."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.grid.cells import Cell, cell_from
from benchmarks.records.ratios import Ratio, median_interval
from simclr_bench.storage.files import canonical_json, write_atomically

# Records of another kind: two builds against each other.
COMPARISONS = "comparisons.jsonl"


@dataclass(frozen=True)
class Record:
    """What was measured of one provider in one cell.

    Attributes:
        suite: The suite it was measured for.
        cell: The cell.
        provider: Its name; `ours` names the provider that ratios are over.
        package: Name and version of what is behind it.
        precision: The dtype it computes in.
        not_run: Why there are no numbers, with the remedy; None where there are.
        times_ms: Forward and backward, one per kept round.
        ratios: The provider's time over ours, one per kept round.
        rounds_discarded: Rounds left out because others used the machine.
        foreign_cpu: Share of the machine that others used, one per kept round.
        compile_s: The first call, where it compiles.
        loss_error: Relative, against float64: of the loss, or of features by their norms.
        gradient_error: Relative by norms, against float64.
        peak_mb: Memory of a step above its inputs, in 10^6 bytes; on a CPU what is resident.
        kernels: Kernels that a step launches on a GPU, as the profiler counts them.
        allocator: "default", "tuned", or what GLIBC_TUNABLES said.
        environment: Commit, versions, hardware (machine.py).
        finished: When, UTC.
    """

    suite: str
    cell: Cell
    provider: str
    ours: str
    package: str
    precision: str
    allocator: str
    environment: dict[str, Any]
    finished: str
    not_run: str | None = None
    times_ms: tuple[float, ...] = ()
    ratios: tuple[float, ...] = ()
    rounds_discarded: int = 0
    foreign_cpu: tuple[float, ...] = ()
    compile_s: float | None = None
    loss_error: float | None = None
    gradient_error: float | None = None
    peak_mb: float | None = None
    kernels: int | None = None

    @property
    def key(self) -> tuple[str, Cell, str, str]:
        """What it is a measurement of: a later record of the same takes its place."""
        return self.suite, self.cell, self.provider, self.allocator

    @property
    def median_ms(self) -> float | None:
        return median(self.times_ms) if self.times_ms else None

    @property
    def ratio(self) -> Ratio | None:
        return median_interval(self.ratios) if self.ratios else None

    def line(self) -> str:
        return canonical_json(asdict(self)) + "\n"

    @classmethod
    def from_line(cls, line: str) -> "Record":
        """The record of a line.

        Raises:
            ValueError: The line is no record: a field is unknown, or one without a default missing.
        """
        raw = json.loads(line)
        needed = {field.name for field in fields(cls) if field.default is MISSING}
        wrong = (needed - set(raw)) | (set(raw) - {field.name for field in fields(cls)})
        if wrong:
            raise ValueError(f"record: missing or unknown {sorted(wrong)}")
        for name in ("times_ms", "ratios", "foreign_cpu"):
            raw[name] = tuple(raw.get(name, ()))
        return cls(**{**raw, "cell": cell_from(raw["cell"])})


def append(directory: Path, records: Sequence[Record]) -> None:
    """Adds records to DIRECTORY/<suite>.jsonl; each file changes as a whole or not at all."""
    directory.mkdir(parents=True, exist_ok=True)
    for suite in dict.fromkeys(record.suite for record in records):
        path = directory / f"{suite}.jsonl"
        old = path.read_text() if path.exists() else ""
        new = "".join(record.line() for record in records if record.suite == suite)
        write_atomically(path, (old + new).encode())


def read(directory: Path) -> list[Record]:
    """The records of a directory's files; comparisons are none."""
    return [
        Record.from_line(line)
        for path in sorted(directory.glob("*.jsonl"))
        if path.name != COMPARISONS
        for line in path.read_text().splitlines()
    ]


def latest(records: Iterable[Record]) -> list[Record]:
    """The last record of each measurement, in the order of the first."""
    newest: dict[Any, Record] = {}
    for record in records:
        newest[record.key] = record
    return list(newest.values())
