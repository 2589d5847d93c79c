"""The records of a results directory by machine, and the grids that they fill."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.grid import SUITES
from benchmarks.grid.cells import LossCell
from benchmarks.page.words import class_of, class_of_cell, is_own
from benchmarks.records.record import Record, latest, read

Race = dict[str, Record]


@dataclass(frozen=True)
class Machine:
    """What was measured on one machine.

    Attributes:
        name: Of the folder that holds it.
        records: The last of each measurement.
    """

    name: str
    records: tuple[Record, ...]

    @property
    def title(self) -> str:
        """Processor, threads and kernels."""
        newest = max(self.records, key=lambda record: record.finished)
        facts = newest.environment
        if newest.cell.device == "cuda":
            return str(facts.get("gpu") or self.name)
        kernels = facts.get("kernels") or "no compiled"
        cpu = str(facts["cpu"]).replace("(R)", "").replace("(TM)", "")
        return f"{cpu}, {self.threads} threads, {kernels} kernels"

    @property
    def threads(self) -> int:
        """What all but the works of one core were given."""
        return max(record.cell.threads for record in self.records)

    @property
    def software(self) -> list[str]:
        """Versions and commits, one text for each that took part, newest first."""
        ordered = sorted(self.records, key=lambda record: record.finished, reverse=True)
        return list(dict.fromkeys(_software(record) for record in ordered))


def _software(record: Record) -> str:
    facts = record.environment
    commit = (facts.get("commit") or "?")[:12]
    modified = " (modified)" if facts.get("dirty") else ""
    cuda = f", CUDA {facts['cuda']}" if facts.get("cuda") else ""
    torch = facts["packages"]["torch"]
    return f"torch {torch}, Python {facts['python']}{cuda}, commit {commit}{modified}"


def machines(cpu: Path) -> list[Machine]:
    """A machine for every folder with records, the one that was measured last first."""
    folders = sorted(path for path in cpu.glob("*") if path.is_dir())
    found = [Machine(path.name, tuple(latest(read(path)))) for path in folders]
    filled = [machine for machine in found if machine.records]
    return sorted(filled, key=lambda m: max(r.finished for r in m.records), reverse=True)


def by_cell(records: Iterable[Record]) -> list[Race]:
    """The records of each cell of one suite and allocator, by provider."""
    cells: dict[object, Race] = {}
    for record in records:
        key = (record.suite, record.cell, record.allocator)
        cells.setdefault(key, {})[record.provider] = record
    return list(cells.values())


@dataclass(frozen=True)
class Grid:
    """Races that share a table: one work, suite, allocator and precision class of the inputs."""

    work: str
    suite: str
    allocator: str
    kind: str
    races: tuple[Race, ...]

    @property
    def records(self) -> list[Record]:
        return [record for race in self.races for record in race.values()]

    @property
    def ours(self) -> str:
        return self.records[0].ours

    @property
    def others(self) -> list[str]:
        """All providers but ours, in the order of the suite."""
        names = dict.fromkeys(record.provider for record in self.records)
        return [name for name in names if name != self.ours]


def grids(records: Sequence[Record]) -> list[Grid]:
    """The races among records, in the order of the suites."""
    known = list(dict.fromkeys((suite.name, suite.work) for suite in SUITES))
    found: dict[tuple[str, str, str, str], list[Record]] = {}
    for record in records:
        key = (record.suite, record.cell.work, record.allocator, class_of_cell(record.cell))
        found.setdefault(key, []).append(record)

    def place(key: tuple[str, str, str, str]) -> tuple[int, str, str]:
        return (known.index(key[:2]) if key[:2] in known else len(known), key[0], key[2])

    return [
        Grid(key[1], key[0], key[2], key[3], tuple(sorted(by_cell(found[key]), key=_size)))
        for key in sorted(found, key=place)
        if any(record.ratios for record in found[key])  # errors, memory or times alone: no race
    ]


def _size(race: Race) -> tuple[int, int]:
    """Several suites of one name share a table, smallest cells first."""
    cell = next(iter(race.values())).cell
    return (cell.rows, cell.columns) if isinstance(cell, LossCell) else (0, 0)


def peers(race: Race) -> Iterator[Record]:
    """Whoever else raced in our precision class, ours in other forms left out."""
    ours = next((record for record in race.values() if record.provider == record.ours), None)
    for record in race.values():
        if ours and not is_own(record) and class_of(record) == class_of(ours):
            yield record


def ours_of(race: Race) -> Record:
    """Ours, which must have been in it."""
    return next(record for name, record in race.items() if name == record.ours)


def ratio_of(record: Record) -> float:
    """Its median time over ours; 0 where it has none."""
    return record.ratio.median if record.ratio else 0.0


def standard(machine: Machine, loss: str) -> list[Race]:
    """The races of a loss in float32 that the first tables are about."""
    return [
        race
        for grid in grids(machine.records)
        if (grid.suite, grid.work, grid.kind) == ("standard", loss, "float32")
        and grid.allocator == "default"
        for race in grid.races
    ]
