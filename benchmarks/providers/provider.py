"""A provider: a name, how its work is built, and what it takes to run it."""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from torch import Tensor

from benchmarks.grid.cells import DEVICES, Cell, LossCell

# The inputs of a loss: z0 and z1, or student, teacher and labels.
LossFunction = Callable[..., Tensor]

# From a cell to a loss function, or to the call itself where the work is another.
Builder = Callable[[Any], Callable[..., Any]]

REMEDY = "pip install --no-build-isolation -e '.[{}]'"


@dataclass(frozen=True)
class Provider:
    """One way to do a work.

    Attributes:
        name: As in the suites and the records.
        builders: Per work that it can do: from a cell to a loss function, or to the call without
            arguments that is timed.
        package: The distribution behind it whose version belongs into a record.
        module: What is imported from it.
        largest_rows: The most rows it can run on a CPU, of memory or patience; None for no limit.
            A GPU says itself what does not fit.
        dtype: The dtype it computes in whatever the cell's inputs are; None for the inputs' own.
        compiled: Whether its first call compiles.
        extra: The extra of this package that installs it.
        devices: Where it runs.
        differs: Where its result is not what the cell asks for: what it computes at equal work.
    """

    name: str
    builders: Mapping[str, Builder] = field(hash=False)
    package: str = "torch"
    module: str = "torch"
    largest_rows: int | None = None
    dtype: str | None = None
    compiled: bool = False
    extra: str = "bench"
    devices: tuple[str, ...] = DEVICES
    differs: str = ""

    def precision(self, cell: Cell) -> str:
        """The precision class that its numbers belong to."""
        return self.dtype or cell.dtype

    def version(self) -> str | None:
        try:
            return version(self.package)
        except PackageNotFoundError:
            return None

    def why_not(self, cell: Cell) -> str | None:
        """Why it does not race in this cell, with the remedy if there is one; None if it does."""
        if cell.work not in self.builders:
            return f"has no {cell.work}"
        if cell.device not in self.devices:
            return f"runs on {', '.join(self.devices)} only"
        if self._too_large(cell):
            return f"runs up to {self.largest_rows} rows"
        try:
            importlib.import_module(self.module)
        except ImportError as error:
            return f"not installed ({error}): {REMEDY.format(self.extra)}"
        except Exception as error:  # whatever a foreign module does when it is loaded
            first, *_ = str(error).strip().splitlines() or [""]
            return f"does not import ({type(error).__name__}: {first})"
        return None

    def _too_large(self, cell: Cell) -> bool:
        if not isinstance(cell, LossCell) or cell.device != "cpu" or self.largest_rows is None:
            return False
        return cell.rows > self.largest_rows
