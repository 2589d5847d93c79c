"""Pieces of terminal text, legible on dark and on light backgrounds and without colour."""

from rich import box
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from simclr_bench.report import words

# Only colours that have contrast on black and on white; the words carry the meaning.
STYLES = {
    "different": "bold red",
    "equivalent": "bold green",
    "consistent": "green",
    "inconclusive": "bold magenta",
    "not comparable": "dim",
    "holds": "bold green",
    "fails": "bold red",
    "undecided": "bold magenta",
    "mixed": "bold magenta",
    "not testable": "dim",
    "not judged": "dim",
}
SYMBOLS = words.CELL_SYMBOLS | words.CLAIM_SYMBOLS


def verdict(word: str, text: str | None = None) -> Text:
    """A verdict's symbol and word, or the longer text that begins with the word."""
    return Text(f"{SYMBOLS[word]} {text or word}", style=STYLES[word])


def heading(text: str) -> Text:
    """A title, after an empty line."""
    return Text(f"\n{text}", style="bold")


def muted(text: str) -> Text:
    """What is there to be looked up."""
    return Text(text, style="dim")


def indented(text: str | Text, by: int = 2) -> Padding:
    """A paragraph that stands back from the margin."""
    return Padding(Text(text) if isinstance(text, str) else text, (0, 0, 0, by), expand=False)


def grid(title: str = "") -> Table:
    """An empty table without a frame."""
    return Table(
        title=Text(f"\n{title}", style="bold") if title else None,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
        padding=0,
    )


def add_numbers(table: Table, heading: str) -> None:
    """Adds a column of numbers, which are never wrapped or cut; its heading may wrap."""
    table.add_column(Text(heading), min_width=len("[0.000, 0.000]"), overflow="fold")


def two_lines(first: str, second: str) -> Text:
    """A number above its interval."""
    return Text(f"{first}\n{second}")
