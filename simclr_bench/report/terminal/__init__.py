"""The document as text for a terminal, 80 columns wide or more.

What is asked first stands last, where a terminal stops: a summary of all verdicts.
"""

from typing import Any

from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.text import Text

from simclr_bench.report import words
from simclr_bench.report.reading import all_figures
from simclr_bench.report.terminal.claims import claims
from simclr_bench.report.terminal.controls import control, encoder_check, equal_runs
from simclr_bench.report.terminal.styles import heading, indented, muted
from simclr_bench.report.terminal.summary import summary
from simclr_bench.report.terminal.tables import table_view

JSON = dict[str, Any]


# Characters that move the cursor or change the terminal, but for the line feed.
CONTROLS = dict.fromkeys(
    [*range(10), *range(11, 32), *range(127, 160)], "\N{REPLACEMENT CHARACTER}"
)


class TerminalReport:
    """A document, ready for `rich` to print."""

    def __init__(self, document: JSON) -> None:
        """
        Args:
            document: What report/document built.
        """
        self._document: JSON = _harmless(document)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        document, width = self._document, options.max_width
        label = document["profile"]["label"]
        yield Text(f"{label}: {document['profile']['notice']}", style="bold")
        yield muted(words.environment(document["environment"]))
        yield from _data(document["data"])
        for table in document["tables"]:
            yield Group(*table_view(table, label, width))
            yield Group(*claims(table, label))
        for each in document["controls"]:
            yield Group(*control(each, label))
        if document["encoder"]["check"]:
            yield Group(*encoder_check(document["encoder"]["check"], label))
        if document["equal_runs"]:
            yield Group(*equal_runs(document["equal_runs"]))
        yield from _files(document, label)
        yield Group(*summary(document))


def _harmless(value: Any) -> Any:
    """A value whose names cannot speak to the terminal: a folder may be called anything."""
    if isinstance(value, str):
        return value.translate(CONTROLS)
    if isinstance(value, dict):
        return {key: _harmless(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_harmless(item) for item in value]
    return value


def _data(described: list[JSON]) -> RenderResult:
    for split in dict.fromkeys(data["split"] for data in described):
        counts = ", ".join(
            f"{data['dataset']} {data['train_images']} + {data['heldout_images']}"
            for data in described
            if data["split"] == split
        )
        yield muted(f"Images for training + held out ({split}): {counts}.")
    for data in described:
        if data["skipped"]:
            names = ", ".join(f"{skip['file']} ({skip['reason']})" for skip in data["skipped"])
            yield Text(f"Skipped {len(data['skipped'])} files: {names}", style="bold")


def _files(document: JSON, label: str) -> RenderResult:
    saved = [figure for figure in all_figures(document) if figure["files"]]
    if saved:
        yield heading("Figures")
    for figure in saved:
        yield indented(f"{words.figure_title(figure)} ({label}): {', '.join(figure['files'])}")
    yield Text()
    yield Text(f"Records: {document['run_directory']}")
