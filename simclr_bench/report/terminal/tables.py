"""One table of the document: the paper's lines, and ours beside them."""

from collections.abc import Iterator, Sequence
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
    judged_first,
    meaning_of,
    measured,
    not_comparable,
    parts_of,
    printed_of,
    verdicts_compare,
    widest,
)
from simclr_bench.report.terminal.styles import (
    add_numbers,
    grid,
    heading,
    indented,
    muted,
    two_lines,
    verdict,
)

JSON = dict[str, Any]

# Columns of the terminal: a number with its interval and the gap after it; the least for a label;
# the longest verdict.
NUMBER = len("[0.000, 0.000]") + 1
LABEL = 15
WORD = max(map(len, words.CELL_SYMBOLS)) + 3


def table_view(table: JSON, label: str, width: int) -> Iterator[RenderableType]:
    """A table, its legend, and what bears on it.

    Args:
        table: A TABLE of the document.
        label: The profile's label; it stands with every number of ours.
        width: Columns of the terminal.
    """
    yield heading(f"{words.table_title(table)} ({table['source']})")
    if reason := not_comparable(table["rows"]):
        yield Text(words.none_comparable(reason))
    groups = by_batch_size(table)
    for batch_size, rows in groups:
        where = f", batch size {batch_size}" if len(groups) > 1 else ""
        if table["measures"]:
            yield from _blocks(table, rows, f"{label}{where}", width)
        else:
            yield printed_alone(table, rows)
        yield from remarks(rows)
    yield from _legend(table)


def _blocks(table: JSON, rows: Sequence[JSON], title: str, width: int) -> Iterator[Table]:
    """As many measures side by side as fit beside the paper's numbers; below, the others."""
    paper, verdicts = has_paper(rows), has_verdicts(rows)
    taken = LABEL + paper * NUMBER + verdicts * WORD
    names = [measure["name"] for measure in judged_first(table, rows)]
    first = max(1, (width - taken) // NUMBER)
    yield _block(table, rows, names[:first], title, paper, verdicts)
    each = max(1, (width - LABEL) // NUMBER)
    for start in range(first, len(names), each):
        shown = names[start : start + each]
        yield _block(table, rows, shown, f"{title}, continued", False, False)


def _block(
    table: JSON,
    rows: Sequence[JSON],
    names: Sequence[str],
    title: str,
    paper: bool,
    verdicts: bool,
) -> Table:
    titles = {measure["name"]: measure["title"] for measure in table["measures"]}
    view = grid(title)
    # A long name wraps; a number never does.
    view.add_column(Text("\n".join(filter(None, _above(columns_of(table))))), overflow="fold")
    if paper:
        add_numbers(view, f"{table['header'][-1]}, paper")
    for name in names:
        add_numbers(view, titles[name])
    if verdicts:
        view.add_column("Verdict", no_wrap=True)
    for row in rows:
        cells: list[RenderableType] = [Text("\n".join(filter(None, _above(_named(row)))))]
        if paper:
            cells.append(_printed(row))
        cells += [_metric(name, row["measures"].get(name)) for name in names]
        if verdicts:
            found = row["verdict"]
            cells.append(verdict(found["word"]) if found else Text(words.NOTHING))
        view.add_row(*cells)
    return view


def _above(parts: Sequence[str]) -> tuple[str, str]:
    """The first cell of a line, and the others to stand below it."""
    return parts[0], " · ".join(parts[1:])


def _named(row: JSON) -> list[str]:
    name, *others = parts_of(row)
    name += " (ours alone)" if row["ours_alone"] else ""
    return [f"{name}{stale_mark(row)}", *others]


def stale_mark(row: JSON) -> str:
    """What stands after the name of a row whose records are not of today's code or data."""
    return " (stale)" if row["stale"] else ""


def _printed(row: JSON) -> Text:
    candidate = widest(row["paper"])
    if candidate is None:
        return Text(printed_of(row))
    return two_lines(printed_of(row), words.interval(candidate["interval"]))


def _metric(name: str, metric: JSON | None) -> Text:
    if metric is None:
        return Text(words.NOTHING)
    mean = words.number(metric["mean"], signed=name in words.SIGNED)
    return two_lines(mean, words.interval(metric["interval"]))


def printed_alone(table: JSON, rows: Sequence[JSON]) -> Table:
    """A table of the paper that holds no results."""
    view = grid("As printed")
    for name in table["header"]:
        view.add_column(Text(name), overflow="fold")
    for row in rows:
        view.add_row(*map(Text, row["cells"]))
    return view


def remarks(rows: Sequence[JSON], *, stale: bool = True) -> Iterator[RenderableType]:
    """What a row's line has no room for: longer verdicts, failed seeds, why records are stale."""
    reasons: dict[str, list[str]] = {}
    for row in rows:
        found = row["verdict"]
        if has_verdicts(rows) and found and found["text"] != found["word"]:
            reasons.setdefault(found["text"], []).append(row["label"])
    words_of = {row["verdict"]["text"]: row["verdict"]["word"] for row in rows if row["verdict"]}
    for text, labels in reasons.items():
        line = verdict(words_of[text], text).append(f": {', '.join(labels)}", style="not bold")
        yield indented(line)
    for row in rows:
        if row["failed"]:
            yield indented(Text(f"! {row['label']}: {words.seeds(row)}", style="bold"))
    for reason in dict.fromkeys(row["stale"] for row in rows if row["stale"] and stale):
        yield indented(Text(f"! stale: {reason}", style="bold"))


def _legend(table: JSON) -> Iterator[RenderableType]:
    if table["measures"]:
        yield muted(
            " ".join(f"{m['title']}: {meaning_of(table, m)}." for m in table["measures"])
            + f" Intervals, {table['intervals']}."
        )
        if any(row["paper"]["candidates"] for row in table["rows"]):
            yield muted("The paper's interval is the widest of those that the number admits.")
        if compared := verdicts_compare(table):
            yield muted(f"Verdicts compare: {compared}.")
    for row in table["rows"]:
        if row["paper"]["references"] and measured(table, row):
            beside = "; ".join(map(words.reference, row["paper"]["references"]))
            yield muted(f"{row['label']} elsewhere: {beside}.")
    for note in table["notes"]:
        yield muted(note)
    for text in table["inconsistencies"]:
        yield indented(f"! In the paper: {text}")
