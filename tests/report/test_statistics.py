"""Intervals and tests against published values and independent formulas."""

import math

import pytest
from scipy import stats

from simclr_bench.report.statistics import (
    fisher_p,
    mean_interval,
    perfect_order_p,
    proportion_interval,
)


def test_the_t_interval_by_hand() -> None:
    # Mean 3, standard deviation sqrt(2.5), t(0.975, 4) = 2.776445: half width 1.963243.
    result = mean_interval([1.0, 2.0, 3.0, 4.0, 5.0])
    assert result.mean == 3.0
    assert result.interval == pytest.approx((3 - 1.963243, 3 + 1.963243), abs=1e-6)


def test_equal_values_have_an_interval_of_no_width() -> None:
    assert mean_interval([0.25] * 8).interval == (0.25, 0.25)


def test_one_value_has_no_interval() -> None:
    with pytest.raises(ValueError, match="two values or more, got 1"):
        mean_interval([0.5])


# The Clopper-Pearson intervals of Table 4's printed numbers, from an independent computation.
@pytest.mark.parametrize(
    ("correct", "n", "low", "high"),
    [
        (64, 64, 0.944, 1.000),
        (58, 64, 0.807, 0.965),
        (42, 64, 0.527, 0.771),
        (16, 64, 0.150, 0.374),
        (8, 64, 0.056, 0.232),
        (32, 32, 0.891, 1.000),
        (29, 32, 0.750, 0.980),
        (21, 32, 0.468, 0.814),
        (8, 32, 0.115, 0.434),
        (4, 32, 0.035, 0.290),
    ],
)
def test_the_interval_of_a_printed_number(correct: int, n: int, low: float, high: float) -> None:
    assert proportion_interval(correct, n) == pytest.approx((low, high), abs=5e-4)


@pytest.mark.parametrize(("correct", "n"), [(0, 10), (3, 10), (10, 10)])
def test_the_interval_inverts_the_binomial_test(correct: int, n: int) -> None:
    low, high = proportion_interval(correct, n)
    if correct:
        assert stats.binom.sf(correct - 1, n, low) == pytest.approx(0.025, rel=1e-6)
    if correct < n:
        assert stats.binom.cdf(correct, n, high) == pytest.approx(0.025, rel=1e-6)


def test_fishers_tea_tasting() -> None:
    # Fisher, The Design of Experiments: 3 of 4 against 1 of 4, two-sided p = 34/70.
    assert fisher_p((3, 4), (1, 4)) == pytest.approx(34 / 70)


def test_five_items_in_perfect_order_by_luck() -> None:
    assert perfect_order_p(5) == 1 / 120 == 1 / math.factorial(5)
