"""How long work tells whoever waits for it; the command line has the two implementations."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol

MEGABYTE = 10**6

# Megabytes from one line to the next, where no bar can say how much is left.
LINE_EVERY = 64


class Stage(Protocol):
    """One piece of long work."""

    def advance(self, amount: int = 1, note: str = "") -> None:
        """Counts finished units; `note` is a word on how it goes, such as the loss."""


class Progress(Protocol):
    """Where long work reports."""

    def stage(self, description: str, total: int) -> AbstractContextManager[Stage]:
        """Opens a stage of `total` units."""
        ...

    def say(self, text: str) -> None:
        """One line that stays."""


@contextmanager
def fetching(
    progress: Progress | None, name: str, size: int | None
) -> Iterator[Callable[[int], None]]:
    """Counts the bytes of a download as megabytes.

    Args:
        progress: A bar where the size is known, a line now and then where it is not.
        name: What is fetched.
        size: In bytes, if known.

    Returns:
        Takes bytes that came, or as a negative number those that were given up.
    """
    description = f"fetching {name}, MB"
    bar = progress.stage(description, -(-size // MEGABYTE)) if progress and size else None
    with bar or nullcontext() as stage:
        came = told = 0

        def advance(amount: int) -> None:
            nonlocal came, told
            came += amount
            megabytes = -(-came // MEGABYTE)
            if stage is not None and megabytes != told:
                stage.advance(megabytes - told)
                told = megabytes
            elif stage is None and progress is not None and megabytes >= told + LINE_EVERY:
                progress.say(f"{description}: {megabytes}")
                told = megabytes

        yield advance
