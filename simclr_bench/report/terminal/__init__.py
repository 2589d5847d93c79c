"""The document as text for a terminal, 80 columns wide or more: in short, or with all details.

What is asked first stands last, where a terminal stops: a summary of all verdicts.
"""

from pathlib import Path
from typing import Any

from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.text import Text

from simclr_bench.report import words
from simclr_bench.report.reading import all_figures
from simclr_bench.report.terminal.brief import brief_control, brief_encoder_check, brief_table
from simclr_bench.report.terminal.brief_claims import P_VALUES, brief_claims
from simclr_bench.report.terminal.claims import claims
from simclr_bench.report.terminal.controls import control, encoder_check, equal_runs
from simclr_bench.report.terminal.styles import heading, indented, muted
from simclr_bench.report.terminal.summary import summary
from simclr_bench.report.terminal.tables import table_view

JSON = dict[str, Any]

MORE = "All numbers: with --details, or by `simclr-bench report`."

# Characters that move the cursor or change the terminal, but for the line feed.
CONTROLS = dict.fromkeys(
    [*range(10), *range(11, 32), *range(127, 160)], "\N{REPLACEMENT CHARACTER}"
)


class TerminalReport:
    """A document, ready for `rich` to print."""

    def __init__(self, document: JSON, *, details: bool = False) -> None:
        """
        Args:
            document: What report/document built.
            details: Whether to print all that the document says, in several hundred lines.
        """
        self._document: JSON = _harmless(document)
        self._details = details

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        document, width = self._document, options.max_width
        label = document["profile"]["label"]
        yield Text(f"{label}: {document['profile']['notice']}", style="bold")
        yield muted(words.environment(document["environment"]))
        yield from _skipped(document["data"])
        yield from (_full if self._details else _brief)(document, label, width)
        yield Group(*summary(document))


def _full(document: JSON, label: str, width: int) -> RenderResult:
    yield from _data(document["data"])
    for table in document["tables"]:
        yield from table_view(table, label, width)
        yield from claims(table, label)
    for each in document["controls"]:
        yield from control(each, label)
    if document["encoder"]["check"]:
        yield from encoder_check(document["encoder"]["check"], label)
    if document["equal_runs"]:
        yield from equal_runs(document["equal_runs"])
    yield from _files(document, label)


def _brief(document: JSON, label: str, width: int) -> RenderResult:
    for table in document["tables"]:
        yield from brief_table(table, label, width)
        yield from brief_claims(table, label, width)
    for each in document["controls"]:
        yield from brief_control(each, label, width)
    if checks := document["encoder"]["check"]:
        yield from brief_encoder_check(checks, label, width)
    yield Text()
    for each in document["equal_runs"]:
        yield muted(f"Printed more than once: {words.equal_runs(each)}.")
    for intervals in dict.fromkeys(t["intervals"] for t in document["tables"] if t["measures"]):
        yield muted(f"Intervals, {intervals}.")
    if any(claim["judgements"] for table in document["tables"] for claim in table["claims"]):
        yield muted(P_VALUES)
    files = [Path(file) for figure in all_figures(document) for file in figure["files"]]
    for folder in dict.fromkeys(file.parent for file in files):
        names = ", ".join(file.name for file in files if file.parent == folder)
        yield muted(f"Figures ({label}): {names} in {folder}")
    yield muted(f"Records: {document['run_directory']}. {MORE}")


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


def _skipped(described: list[JSON]) -> RenderResult:
    for data in described:
        if data["skipped"]:
            names = ", ".join(f"{skip['file']} ({skip['reason']})" for skip in data["skipped"])
            files = "1 file" if len(data["skipped"]) == 1 else f"{len(data['skipped'])} files"
            yield Text(f"Skipped {files}: {names}", style="bold")


def _files(document: JSON, label: str) -> RenderResult:
    saved = [figure for figure in all_figures(document) if figure["files"]]
    if saved:
        yield heading("Figures")
    for figure in saved:
        yield indented(f"{words.figure_title(figure)} ({label}): {', '.join(figure['files'])}")
    yield Text()
    yield Text(f"Records: {document['run_directory']}")
