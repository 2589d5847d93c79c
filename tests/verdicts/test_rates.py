"""How often verdicts are wrong, and how often they decide: simulation.py in a few hard settings."""

import numpy as np
import pytest

from simclr_bench.experiments.settings import Settings
from simclr_bench.verdicts.cells import WORDS, decide
from tests.verdicts.simulation import Setting, draw_ours, draw_printed, simulate

# Where the sweep finds the rates nearest to their limits, and the naive rules beyond them: few
# seeds, accuracies near 0 and 1, seeds that agree by luck, and seeds that share their examples.
HARD = (
    Setting(0.02, 0.05, 5, 20_000, None),
    Setting(0.98, 0.05, 8, 1000, None),
    Setting(0.98, 0.0, 2, 64, None),
    Setting(0.02, 0.0, 20, 64, None),
    Setting(0.02, 0.05, 20, 20_000, 1.0),
    Setting(0.98, 0.05, 8, 20_000, 0.0),
    Setting(0.5, 0.0, 8, 1000, 1.0),
    Setting(0.9, 0.02, 3, 64, 0.5),
)


@pytest.mark.parametrize("setting", HARD, ids=str)
def test_verdicts_are_wrong_no_more_often_than_they_say(setting: Setting) -> None:
    rates = simulate(setting)
    assert rates.meet_the_limits, rates


def default_seeds() -> int:
    return len(Settings().run.seeds)


@pytest.mark.parametrize("theirs", [0.25, 0.5, 0.75])
@pytest.mark.parametrize(("n", "agreement"), [(64, None), (1000, 0.5)], ids=["batch", "heldout"])
def test_a_difference_of_a_quarter_is_seen_at_one_batch(
    theirs: float, n: int, agreement: float | None
) -> None:
    rng = np.random.default_rng(0)
    truth = theirs - 0.25 if theirs > 0.5 else theirs + 0.25
    ours = draw_ours(rng, Setting(truth, 0.05, default_seeds(), n, agreement))
    counts = draw_printed(rng, theirs, 0.05, 64)
    assert np.mean(decide(ours, counts, counts, 64) == WORDS.index("different")) >= 0.8


@pytest.mark.parametrize(("accuracy", "agreement"), [(0.1, 0.5), (0.5, None), (0.9, None)])
def test_equal_truths_are_equivalent_at_twenty_thousand(
    accuracy: float, agreement: float | None
) -> None:
    rng = np.random.default_rng(0)
    ours = draw_ours(rng, Setting(accuracy, 0.02, default_seeds(), 20_000, agreement))
    counts = draw_printed(rng, accuracy, 0.02, 20_000)
    assert np.mean(decide(ours, counts, counts, 20_000) == WORDS.index("equivalent")) >= 0.8
