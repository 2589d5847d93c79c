"""Tests: thin words over SciPy's, and the few that it lacks."""

from collections.abc import Sequence
from functools import cache

import numpy as np
from scipy import stats

# Permutations: all of them up to this many (14 paired seeds, 8 against 8), else that many drawn.
PERMUTATIONS = 20_000


def higher_p(first: Sequence[float], second: Sequence[float], *, paired: bool) -> float:
    """One-sided p that the mean of `first` is higher than that of `second`, by permutation.

    Exact for up to 14 pairs or 8 against 8; random, from a fixed seed, beyond.

    Args:
        first, second: A value per seed.
        paired: Whether values at the same place belong together: signs of differences are permuted.
    """
    if paired:
        return any_higher_p([np.subtract(first, second)])
    result = stats.permutation_test(
        (np.asarray(first), np.asarray(second)),
        _difference_of_means,
        permutation_type="independent",
        alternative="greater",
        n_resamples=PERMUTATIONS,
        vectorized=True,
        rng=np.random.default_rng(0),
    )
    return float(result.pvalue)


def any_higher_p(differences: Sequence[Sequence[float]] | Sequence[np.ndarray]) -> float:
    """One-sided p that one or more of several paired means are above zero, all tested as one.

    The signs of a seed's differences change together, so that what is common to them stays; the
    statistic is the largest of sum(d) / sqrt(sum(d^2)). With one row it is the test of signs. Exact
    for up to 14 seeds; random signs, from a fixed seed, beyond.

    SciPy's permutation_test gives the same (tests/verdicts), but needs 0.1 s for 14 pairs, and the
    claims of a run are hundreds of these.

    Args:
        differences: A row per comparison, a value per seed. [k, m]

    Source: Westfall and Young, Resampling-Based Multiple Testing (1993), section 2.5: single-step
        maxT.
    """
    rows = np.asarray(differences, float)
    signs, complete = _signs(rows.shape[1])
    norms = np.sqrt((rows**2).sum(axis=1, keepdims=True))
    scaled = rows / np.where(norms > 0, norms, 1)
    largest = (signs @ scaled.T).max(axis=1)
    # What differs from the observed sum by rounding alone is as extreme.
    rounding = 100 * np.finfo(float).eps * np.abs(scaled).sum(axis=1).max()
    extreme = np.count_nonzero(largest >= scaled.sum(axis=1).max() - rounding)
    return float(extreme / len(signs) if complete else (extreme + 1) / (len(signs) + 1))


@cache
def _signs(n: int) -> tuple[np.ndarray, bool]:
    """All assignments of signs to n differences, or random ones [M, n]; whether they are all."""
    if complete := 2**n <= PERMUTATIONS:
        bits = np.arange(2**n)[:, None] >> np.arange(n) & 1
    else:
        bits = np.random.default_rng(0).integers(0, 2, (PERMUTATIONS, n))
    return 1.0 - 2 * bits, complete


def trend_p(groups: Sequence[Sequence[float]], *, paired: bool) -> float:
    """One-sided p of an increase from group to group.

    Page's test where the groups are paired; Jonckheere's and Terpstra's, by the normal
    approximation with its correction for ties, where they are not: its statistic is Kendall's
    between value and number of the group.

    Args:
        groups: Three or more groups in the order of the claim, lowest first. [groups][seeds]
        paired: Whether values at the same place of all groups belong together.

    Source: Page, JASA 58 (1963), 216-230; Jonckheere, Biometrika 41 (1954), 133-145; Hollander and
        Wolfe, Nonparametric Statistical Methods, section 6.2.
    """
    values = np.concatenate([np.asarray(group, float) for group in groups])
    if np.ptp(values) == 0:  # nothing to order
        return 1.0
    if paired:
        blocks = np.stack([np.asarray(group, float) for group in groups], axis=1)
        return float(stats.page_trend_test(blocks).pvalue)
    number = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    found = stats.kendalltau(number, values, alternative="greater", method="asymptotic")
    return float(found.pvalue)


def order_p(values: Sequence[float]) -> float:
    """One-sided p that items in random order fall at least as much as these: Kendall's, exact.

    A perfect order of k items has 1 / k!, and nothing has less.
    """
    if np.ptp(values) == 0:  # nothing to order
        return 1.0
    falling = np.arange(len(values), 0, -1)
    return float(stats.kendalltau(falling, values, alternative="greater").pvalue)


def tost_p(difference: float, error: float, freedom: float, margin: float) -> float:
    """p of two one-sided t tests that a difference is within the margin: the larger of the two.

    Args:
        difference: The estimate.
        error: Its standard error, above 0.
        freedom: Degrees of freedom of the error.
        margin: The difference that matters.

    Source: Schuirmann, Journal of Pharmacokinetics and Biopharmaceutics 15 (1987), 657-680.
    """
    return float(stats.t.sf((margin - abs(difference)) / error, freedom))


def beyond_p(difference: float, error: float, freedom: float, margin: float) -> float:
    """p that a difference is beyond the margin, on the side where it lies."""
    return float(stats.t.sf((abs(difference) - margin) / error, freedom))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p values, in the order given.

    Source: Holm, Scandinavian Journal of Statistics 6 (1979), 65-70.
    """
    order = np.argsort(p_values)
    steps = np.asarray(p_values, float)[order] * np.arange(len(order), 0, -1)
    adjusted = np.empty(len(order))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted.tolist()


def _difference_of_means(first: np.ndarray, second: np.ndarray, axis: int = -1) -> np.ndarray:
    return first.mean(axis=axis) - second.mean(axis=axis)
