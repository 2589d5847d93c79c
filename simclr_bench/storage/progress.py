"""How long work tells whoever waits for it; the command line has the two implementations."""

from contextlib import AbstractContextManager
from typing import Protocol


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
