"""The short form of tables and controls: a line for each row, and where the rest is to be found."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from simclr_bench.report import words
from simclr_bench.report.reading import (
    by_batch_size,
    columns_of,
    has_paper,
    has_verdicts,
    is_metric,
    judged_first,
    meaning_of,
    not_comparable,
    papers_numbers,
    parts_of,
    printed_of,
    verdicts_compare,
)
from simclr_bench.report.terminal.styles import grid, heading, indented, muted, verdict
from simclr_bench.report.terminal.tables import WORD, printed_alone, remarks, stale_mark

JSON = dict[str, Any]

# Columns of the terminal: a number beside its interval, and the gap after it; the paper's number.
NUMBER = len("0.000 [0.000, 0.000]") + 1
PRINTED = len("paper") + 1

MEASURES = 3  # shown at most; a table has up to six, and the first say what the others say

REST = "see `simclr-bench report`"


def brief_table(table: JSON, label: str, width: int) -> Iterator[RenderableType]:
    """A table with a line for each row, its legend, and how much more there is.

    Args:
        table: A TABLE of the document.
        label: The profile's label; it stands with every number of ours.
        width: Columns of the terminal.
    """
    ours = f", {label}" if table["measures"] else ""
    yield heading(f"{words.table_title(table)}{ours} ({table['source']})")
    rows = table["rows"]
    if not table["measures"]:
        yield printed_alone(table, rows)
        if more := _more(table):
            yield muted(f"{more}.")
    else:
        if reason := not_comparable(rows):
            yield Text(words.none_comparable(reason))
        # Longer names wrap.
        taken = min(max(len(_named(table, row)) for row in rows), width // 3) + 1
        taken += has_paper(rows) * PRINTED + has_verdicts(rows) * WORD
        fitting = max(1, (width - taken) // NUMBER)
        measures = judged_first(table, rows)
        shown = measures[: min(fitting, MEASURES)]
        yield _rows(table, shown)
        yield from remarks(rows, stale=False)
        yield _legend(table, shown, measures[len(shown) :])


def brief_control(found: JSON, label: str, width: int) -> Iterator[RenderableType]:
    """One control: what it found, and a line for each row."""
    yield heading(f"Control, {label}: {found['title']}")
    yield indented(Text(f"→ {found['finding']}", style="bold"))
    labels = [row["label"] for row in found["rows"]]
    if len(set(labels)) < len(labels):
        yield _by_first_column(found, width)
    else:
        rows = {row["label"]: row["cells"] for row in found["rows"]}
        signed = [*map(words.is_signed, found["columns"])]
        yield _lines("", found["columns"], rows, signed, width)


def brief_encoder_check(checks: Sequence[JSON], label: str, width: int) -> Iterator[RenderableType]:
    """What pretraining is worth, a line for each data set."""
    names = ("chance", "untrained", "pretrained", "difference")
    yield heading(f"Control, {label}: what pretraining is worth to a probe trained to convergence")
    yield _lines(
        "held-out",
        names,
        {
            f"{check['dataset']} ({check['classes']})": [
                words.number(check["chance"]),
                *(check[name] for name in names[1:]),
            ]
            for check in checks
        },
        [*map(words.is_signed, names)],
        width,
    )


def _lines(
    corner: str,
    columns: Sequence[str],
    rows: Mapping[str, Sequence[Any]],
    signed: Sequence[bool],
    width: int,
) -> Table:
    """A grid with a line for each row; with two where numbers and intervals have no room."""
    shown = {
        name: [_cell(cell, signed=sign) for cell, sign in zip(cells, signed, strict=True)]
        for name, cells in rows.items()
    }
    lines = [[name, *cells] for name, cells in shown.items()]
    widths = [max(map(len, column)) + 1 for column in zip(*lines, strict=True)]
    narrow = sum(widths) > width
    view = grid()
    for name in (corner, *columns):
        view.add_column(Text(name), overflow="fold")
    for line in lines:
        view.add_row(*(Text(cell.replace(" [", "\n[") if narrow else cell) for cell in line))
    return view


def _rows(table: JSON, measures: Sequence[JSON]) -> Table:
    rows = table["rows"]
    paper, verdicts = has_paper(rows), has_verdicts(rows)
    view = grid()
    view.add_column(Text(" · ".join(columns_of(table)[:2])), overflow="fold")
    if paper:
        view.add_column("paper", no_wrap=True)
    for measure in measures:
        view.add_column(Text(measure["title"]), min_width=NUMBER - 1, overflow="fold")
    if verdicts:
        view.add_column("verdict", no_wrap=True)
    for row in rows:
        cells: list[RenderableType] = [Text(_named(table, row))]
        cells += [Text(printed_of(row))] if paper else []
        for measure in measures:
            name = measure["name"]
            metric = row["measures"].get(name)
            cells.append(Text(_cell(metric, signed=name in words.SIGNED)))
        if verdicts:
            found = row["verdict"]
            cells.append(verdict(found["word"]) if found else Text(words.NOTHING))
        view.add_row(*cells)
    return view


def _named(table: JSON, row: JSON) -> str:
    """The first two columns, the batch size where there are several, and whether it is stale."""
    several = len(by_batch_size(table)) > 1
    parts = [part for part in parts_of(row)[:2] if part != words.NOTHING]
    name = " · ".join(parts) + (f", batch {row['batch_size']}" if several else "")
    return f"{name}{stale_mark(row)}"


def _legend(table: JSON, shown: Sequence[JSON], others: Sequence[JSON]) -> Text:
    sentences = [f"{each['title']}: {meaning_of(table, each)}" for each in shown]
    if others:
        sentences.append(f"Also measured: {'; '.join(each['title'] for each in others)}")
    if (compared := verdicts_compare(table)) and not not_comparable(table["rows"]):
        sentences.append(f"Verdicts compare: {compared}")
    if more := _more(table):
        sentences.append(more)
    return muted(" ".join(f"{sentence}." for sentence in sentences))


def _more(table: JSON) -> str:
    """How many notes and inconsistencies there are, by number, and where they are written out."""
    parts = []
    if count := len(table["inconsistencies"]):
        numbers = papers_numbers(table)
        parts.append(
            f"{_counted(count, 'inconsistency', 'inconsistencies')} of the paper"
            + (f" ({numbers})" if numbers else "")
        )
    if count := len(table["notes"]):
        parts.append(_counted(count, "note", "notes"))
    return f"On this table: {' and '.join(parts)}; {REST}" if parts else ""


def _counted(count: int, one: str, several: str) -> str:
    return f"{count} {one if count == 1 else several}"


def _by_first_column(found: JSON, width: int) -> Table:
    """A control whose rows recur: a line for each label, a column for each of its first cells.

    What is shown is the last column, which the finding is about.
    """
    values = {(row["label"], row["cells"][0]): row["cells"][-1] for row in found["rows"]}
    names = dict.fromkeys(name for name, _ in values)
    columns = list(dict.fromkeys(column for _, column in values))
    return _lines(
        found["columns"][-1],
        [words.plain(column) for column in columns],
        {name: [values.get((name, column), words.NOTHING) for column in columns] for name in names},
        [words.is_signed(found["columns"][-1])] * len(columns),
        width,
    )


def _cell(cell: Any, *, signed: bool = False) -> str:
    if is_metric(cell):
        mean = words.number(cell["mean"], signed=signed)
        return f"{mean} {words.interval(cell['interval'])}"
    return words.plain_cell(cell)
