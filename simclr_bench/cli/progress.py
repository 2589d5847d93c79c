"""Progress on stderr: live bars on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

# Seconds between plain lines: a log file is read, not watched.
PLAIN_INTERVAL = 10.0


def make_progress(
    stream: TextIO | None = None, *, quiet: bool = False
) -> "LiveProgress | PlainProgress | SilentProgress":
    """The kind of progress that suits a stream, stderr by default; none if `quiet`."""
    if quiet:
        return SilentProgress()
    stream = stream or sys.stderr
    return LiveProgress(Console(file=stream)) if stream.isatty() else PlainProgress(stream)


class LiveProgress:
    """Bars with the time that remains."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def stage(self, description: str, total: int) -> Iterator["LiveStage"]:
        """Shows a bar while the stage lasts."""
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
        )
        with Progress(*columns, console=self._console) as progress:
            task = progress.add_task(escape(description), total=total, note="")
            yield LiveStage(progress, task)

    def say(self, text: str) -> None:
        """One line above the bars."""
        self._console.print(text, markup=False, highlight=False)


class LiveStage:
    """A bar."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress, self._task = progress, task

    def advance(self, amount: int = 1, note: str = "") -> None:
        """Moves the bar on."""
        if note:
            self._progress.update(self._task, advance=amount, note=escape(note))
        else:
            self._progress.update(self._task, advance=amount)


class PlainProgress:
    """A line now and then."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    @contextmanager
    def stage(self, description: str, total: int) -> Iterator["PlainStage"]:
        """Writes the first line, one every few seconds, and the last."""
        stage = PlainStage(self, description, total)
        self.say(f"{description}: 0/{total}")
        yield stage
        self.say(f"{description}: {stage.done}/{total} done in {stage.elapsed:.0f} s")

    def say(self, text: str) -> None:
        """One line."""
        print(text, file=self._stream, flush=True)


class PlainStage:
    """Counts, and writes a line if the last one is old enough."""

    def __init__(self, progress: PlainProgress, description: str, total: int) -> None:
        self._progress, self._description, self._total = progress, description, total
        self._start = self._last = time.monotonic()
        self._note = ""
        self.done = 0

    @property
    def elapsed(self) -> float:
        """Seconds since the stage began."""
        return time.monotonic() - self._start

    def advance(self, amount: int = 1, note: str = "") -> None:
        """Counts finished units."""
        self.done += amount
        self._note = note or self._note
        if time.monotonic() - self._last < PLAIN_INTERVAL or not self.done:
            return
        self._last = time.monotonic()
        left = self.elapsed / self.done * (self._total - self.done)
        note = f", {self._note}" if self._note else ""
        self._progress.say(
            f"{self._description}: {self.done}/{self._total}{note}, about {left:.0f} s left"
        )


class SilentProgress:
    """Nothing at all: errors do not come this way."""

    @contextmanager
    def stage(self, description: str, total: int) -> Iterator["SilentStage"]:
        """Opens a stage that nobody sees."""
        yield SilentStage()

    def say(self, text: str) -> None:
        """Drops the line."""


class SilentStage:
    """Counts nothing."""

    def advance(self, amount: int = 1, note: str = "") -> None:
        """Drops the count."""
