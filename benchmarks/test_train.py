"""A whole training step of SimCLR; conftest.py says what runs when."""

import pytest

from benchmarks.conftest import RunRace, cases
from benchmarks.grid import Cell, Suite


@pytest.mark.parametrize(("suite", "cell"), cases("train"))
def test_race(run_race: RunRace, suite: Suite, cell: Cell) -> None:
    run_race(suite, cell)
