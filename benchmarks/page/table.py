"""Records as tables of text: what the terminal and BENCHMARKS.md print."""

from collections.abc import Sequence

from benchmarks.measuring.machine import FOREIGN_LIMIT
from benchmarks.records.record import Record

Rows = list[list[str]]

NOT_INSTALLED = "not installed"


def _by_cell(records: Sequence[Record]) -> list[dict[str, Record]]:
    """The records of each cell (of one suite and allocator), by provider."""
    cells: dict[object, dict[str, Record]] = {}
    for record in records:
        key = (record.suite, record.cell, record.allocator)
        cells.setdefault(key, {})[record.provider] = record
    return list(cells.values())


def _providers(records: Sequence[Record]) -> list[str]:
    """All but ours, in the order of the suite."""
    names = dict.fromkeys(record.provider for record in records)
    return [name for name in names if name not in {record.ours for record in records}]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.1e}"


def _ratio(record: Record | None) -> str:
    if record is None:
        return ""
    if record.ratio is None:
        return NOT_INSTALLED if (record.not_run or "").startswith(NOT_INSTALLED) else "not run"
    return f"{record.ratio.median:.2f} [{record.ratio.low:.2f}, {record.ratio.high:.2f}]"


def _rounds(record: Record) -> str:
    """Rounds kept/discarded; too few quiet ones, and disturbed ones were kept: that is said too."""
    disturbed = sum(share > FOREIGN_LIMIT for share in record.foreign_cpu)
    text = f"{len(record.times_ms)}/{record.rounds_discarded}"
    return f"{text} ({disturbed} disturbed)" if disturbed else text


def races(records: Sequence[Record]) -> Rows:
    """Per cell our time, the others' times over ours, errors, and rounds; a heading first.

    Args:
        records: Of suites with the same `ours`.
    """
    timed = [record for record in records if record.times_ms or record.not_run]
    others = _providers(timed)
    tail = ["gradient error: ours", "eager", "loss error", "kept/discarded"]
    rows = [["cell", "ours ms", *others, *tail]]
    for cell in _by_cell(timed):
        ours = next((record for name, record in cell.items() if name == record.ours), None)
        if ours is None or ours.median_ms is None:
            continue
        eager = cell.get("eager")
        rows.append(
            [
                ours.cell.title,
                f"{ours.median_ms:.3f}",
                *(_ratio(cell.get(name)) for name in others),
                _number(ours.gradient_error),
                _number(eager.gradient_error if eager else None),
                _number(ours.loss_error),
                _rounds(ours),
            ]
        )
    return rows if len(rows) > 1 else []


def errors(records: Sequence[Record]) -> Rows:
    """Both errors of each provider, side by side; a heading first."""
    fields = ("loss_error", "gradient_error")
    names = list(dict.fromkeys(record.provider for record in records))
    heading = [f"{field.replace('_', ' ')}: {name}" for field in fields for name in names]
    rows = [["cell", *heading]]
    for cell in _by_cell(records):
        found = [
            _number(getattr(cell[name], field) if name in cell else None)
            for field in fields
            for name in names
        ]
        rows.append([next(iter(cell.values())).cell.title, *found])
    return rows if len(rows) > 1 else []


def accuracies(records: Sequence[Record]) -> Rows:
    """Gradient errors by temperature; a heading first."""
    found = [record for record in records if record.suite == "accuracy"]
    names = list(dict.fromkeys(record.provider for record in found))
    rows = [["cell", "tau", *names]]
    for cell in _by_cell(found):
        one = next(iter(cell.values()))
        errors = [_number(cell[name].gradient_error if name in cell else None) for name in names]
        rows.append([one.cell.title, f"{getattr(one.cell, 'temperature', 0):g}", *errors])
    return rows if len(rows) > 1 else []


def peaks(records: Sequence[Record]) -> Rows:
    """Peak memory above the inputs; a heading first."""
    found = [record for record in records if record.suite == "memory"]
    names = list(dict.fromkeys(record.provider for record in found))
    rows = [["cell", *(f"{name} MB" for name in names)]]
    for cell in _by_cell(found):
        values = [cell[name].peak_mb if name in cell else None for name in names]
        texts = ["not run" if value is None else f"{value:.0f}" for value in values]
        rows.append([next(iter(cell.values())).cell.title, *texts])
    return rows if len(rows) > 1 else []


def left_out(records: Sequence[Record]) -> list[str]:
    """Each provider that did not run somewhere, and why, once."""
    reasons = {f"{r.provider}: {r.not_run}" for r in records if r.not_run}
    return sorted(reasons)


def aligned(rows: Rows) -> list[str]:
    """The table in columns of spaces."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))] if rows else []
    return [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def markdown(rows: Rows) -> list[str]:
    """The table in Markdown."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return [lines[0], f"|{' --- |' * len(rows[0])}", *lines[1:]] if rows else []
