"""Intervals against published values and independent formulas."""

import math

import numpy as np
import pytest
from scipy import stats

from simclr_bench.verdicts.intervals import (
    Seeds,
    difference_ends,
    difference_error,
    mean_ends,
    mean_interval,
    noise_ratio,
    proportion_ends,
    proportions_ends,
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
    assert proportion_ends(correct, n) == pytest.approx((low, high), abs=5e-4)


@pytest.mark.parametrize(("correct", "n"), [(0, 10), (3, 10), (10, 10)])
def test_the_interval_inverts_the_binomial_test(correct: int, n: int) -> None:
    low, high = proportion_ends(correct, n)
    if correct:
        assert stats.binom.sf(correct - 1, n, low) == pytest.approx(0.025, rel=1e-6)
    if correct < n:
        assert stats.binom.cdf(correct, n, high) == pytest.approx(0.025, rel=1e-6)


def test_a_difference_of_proportions_puts_the_ends_side_by_side() -> None:
    # Newcombe's example (a) with SciPy's exact ends: 56 of 70 against 48 of 80.
    first = stats.binomtest(56, 70).proportion_ci(0.95)
    second = stats.binomtest(48, 80).proportion_ci(0.95)
    low, high = proportions_ends((56, 56, 70), (48, 48, 80))
    assert low == pytest.approx(0.2 - math.hypot(0.8 - first.low, second.high - 0.6))
    assert high == pytest.approx(0.2 + math.hypot(first.high - 0.8, 0.6 - second.low))


def test_counts_that_print_alike_widen_a_difference() -> None:
    wide = proportions_ends((57, 59, 64), (41, 43, 64))
    assert wide[0] == proportions_ends((57, 57, 64), (43, 43, 64))[0]
    assert wide[1] == proportions_ends((59, 59, 64), (41, 41, 64))[1]


def test_examples_of_their_own_leave_students_interval() -> None:
    values = [0.50, 0.60, 0.70, 0.64]
    ours = Seeds(np.mean(values), np.std(values, ddof=1), 4, 64, shared=False)
    assert mean_ends(ours) == pytest.approx(mean_interval(values).interval)


def test_seeds_that_agree_by_luck_leave_the_binomial_interval() -> None:
    ours = Seeds(0.5, 0.0, 3, 64, shared=False)
    assert mean_ends(ours) == pytest.approx(proportion_ends(96, 192))


def test_a_shared_test_set_adds_its_own_error() -> None:
    # t(0.975, 3) = 3.182446; 300 correct of 500.
    ours = Seeds(0.6, 0.02, 4, 500, shared=True)
    low, high = proportion_ends(300, 500)
    seeds = 3.182446 * 0.02 / 2
    wanted = (0.6 - math.hypot(seeds, 0.6 - low), 0.6 + math.hypot(seeds, high - 0.6))
    assert mean_ends(ours) == pytest.approx(wanted, rel=1e-6)


def test_an_interval_stays_inside_zero_and_one() -> None:
    assert mean_ends(Seeds(0.98, 0.02, 2, 64, shared=True))[1] == 1.0
    assert mean_ends(Seeds(1.0, 0.0, 2, 64, shared=True))[1] == 1.0


def test_without_error_of_ours_the_printed_number_has_its_exact_interval() -> None:
    ours = Seeds(0.7, 0.0, 20, 10**12, shared=True)
    low, high = proportion_ends(40, 64)
    wanted = (0.7 - float(high), 0.7 - float(low))
    assert difference_ends(ours, 40, 40, 64) == pytest.approx(wanted, abs=1e-5)


def test_a_printed_number_has_the_error_of_a_seed() -> None:
    # Seeds alone: t sqrt(1/m + 1) s, the prediction interval of one more run.
    ours = Seeds(0.5, 0.05, 5, 10**12, shared=True)
    half = stats.t.ppf(0.975, 4) * 0.05 * math.sqrt(1.2)
    ends = difference_ends(ours, 4 * 10**11, 4 * 10**11, 10**12)
    assert ends == pytest.approx((0.1 - half, 0.1 + half), abs=1e-5)


def test_batches_of_the_printed_size_need_no_error_but_their_own() -> None:
    ours = Seeds(0.5, 0.09, 5, 64, shared=False)
    half = stats.t.ppf(0.975, 4) * 0.09 * math.sqrt(1.2)
    assert difference_ends(ours, 32, 32, 64) == pytest.approx((-half, half))
    # Batches four times as large hold a quarter of a smaller one's variance.
    ours = Seeds(0.5, 0.09, 5, 256, shared=False)
    theirs = 0.5 - float(proportion_ends(32, 64)[0])
    wider = math.hypot(half, math.sqrt(0.75) * theirs)
    assert difference_ends(ours, 32, 32, 64) == pytest.approx((-wider, wider))


@pytest.mark.parametrize("shared", [False, True])
def test_right_and_wrong_are_mirror_images(shared: bool) -> None:
    ours, mirrored = (Seeds(mean, 0.03, 4, 200, shared) for mean in (0.12, 0.88))
    low, high = difference_ends(ours, 5, 6, 64, 0.9, 1.5)
    assert difference_ends(mirrored, 58, 59, 64, 0.9, 1.5) == pytest.approx((-high, -low))
    low, high = mean_ends(ours)
    assert mean_ends(mirrored) == pytest.approx((1 - high, 1 - low))


def test_seeds_have_more_room_away_from_the_ends() -> None:
    ours = Seeds(0.1, 0.01, 5, 1000, shared=True)
    assert noise_ratio(ours, 0.5) == pytest.approx(0.25 / 0.09)
    assert noise_ratio(ours, 0.05) == 1
    assert noise_ratio(Seeds(0.0, 0.0, 5, 1000, shared=True), 0.05) == 1


def test_the_error_of_a_difference_by_hand() -> None:
    ours = Seeds(0.5, 0.02, 4, 400, shared=True)
    wanted = math.sqrt(0.02**2 * 1.25 + 0.25 / 400 + 0.24 / 64)
    assert difference_error(ours, 0.4, 64) == pytest.approx(wanted)
