"""A bug that `make mutations` plants."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutation:
    """A bug to plant.

    Attributes:
        name: What is broken.
        file: Where, from the root.
        old: Text that stands there exactly once.
        new: What stands there instead.
        tests: What must notice, as pytest takes it.
        needs: The CPU capability without which the broken code never runs, or "nvcc".
    """

    name: str
    file: str
    old: str
    new: str
    tests: str
    needs: str = "baseline"
