"""Controls, the encoder's check, and runs that the paper prints twice."""

from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from simclr_bench.report import words
from simclr_bench.report.reading import is_metric
from simclr_bench.report.terminal.styles import (
    add_numbers,
    grid,
    heading,
    indented,
    muted,
    two_lines,
)

JSON = dict[str, Any]


def control(found: JSON, label: str) -> Iterator[RenderableType]:
    """One control: what it asks, what it found, and the numbers."""
    yield heading(f"Control: {found['title']}")
    yield indented(found["question"])
    yield indented(Text(f"→ {found['finding']}", style="bold"))
    view = grid(label)
    view.add_column("", overflow="fold")
    for index, name in enumerate(found["columns"]):
        if any(is_metric(row["cells"][index]) for row in found["rows"]):
            add_numbers(view, name)
        else:
            view.add_column(Text(name), overflow="fold")
    for row in found["rows"]:
        cells = zip(found["columns"], row["cells"], strict=True)
        view.add_row(
            Text(row["label"]), *(_cell(cell, signed=words.is_signed(name)) for name, cell in cells)
        )
    yield view
    for note in found["notes"]:
        yield muted(note)


def encoder_check(checks: Sequence[JSON], label: str) -> Iterator[RenderableType]:
    """What pretraining is worth, beside the same network untrained."""
    view = grid(f"{label}, what pretraining is worth")
    view.add_column("Dataset", overflow="fold")
    view.add_column("Chance", no_wrap=True)
    for name in ("Untrained", "Pretrained", "Difference"):
        add_numbers(view, name)
    for check in checks:
        view.add_row(
            Text(f"{check['dataset']} ({check['classes']})"),
            words.number(check["chance"]),
            _cell(check["untrained"]),
            _cell(check["pretrained"]),
            _cell(check["difference"], signed=True),
        )
    yield view
    yield muted(
        "Held-out top-1 of a linear probe trained to convergence on the same images' features."
        " Untrained: the same network before its first step."
    )


def equal_runs(runs: Sequence[JSON]) -> Iterator[RenderableType]:
    """Lines of the paper that are one experiment."""
    yield heading("The same experiment, printed more than once")
    for each in runs:
        yield indented(words.equal_runs(each))


def _cell(cell: Any, *, signed: bool = False) -> Text:
    if is_metric(cell):
        mean = words.number(cell["mean"], signed=signed)
        return two_lines(mean, words.interval(cell["interval"]))
    return Text(words.plain_cell(cell))
