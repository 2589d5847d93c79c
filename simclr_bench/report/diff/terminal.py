"""A comparison as text for a terminal, 80 columns wide or more."""

import json
from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

JSON = dict[str, Any]

# The word carries the meaning; the color only repeats it.
STYLES = {"higher": "green", "lower": "red", "undecided": "yellow", "equal": "dim"}


class DiffReport:
    """A comparison, ready for `rich` to print."""

    def __init__(self, difference: JSON) -> None:
        """
        Args:
            difference: What `diff_documents` made.
        """
        self._difference = difference

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        found = self._difference
        yield Text(f"{found['profile']['label']}: what changed from A to B", style="bold")
        yield Text(f"A: {found['a']}\nB: {found['b']}")
        for title, differences in (
            ("Environment", found["environment"]),
            ("Encoder and data", found["inputs"]),
        ):
            yield Text()
            yield from _listed(title, differences)
        for table in found["tables"]:
            yield Text()
            yield from _table(table)
        yield Text()
        yield from _flipped("Verdicts of cells", [_cell(flip) for flip in found["verdicts"]])
        yield from _flipped("Verdicts of claims", [_claim(flip) for flip in found["claims"]])
        for side in "ab":
            if rows := found[f"only_{side}"]:
                names = "; ".join(f"{_numbered(row['table'])}, {_row_name(row)}" for row in rows)
                yield Text(f"Rows in {side.upper()} alone: {names}")
        yield Text(
            "A and B: means over all seeds of each; the change: over common seeds.", style="dim"
        )
        yield Text(f"Intervals: {found['intervals']}.", style="dim")


def _listed(title: str, differences: Sequence[JSON]) -> RenderResult:
    if not differences:
        yield Text(f"{title}: the same")
        return
    yield Text(f"{title}:", style="bold")
    for each in differences:
        yield _indented(f"{each['field']}: {_shown(each['a'])} -> {_shown(each['b'])}")


def _table(table: JSON) -> RenderResult:
    yield Text(f"{_numbered(table['id'])}. {table['caption']}", style="bold cyan")
    quiet = [row for row in table["rows"] if _nothing_changed(row)]
    for row in table["rows"]:
        if row in quiet:
            continue
        yield Text(f"{_row_name(row)} ({_seeds(row['seeds'])})", style="bold")
        for each in row["settings"]:
            yield _indented(f"{each['field']}: {_shown(each['a'])} -> {_shown(each['b'])}")
        if row["stale"]:
            for side, reason in row["stale"].items():
                if reason:
                    yield _indented(f"stale in {side.upper()}: {reason}")
        yield Padding(_measures(row["measures"]), (0, 0, 0, 2), expand=False)
        for side in "ab":
            if names := row[f"measures_only_{side}"]:
                yield _indented(f"measured in {side.upper()} alone: {', '.join(names)}")
    if quiet:
        names = ", ".join(_row_name(row) for row in quiet)
        yield Text(f"The same in every seed: {names}", style="dim")


def _nothing_changed(row: JSON) -> bool:
    changes = [measure["change"] for measure in row["measures"]]
    unpaired = row["seeds"]["only_a"] or row["seeds"]["only_b"]
    others = row["settings"] or row["stale"] or row["measures_only_a"] or row["measures_only_b"]
    same = all(change and change["direction"] == "equal" for change in changes)
    failed = any(measure["failed"]["a"] or measure["failed"]["b"] for measure in row["measures"])
    return same and not (unpaired or others or failed)


def _measures(measures: Sequence[JSON]) -> Table:
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    for heading in ("Measure", "A", "B", "Change, paired", ""):
        grid.add_column(heading, no_wrap=heading in ("A", "B"), overflow="fold")
    for measure in measures:
        change = measure["change"]
        grid.add_row(
            Text(measure["title"]),
            _number(measure["a"]["mean"]),
            _number(measure["b"]["mean"]),
            Text(_change(change) + _failed(measure["failed"])),
            Text(change["direction"], style=STYLES[change["direction"]]) if change else Text(),
        )
    return grid


def _change(change: JSON | None) -> str:
    if change is None:
        return "no seed has it in both"
    mean = f"{change['mean']:+z.3f}"
    if change["interval"] is None:
        return f"{mean} (one seed: no interval)"
    low, high = change["interval"]
    return f"{mean} [{low:+z.3f}, {high:+z.3f}]"


def _failed(failed: JSON) -> str:
    parts = [
        f"{side.upper()}: {', '.join(map(str, failed[side]))}" for side in "ab" if failed[side]
    ]
    return f"\nseeds without a value, {'; '.join(parts)}" if parts else ""


def _seeds(seeds: JSON) -> str:
    parts = [f"{len(seeds['common'])} seeds in both"]
    for side in "ab":
        if only := seeds[f"only_{side}"]:
            parts.append(f"unpaired in {side.upper()}: {', '.join(map(str, only))}")
    return "; ".join(parts)


def _flipped(title: str, lines: Sequence[str]) -> RenderResult:
    if not lines:
        yield Text(f"{title}: none flipped")
        return
    yield Text(f"{title} that flipped:", style="bold")
    for line in lines:
        yield _indented(line)


def _cell(flip: JSON) -> str:
    words = [flip[side]["word"] if flip[side] else "no verdict" for side in "ab"]
    return f"{_numbered(flip['table'])}, {_row_name(flip)}: {' -> '.join(words)}"


def _claim(flip: JSON) -> str:
    where = ", ".join(filter(None, [flip["measure"], flip["where"]]))
    return f"{flip['id']} ({where}): {flip['a']} -> {flip['b']}; “{flip['sentence']}”"


def _numbered(table: str) -> str:
    return f"Table {table}" if table.isdigit() else table.capitalize()


def _row_name(row: JSON) -> str:
    batch_size = row["batch_size"]
    return row["label"] if batch_size is None else f"{row['label']}, batch {batch_size}"


def _number(value: float | None) -> str:
    return "—" if value is None else f"{value:z.3f}"


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _indented(text: str) -> Padding:
    return Padding(Text(text), (0, 0, 0, 2), expand=False)
