"""`list` and `show`: the paper as data, without importing torch."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from simclr_bench.cli.output import print_json, print_text
from simclr_bench.experiments.settings.suggest import find
from simclr_bench.paper.equal import equal_runs
from simclr_bench.paper.spec import Claim, Table, Untestable, stated
from simclr_bench.paper.tables import FIGURES, TABLES


def run(options: argparse.Namespace) -> int:
    """Runs `list` or `show`."""
    if options.verb == "show":
        table = TABLES[find(options.table, TABLES, "table")]
        document, text = _as_json(table), _shown(table)
    else:
        document = {
            "tables": [_as_json(table) for table in TABLES.values()],
            "figures": [asdict(figure) for figure in FIGURES.values()],
            "equal_runs": [{**asdict(equal), "note": equal.note} for equal in equal_runs()],
        }
        text = _listed()
    if options.json:
        print_json(document)
    else:
        print_text(text)
    return 0


def _listed() -> RenderableType:
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("", "Caption", "Rows", "Claims", "Re-run"):
        grid.add_column(heading, no_wrap=heading != "Caption")
    for table in TABLES.values():
        command = f"reproduce --table {table.id}"
        claims = _counted(table.claims)
        grid.add_row(f"Table {table.id}", table.caption, str(len(table.rows)), claims, command)
    for figure in FIGURES.values():
        caption = f"{figure.caption} (table {figure.table})"
        grid.add_row(f"Figure {figure.id}", caption, "", "", f"reproduce --figure {figure.id}")
    lines = [f"Equal runs: {equal.note}." for equal in equal_runs()]
    lines += [
        "`simclr-bench show N` prints a table and its claims; `simclr-bench reproduce --all` runs"
        " everything."
    ]
    return Group(grid, *map(Text, lines))


def _counted(claims: Sequence[Claim]) -> str:
    testable = sum(not isinstance(claim.statement, Untestable) for claim in claims)
    return f"{len(claims)}, {testable} testable" if claims else "none"


def _shown(table: Table) -> RenderableType:
    header, *body = table.cells
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False)
    for cell in [*header, "What it means"]:
        grid.add_column(escape(cell))
    for cells in body:
        changes = ", ".join(f"{k} = {_value(v)}" for k, v in table.rows[cells[0]].items())
        grid.add_row(*map(escape, cells), escape(changes))
    for label, added in table.added_rows.items():
        changes = ", ".join(f"{k} = {_value(v)}" for k, v in added.items())
        blank = [""] * (len(header) - 2)
        grid.add_row(escape(label), *blank, "ours alone", escape(changes))
    parts: list[RenderableType] = [
        Text(f"Table {table.id}. {table.caption}", style="bold"),
        Text(f"{table.source}; every cell as printed"),
        grid,
        Text("Every row, unless it says otherwise:", style="bold"),
    ]
    for name, value in asdict(table.base).items():
        why = f"   chosen: {table.choices[name]}" if name in table.choices else ""
        parts.append(_indented(f"{name} = {_value(value)}{why}"))
    if table.measured:
        parts.append(_indented(f"metric: {table.measured}"))
    if table.claims:
        parts.append(Text("Claims:", style="bold"))
        parts += [_indented(_claimed(claim)) for claim in table.claims]
    parts += [Text(f"Note: {note}") for note in table.notes]
    return Group(*parts)


def _claimed(claim: Claim) -> str:
    statement = stated(claim.statement)
    return f"{claim.id}: “{claim.sentence}” ({claim.source})\n  as a statement: {statement}"


def _indented(text: str) -> Padding:
    return Padding(Text(text), (0, 0, 0, 2), expand=False)


def _value(value: Any) -> str:
    return " + ".join(map(str, value)) or "none" if isinstance(value, tuple) else str(value)


def _as_json(table: Table) -> dict[str, Any]:
    return {
        "id": table.id,
        "caption": table.caption,
        "source": table.source,
        "printed": table.cells,
        "measured": table.measured or None,
        "base": asdict(table.base),
        "rows": {label: dict(changes) for label, changes in table.rows.items()},
        "added_rows": {label: dict(changes) for label, changes in table.added_rows.items()},
        "choices": dict(table.choices),
        "claims": [
            {
                "id": claim.id,
                "sentence": claim.sentence,
                "source": claim.source,
                "statement": {
                    "kind": type(claim.statement).__name__.lower(),
                    "text": stated(claim.statement),
                },
            }
            for claim in table.claims
        ],
        "notes": list(table.notes),
    }
