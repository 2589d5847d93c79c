"""`list` and `show`: the paper as data, without importing torch."""

import argparse
from dataclasses import asdict
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from simclr_bench.cli.output import print_json, print_text
from simclr_bench.experiments.suggest import find
from simclr_bench.paper.spec import Above, Beyond, Claim, Equal, Ordered, Table
from simclr_bench.paper.tables import FIGURE_6, TABLES


def run(options: argparse.Namespace) -> int:
    """Runs `list` or `show`."""
    if options.verb == "show":
        table = TABLES[find(options.table, TABLES, "table")]
        document, text = _as_json(table), _shown(table)
    else:
        document = {
            "tables": [_as_json(table) for table in TABLES.values()],
            "figures": [asdict(FIGURE_6)],
        }
        text = _listed()
    if options.json:
        print_json(document)
    else:
        print_text(text)
    return 0


def _listed() -> RenderableType:
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("Table", "Caption", "Rows", "Claims", "Re-run"):
        grid.add_column(heading)
    for table in TABLES.values():
        command = f"reproduce --table {table.id}" if table.runs else "declared, not run yet"
        grid.add_row(table.id, table.caption, str(len(table.rows)), str(len(table.claims)), command)
    figure = f"Figure {FIGURE_6.id}. {FIGURE_6.caption}: drawn from table {FIGURE_6.table}."
    return Group(grid, Text(figure), Text("simclr-bench show N prints one of them."))


def _shown(table: Table) -> RenderableType:
    header, *body = table.cells
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False)
    for cell in [*header, "What it means"]:
        grid.add_column(escape(cell))
    for cells in body:
        changes = ", ".join(f"{k} = {_value(v)}" for k, v in table.rows[cells[0]].items())
        grid.add_row(*map(escape, cells), escape(changes))
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
    return f"{claim.id}: “{claim.sentence}” ({claim.source})\n  as a statement: {_stated(claim)}"


def _stated(claim: Claim) -> str:
    match claim.statement:
        case Ordered(labels):
            return " > ".join(labels)
        case Above(upper, lower):
            return f"each of [{', '.join(upper)}] > each of [{', '.join(lower)}]"
        case Equal(labels):
            return " ≈ ".join(labels)
        case Beyond(needs):
            return f"not about these rows alone; needs {needs}"


def _indented(text: str) -> Padding:
    return Padding(Text(text), (0, 0, 0, 2), expand=False)


def _value(value: Any) -> str:
    return " + ".join(value) or "none" if isinstance(value, tuple) else str(value)


def _as_json(table: Table) -> dict[str, Any]:
    return {
        "id": table.id,
        "caption": table.caption,
        "source": table.source,
        "printed": table.cells,
        "measured": table.measured or None,
        "base": asdict(table.base),
        "rows": {label: dict(changes) for label, changes in table.rows.items()},
        "choices": dict(table.choices),
        "claims": [
            {
                "id": claim.id,
                "sentence": claim.sentence,
                "source": claim.source,
                "statement": {
                    "kind": type(claim.statement).__name__.lower(),
                    **asdict(claim.statement),
                },
            }
            for claim in table.claims
        ],
        "notes": list(table.notes),
        "runs": table.runs,
    }
