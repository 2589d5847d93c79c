"""What the plots draw, as numbers: speed-up over N, time and memory over N, error against time."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.grid.cells import LossCell
from benchmarks.grid.scaling import Exponent, memory_exponent, peaks_of, time_exponent, times_of
from benchmarks.page.machines import by_cell, grids, peers
from benchmarks.page.words import is_own
from benchmarks.records.ratios import Ratio
from benchmarks.records.record import Record

COLUMNS = 128
ROWS = 4096


@dataclass(frozen=True)
class Curve:
    """Time and memory of one provider as the rows double.

    Attributes:
        provider: Its name.
        own: Whether it is one of ours.
        times: Rows and ms.
        peaks: Rows and 10^6 bytes above the inputs.
        time_exponent: p of time = c N^p; None where too few points count.
        memory_exponent: The same of memory.
        refused: The rows at which it ended; None where it did not.
        lacking: What it had too little of there: "memory" or "time"; "" where it was neither.
    """

    provider: str
    own: bool
    times: tuple[tuple[int, float], ...]
    peaks: tuple[tuple[int, float], ...]
    time_exponent: Exponent | None
    memory_exponent: Exponent | None
    refused: int | None
    lacking: str


def curves(records: Sequence[Record], loss: str) -> list[Curve]:
    """The scaling curves of a loss, in the order of the suite."""
    found: dict[str, list[Record]] = {}
    for record in records:
        if record.suite == "scaling" and record.cell.work == loss:
            found.setdefault(record.provider, []).append(record)
    return [_curve(name, of_one) for name, of_one in found.items()]


def _curve(provider: str, records: Sequence[Record]) -> Curve:
    end = next((record for record in records if record.not_run), None)
    return Curve(
        provider,
        is_own(records[0]),
        tuple((rows, value) for rows, value in times_of(records)),
        tuple((rows, value) for rows, value in peaks_of(records)),
        time_exponent(records),
        memory_exponent(records),
        end.cell.rows if end and isinstance(end.cell, LossCell) else None,
        _lacking((end.not_run or "") if end else ""),
    )


def _lacking(reason: str) -> str:
    """Of what there was too little, from a record's words (measuring/scaling.py)."""
    if not reason.startswith("refused: "):
        return ""
    return "memory" if "out of memory" in reason else "time"


def speedups(records: Sequence[Record]) -> dict[str, dict[int, Ratio]]:
    """Of each peer the ratio by N, NT-Xent at D = 128 in float32; the standard suite first."""
    names: dict[str, dict[int, Ratio]] = {}
    races = [
        race
        for suite in ("sweep", "standard")
        for grid in grids(records)
        if (grid.work, grid.suite, grid.kind) == ("nt_xent", suite, "float32")
        and grid.allocator == "default"
        for race in grid.races
    ]
    for race in races:
        for peer in peers(race):
            cell = peer.cell
            if peer.ratio and isinstance(cell, LossCell) and cell.columns == COLUMNS:
                names.setdefault(peer.provider, {})[cell.rows] = peer.ratio
    return {name: dict(sorted(points.items())) for name, points in names.items()}


@dataclass(frozen=True)
class Spot:
    """A provider's error and time at one size.

    Attributes:
        provider: Its name.
        precision: The precision class it computed in.
        ratio: Its time over ours in float32.
        error: Of the gradient.
    """

    provider: str
    precision: str
    ratio: float
    error: float


def spots(records: Sequence[Record]) -> list[Spot]:
    """Everybody's error and time, NT-Xent at N = 4096 and D = 128 in float32, ours with 1."""
    found: dict[str, Spot] = {}
    for race in by_cell(r for r in records if r.suite == "standard" and _is_the_one(r)):
        for record in race.values():
            if record.ratio is None or record.gradient_error is None:
                continue
            time, error = record.ratio.median, record.gradient_error
            found[record.provider] = Spot(record.provider, record.precision, time, error)
    return list(found.values())


def _is_the_one(record: Record) -> bool:
    cell = record.cell
    return (
        isinstance(cell, LossCell)
        and (cell.loss, cell.rows, cell.columns) == ("nt_xent", ROWS, COLUMNS)
        and (cell.dtype, record.allocator) == ("float32", "default")
    )


def temperatures(records: Sequence[Record]) -> dict[str, dict[float, float]]:
    """Of each provider the gradient's error by temperature at N = 4096 and D = 128."""
    found: dict[str, dict[float, float]] = {}
    for record in records:
        cell = record.cell
        if record.suite != "accuracy" or not _is_the_one(record):
            continue
        if isinstance(cell, LossCell) and record.gradient_error is not None:
            found.setdefault(record.provider, {})[cell.temperature] = record.gradient_error
    return {name: dict(sorted(points.items())) for name, points in found.items()}
