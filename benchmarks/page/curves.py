"""Scaling curves as tables of text."""

from collections.abc import Sequence

from benchmarks.grid.cells import LossCell
from benchmarks.grid.scaling import Exponent, memory_exponent, time_exponent
from benchmarks.page.table import Rows
from benchmarks.records.record import Record


def curves(records: Sequence[Record]) -> Rows:
    """Times and peaks of each provider by rows, where it refused, and exponents; a heading first.

    Args:
        records: Of the scaling suite of one loss.
    """
    names = list(dict.fromkeys(record.provider for record in records))
    found = {(_rows_of(record), record.provider): record for record in records}
    rows = [["rows", *names]]
    for size in sorted({size for size, _ in found}):
        rows.append([str(size), *(_shown(found.get((size, name))) for name in names)])
    of = {name: [record for record in records if record.provider == name] for name in names}
    rows.append(["time exponent", *(_exponent(time_exponent(of[name])) for name in names)])
    rows.append(["memory exponent", *(_exponent(memory_exponent(of[name])) for name in names)])
    return rows if found else []


def _rows_of(record: Record) -> int:
    assert isinstance(record.cell, LossCell)
    return record.cell.rows


def _shown(record: Record | None) -> str:
    if record is None:
        return ""
    if record.median_ms is None:
        return (record.not_run or "").split(":")[0]
    peak = "" if record.peak_mb is None else f", {max(0.0, record.peak_mb):.0f} MB"
    return f"{record.median_ms:.3g} ms{peak}"


def _exponent(found: Exponent | None) -> str:
    """With its interval and the sizes that count."""
    if found is None:
        return ""
    first, last = found.points[0].rows, found.points[-1].rows
    return f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}], {first} to {last}"
