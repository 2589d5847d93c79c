"""A suite: cells that the same providers race in."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from benchmarks.grid.cells import Cell, LossCell


@dataclass(frozen=True)
class Suite:
    """Cells, each raced by the same providers in the same process.

    Attributes:
        name: How the command line and the records call it.
        cells: In the order in which they run.
        providers: Names; the first is ours, and every ratio is a time over its time.
        rounds: Rounds per cell, the discarded ones included.
        patience_s: Longest wait, in all of a cell, for the machine to be idle.
    """

    name: str
    cells: tuple[Cell, ...]
    providers: tuple[str, ...]
    rounds: int = 11
    patience_s: float = 15.0

    def __post_init__(self) -> None:
        kinds = {(cell.work, cell.device) for cell in self.cells}
        if len(kinds) != 1:
            raise ValueError(f"suite {self.name}: one work on one device, got {sorted(kinds)}")

    @property
    def work(self) -> str:
        return self.cells[0].work

    @property
    def device(self) -> str:
        return self.cells[0].device


def on_cuda(suite: Suite, *providers: str) -> Suite:
    """The same cells on a GPU, where more providers race."""
    cells = tuple(replace(cell, device="cuda") for cell in suite.cells)
    return replace(suite, cells=cells, providers=(*suite.providers, *providers), patience_s=0.0)


def loss_cells(suites: Sequence[Suite]) -> Iterator[tuple[Suite, LossCell]]:
    """Every cell of a loss, with its suite."""
    for suite in suites:
        for cell in suite.cells:
            if isinstance(cell, LossCell):
                yield suite, cell
