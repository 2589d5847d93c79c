"""Tests of significance against published examples."""

import math
from itertools import product

import numpy as np
import pytest
from scipy import stats

from simclr_bench.verdicts.significance import (
    any_higher_p,
    beyond_p,
    higher_p,
    holm,
    order_p,
    tost_p,
    trend_p,
)

# Hollander, Wolfe and Chicken, Nonparametric Statistical Methods, example 6.2: motivational effect
# of knowledge of performance.
PERFORMANCE = (
    (40, 35, 38, 43, 44, 41),
    (38, 40, 47, 44, 40, 42),
    (48, 40, 45, 43, 46, 44),
)

# scipy.stats.page_trend_test's example: ratings of tutorial, lecture and seminar by ten students.
RATINGS = (
    (3, 2, 3, 1, 2, 2, 1, 3, 2, 1),
    (4, 2, 3, 3, 3, 4, 2, 4, 4, 3),
    (3, 4, 5, 2, 2, 5, 4, 4, 5, 4),
)


def test_jonckheere_and_terpstra_on_knowledge_of_performance() -> None:
    # J = 79; the book's normal approximation with ties has p = 0.0207.
    assert trend_p(PERFORMANCE, paired=False) == pytest.approx(0.0207, abs=5e-5)


def test_page_on_ratings() -> None:
    assert trend_p(RATINGS, paired=True) == pytest.approx(0.0018191161948127822)


def test_a_trend_the_other_way_is_none() -> None:
    assert trend_p(PERFORMANCE[::-1], paired=False) > 0.95
    assert trend_p(RATINGS[::-1], paired=True) > 0.95


@pytest.mark.parametrize("paired", [True, False])
def test_equal_values_have_no_trend(paired: bool) -> None:
    assert trend_p([[0.5, 0.5]] * 3, paired=paired) == 1


def test_holm_on_four_hypotheses() -> None:
    # The worked example of Wikipedia's "Holm-Bonferroni method": the first and last are rejected.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_stops_at_one_and_takes_nothing() -> None:
    assert holm([0.9, 0.8]) == [1, 1]
    assert holm([]) == []


def test_tost_on_organic_food_and_moral_judgement() -> None:
    # The example of R's TOSTER, TOSTtwo (Lakens 2017; data of Moery and Calin-Jageman 2016): means
    # 5.25 and 5.22, margin 0.43 standard deviations: t(182) = -2.69, p = 0.004.
    error = math.sqrt(0.95**2 / 95 + 0.83**2 / 89)
    margin = 0.43 * math.sqrt((0.95**2 + 0.83**2) / 2)
    assert (5.25 - 5.22 - margin) / error == pytest.approx(-2.69, abs=5e-3)
    assert tost_p(5.25 - 5.22, error, 182, margin) == pytest.approx(0.004, abs=5e-4)
    assert tost_p(5.22 - 5.25, error, 182, margin) == tost_p(5.25 - 5.22, error, 182, margin)


def test_a_difference_of_the_margin_is_neither_within_nor_beyond() -> None:
    assert tost_p(0.05, 0.01, 7, 0.05) == 0.5 == beyond_p(-0.05, 0.01, 7, 0.05)
    assert beyond_p(-0.2, 0.01, 7, 0.05) < 1e-4 and beyond_p(0.0, 0.01, 7, 0.05) > 0.99


def test_signs_of_paired_differences_are_permuted() -> None:
    # Three differences, all positive: one of the 8 assignments of signs is as large.
    assert higher_p([0.5, 0.6, 0.7], [0.4, 0.4, 0.4], paired=True) == pytest.approx(1 / 8)
    # 3, 2 and -1: of the 8 sums only 3 + 2 + 1 and 3 + 2 - 1 are as large.
    assert higher_p([3, 2, 0], [0, 0, 1], paired=True) == pytest.approx(2 / 8)


def scipys_p(differences: np.ndarray, n_resamples: int) -> float:
    found = stats.permutation_test(
        (differences,),
        lambda values, axis=-1: values.mean(axis=axis),
        permutation_type="samples",
        alternative="greater",
        n_resamples=n_resamples,
        vectorized=True,
    )
    return float(found.pvalue)


@pytest.mark.parametrize("n", [2, 5, 8, 11])
def test_paired_p_is_scipys(n: int) -> None:
    random = np.random.default_rng(n)
    for shift in (0.0, 0.01, 0.02):
        # In steps of 1/64, as batches give them, so that sums tie.
        first = np.round(64 * random.normal(0.5 + shift, 0.03, n)) / 64
        second = np.round(64 * random.normal(0.5, 0.03, n)) / 64
        expected = scipys_p(first - second, 2**n)
        assert higher_p(first, second, paired=True) == pytest.approx(expected, abs=1e-12)


def test_equal_pairs_are_no_evidence() -> None:
    assert higher_p([0.1, 0.3, 0.7], [0.1, 0.3, 0.7], paired=True) == 1


def test_several_means_are_one_test_by_hand() -> None:
    # sqrt(sum d^2) is 3 in both rows. With the signs of the seeds (+, +, +) the rows give 5/3 and
    # 1/3; (+, -, +) 1/3 and 5/3; all others less, as (+, +, -) 1 and -1/3: two of eight.
    rows = [[2.0, 2.0, 1.0], [2.0, -2.0, 1.0]]
    assert any_higher_p(rows) == pytest.approx(2 / 8)
    # Of the second row alone 1/3 is reached by the five of 1, 5, 3 and, with other signs, 1 and 3.
    assert any_higher_p(rows[1:]) == higher_p([2, 0, 1], [0, 2, 0], paired=True) == 4 / 8


@pytest.mark.parametrize("steps", [64, 10**9], ids=["ties", "no ties"])
def test_several_means_by_brute_force(steps: int) -> None:
    random = np.random.default_rng(3)
    for _ in range(20):
        rows = np.round(steps * random.normal(0.01, 0.02, (3, 6))) / steps
        norms = [math.sqrt(sum(d * d for d in row)) for row in rows]

        def largest(signs: tuple[int, ...], rows=rows, norms=norms) -> float:
            sums = (sum(s * d for s, d in zip(signs, row, strict=True)) for row in rows)
            return max(each / norm for each, norm in zip(sums, norms, strict=True))

        observed = largest((1,) * 6)
        found = [largest(signs) >= observed - 1e-9 for signs in product((-1, 1), repeat=6)]
        assert any_higher_p(rows) == sum(found) / 64


@pytest.mark.parametrize("n", [2, 8, 14, 15])
def test_one_mean_is_the_test_of_signs(n: int) -> None:
    random = np.random.default_rng(n)
    for first in random.normal(0.01, 0.02, (10, n)):
        assert any_higher_p([first]) == higher_p(first, np.zeros(n), paired=True)


def test_rows_without_a_difference_are_no_evidence() -> None:
    assert any_higher_p([[0.0] * 8, [0.0] * 8]) == 1
    # Nor do they hide another: a row of zeros never exceeds what lies above zero.
    assert any_higher_p([[0.0] * 8, [0.1] * 8]) == 1 / 256


def test_many_seeds_are_judged_together_by_random_signs() -> None:
    rows = np.random.default_rng(5).normal(0.006, 0.02, (4, 15))
    signs = np.array(list(product((-1, 1), repeat=15)))
    scaled = rows / np.sqrt((rows**2).sum(axis=1, keepdims=True))
    exact = float(np.mean((signs @ scaled.T).max(axis=1) >= scaled.sum(axis=1).max() - 1e-12))
    assert 0.02 < exact < 0.5
    found = any_higher_p(rows)
    assert abs(found - exact) < 4 * math.sqrt(exact * (1 - exact) / 20_000)
    assert found == any_higher_p(rows)


def test_random_signs_come_close_to_all_of_them() -> None:
    differences = np.random.default_rng(1).normal(0.05, 0.25, 15)
    signs = np.array(list(product((-1, 1), repeat=15)))
    exact = float(np.mean(signs @ differences >= differences.sum() - 1e-12))
    assert 0.02 < exact < 0.5
    error = math.sqrt(exact * (1 - exact) / 20_000)
    assert abs(higher_p(differences, np.zeros(15), paired=True) - exact) < 4 * error


def test_unpaired_values_are_reassigned() -> None:
    # One of the C(6, 3) = 20 assignments is as large.
    assert higher_p([0.5, 0.6, 0.7], [0.4, 0.3, 0.2], paired=False) == pytest.approx(1 / 20)


def test_many_seeds_are_permuted_at_random_but_repeatably() -> None:
    first, second = [0.5 + 0.001 * i for i in range(30)], [0.4] * 30
    p = higher_p(first, second, paired=True)
    assert p < 1e-3 and p == higher_p(first, second, paired=True)


def test_five_items_in_order_by_luck() -> None:
    assert order_p([9, 7, 5, 3, 1]) == pytest.approx(1 / math.factorial(5))
    # Four of the 120 orders are one neighbouring exchange away from the perfect one.
    assert order_p([9, 7, 5, 1, 3]) == pytest.approx(5 / 120)
    assert order_p([1, 3, 5, 7, 9]) == pytest.approx(1)
    assert order_p([3, 3, 3]) == 1
