"""`--print-config`: every setting, its value and where it came from."""

from itertools import groupby

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from simclr_bench.cli.output import print_json, print_text
from simclr_bench.experiments.settings import Line, Resolved, explain

NOT_SET = "as the table says"
ALL = "all"


def print_configuration(resolved: Resolved, as_json: bool) -> None:
    """Prints the configuration, as text or as one JSON document."""
    lines = explain(resolved)
    if as_json:
        print_json(
            {"config": {line.key: {"value": line.value, "origin": line.origin} for line in lines}}
        )
    else:
        print_text(_grid(lines))


def _grid(lines: list[Line]) -> RenderableType:
    width = max(len(line.key.partition(".")[2]) for line in lines)
    values = max(len(_shown(line)) for line in lines)
    parts: list[RenderableType] = []
    for section, members in groupby(lines, lambda line: line.key.partition(".")[0]):
        grid = Grid(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
        grid.add_column(min_width=width, no_wrap=True)
        grid.add_column(min_width=min(values, 24), overflow="fold")
        grid.add_column(style="dim")
        for line in members:
            name = line.key.partition(".")[2]
            grid.add_row(Text(name), Text(_shown(line)), Text(line.origin))
        parts += [Text(f"[{section}]", style="bold"), Padding(grid, (0, 0, 0, 2), expand=False)]
    return Group(*parts)


def _shown(line: Line) -> str:
    """A value as `--set` takes it, or what its absence means."""
    value = line.value
    if value is None:
        return ALL if line.key == "run.rows" else NOT_SET
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
