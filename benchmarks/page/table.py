"""Records as tables of text: for the terminal a line per provider, for the page one per cell."""

import re
from collections.abc import Sequence

from benchmarks.grid.work import achieved
from benchmarks.page import words
from benchmarks.page.machines import Grid, Race, by_cell
from benchmarks.records.record import Record

Rows = list[list[str]]


def dagger(provider: str) -> str:
    """What stands behind the name of a provider that does something else than a cell says."""
    return " †" if provider in words.differing() else ""


def left_out(records: Sequence[Record]) -> list[str]:
    """Each provider that did not run somewhere, and why, once."""
    reasons = {f"{r.provider}: {r.not_run}" for r in records if r.not_run}
    return sorted(reasons)


def differences(records: Sequence[Record]) -> list[str]:
    """What daggers stand for: each provider that does something else than its cells say."""
    names = dict.fromkeys(record.provider for record in records)
    return [f"† {name}: {text}" for name, text in words.differing().items() if name in names]


def aligned(rows: Rows) -> list[str]:
    """The table in columns of spaces."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))] if rows else []
    return [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def markdown(rows: Rows) -> list[str]:
    """The table in Markdown, all but the first column to the right; an interval is never broken."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    lines = [re.sub(r" \[([^],]+), ([^]]+)\]", "\N{NBSP}[\\1,\N{NBSP}\\2]", line) for line in lines]
    return [lines[0], f"| --- |{' ---: |' * (len(rows[0]) - 1)}", *lines[1:]] if rows else []


def races(records: Sequence[Record]) -> Rows:
    """A line per cell and provider, which fits a terminal however many race; headings between.

    The cells of a precision class stand together, under a heading that names it. Columns that
    nothing was measured for are left out.
    """
    columns = ["provider", "ms", "over ours [95 %]", "gradient", "images/s", "GFLOP/s", "GB/s"]
    raced = [record for record in records if record.times_ms or record.not_run]
    rows: Rows = []
    for kind in dict.fromkeys(words.class_of_cell(record.cell) for record in raced):
        rows.append([kind, *columns, "rounds"])
        for race in by_cell(r for r in raced if words.class_of_cell(r.cell) == kind):
            for number, record in enumerate(race.values()):
                title = f"{record.cell.work} {words.size_of(record.cell)}"
                rows.append(["" if number else title, *_line(record, kind)])
    headings = {tuple(row) for row in rows if row[1] == columns[0]}
    lines = [row for row in rows if tuple(row) not in headings]
    used = [i for i in range(len(columns) + 2) if any(row[i] for row in lines)]
    return [[row[i] for i in used] for row in rows]


def _line(record: Record, kind: str) -> list[str]:
    flops, moved = _rates(record)
    name, own = record.provider, words.class_of(record)
    over = "ours" if record.provider == record.ours and record.times_ms else ""
    return [
        (name if own == kind else f"{name} ({own})") + dagger(name),
        words.number(record.median_ms),
        over or (words.ratio(record.ratio) if record.ratio else words.missing(record)),
        words.exponent(record.gradient_error) + (" WRONG" if words.is_wrong(record) else ""),
        words.number(words.images_per_s(record)),
        flops,
        moved,
        _rounds(record) if record.times_ms else "",
    ]


def _rounds(record: Record) -> str:
    """Rounds kept/discarded; too few quiet ones, and disturbed ones were kept: that is said too."""
    disturbed = words.disturbed(record.foreign_cpu)
    text = f"{len(record.times_ms)}/{record.rounds_discarded}"
    return f"{text} ({disturbed} disturbed)" if disturbed else text


def _rates(record: Record) -> tuple[str, str]:
    """Achieved GFLOP/s and GB/s, each with its share of what the machine was measured to do."""
    rates = achieved(record)
    if rates is None:
        return "", ""
    flops = None if rates.tflop_s is None else 1e3 * rates.tflop_s
    pairs = (flops, rates.matmul_share), (rates.gb_s, rates.copy_share)
    texts = [
        words.number(rate) + (f" ({words.percent(share)})" if rate and share else "")
        for rate, share in pairs
    ]
    return texts[0], texts[1]


def grid(found: Grid) -> Rows:
    """Per cell our time and error, everybody's time over ours and error; a heading first."""
    images = any(words.images_per_s(record) for record in found.records)
    heading = ["size", "ours, ms", "ours, images/s" if images else "ours, error"]
    heading += [_column(found, name) for name in found.others]
    rows = [[*heading, "GFLOP/s", "GB/s", "rounds"]]
    several = len({getattr(record.cell, "temperature", 0) for record in found.records}) > 1
    for race in found.races:
        ours = race.get(found.ours)
        if ours is None or not ours.times_ms:
            continue
        size = words.size_of(ours.cell)
        rows.append(
            [
                f"{size} tau={getattr(ours.cell, 'temperature', 0):g}" if several else size,
                words.number(ours.median_ms),
                words.number(words.images_per_s(ours)) if images else words.gradient_error(ours),
                *(beside(race.get(name)) for name in found.others),
                *_rates(ours),
                _rounds(ours),
            ]
        )
    return _without_blanks(rows) if len(rows) > 1 else []


def _without_blanks(rows: Rows) -> Rows:
    """Without the last columns' achieved rates where nothing is known of them."""
    width = len(rows[0])
    blank = [i for i in (width - 3, width - 2) if not any(row[i] for row in rows[1:])]
    return [[text for i, text in enumerate(row) if i not in blank] for row in rows]


def _column(found: Grid, name: str) -> str:
    """A provider's name, its precision class where that is not the table's, and its dagger."""
    kinds = {words.class_of(record) for record in found.records if record.provider == name}
    other = sorted(kinds - {found.kind})
    text = f"{name} ({', '.join(other)})" if other else name
    return text + dagger(name)


def over_ours(record: Record | None) -> str:
    """A provider's time over ours; its time where ours has none, or why it has none itself."""
    if record is None or not record.times_ms:
        return words.missing(record)
    return words.ratio(record.ratio) if record.ratio else f"{words.number(record.median_ms)} ms"


def beside(record: Record | None) -> str:
    """The same, and its gradient's error and its images a second, where it has them."""
    if record is None or not record.times_ms:
        return words.missing(record)
    rate = words.images_per_s(record)
    details = ["" if rate is None else f"{words.number(rate)}/s", words.gradient_error(record)]
    return " · ".join([over_ours(record), *(detail for detail in details if detail)])


def errors(records: Sequence[Record]) -> Rows:
    """Both errors of each provider, side by side; a heading first."""
    fields = ("loss_error", "gradient_error")
    names = list(dict.fromkeys(record.provider for record in records))
    heading = [f"{field.replace('_', ' ')}: {name}" for field in fields for name in names]
    rows = [["cell", *heading]]
    for race in by_cell(records):
        found = [
            words.exponent(getattr(race[name], field) if name in race else None)
            for field in fields
            for name in names
        ]
        rows.append([next(iter(race.values())).cell.title, *found])
    return rows if len(rows) > 1 else []


def accuracies(records: Sequence[Record]) -> Rows:
    """Gradient errors by temperature; a heading first."""

    def text(race: Race, name: str) -> str:
        found = race.get(name)
        return "" if found is None else words.gradient_error(found) or words.missing(found)

    found = [record for record in records if record.suite == "accuracy"]
    names = list(dict.fromkeys(record.provider for record in found))
    rows = [["cell", "tau", *names]]
    for race in by_cell(found):
        cell = next(iter(race.values())).cell
        tau = f"{getattr(cell, 'temperature', 0):g}"
        rows.append([cell.title, tau, *(text(race, name) for name in names)])
    return rows if len(rows) > 1 else []


def peaks(records: Sequence[Record]) -> Rows:
    """Peak memory above the inputs; a heading first."""
    found = [record for record in records if record.suite == "memory"]
    names = list(dict.fromkeys(record.provider for record in found))
    rows = [["cell", *(f"{name} MB" for name in names)]]
    for race in by_cell(found):
        texts = []
        for name in names:
            peak = race[name].peak_mb if name in race else None
            texts.append(words.missing(race.get(name)) if peak is None else f"{peak:.0f}")
        rows.append([next(iter(race.values())).cell.title, *texts])
    return rows if len(rows) > 1 else []
