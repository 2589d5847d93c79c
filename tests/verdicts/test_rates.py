"""How often verdicts are wrong, and how often they decide: simulation.py in a few hard settings."""

import pytest

from tests.verdicts.simulated_claims import AGAINST, OPEN, TRUE, ClaimSetting, rate_of
from tests.verdicts.simulation import (
    LEAST_POWER,
    Setting,
    difference_seen,
    equality_seen,
    most_errors,
    simulate,
)

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


@pytest.mark.parametrize("theirs", [0.25, 0.5, 0.75])
@pytest.mark.parametrize(("n", "agreement"), [(64, None), (1000, 0.5)], ids=["batch", "heldout"])
def test_a_difference_of_a_quarter_is_seen_at_one_batch(
    theirs: float, n: int, agreement: float | None
) -> None:
    assert difference_seen(theirs, n, agreement) >= LEAST_POWER


@pytest.mark.parametrize(("accuracy", "agreement"), [(0.1, 0.5), (0.5, None), (0.9, None)])
def test_equal_truths_are_equivalent_at_twenty_thousand(
    accuracy: float, agreement: float | None
) -> None:
    assert equality_seen(accuracy, agreement) >= LEAST_POWER


CLAIM_DRAWS = 1000


@pytest.mark.parametrize("setting", [*OPEN[:3], *OPEN[-2:], *TRUE], ids=str)
def test_claims_that_nothing_speaks_against_seldom_fail(setting: ClaimSetting) -> None:
    assert rate_of("fails", setting, CLAIM_DRAWS) <= most_errors(CLAIM_DRAWS)


@pytest.mark.parametrize("setting", AGAINST, ids=str)
def test_claims_that_every_seed_is_against_fail(setting: ClaimSetting) -> None:
    assert rate_of("fails", setting, 200) >= LEAST_POWER
