"""Intervals and tests, as thin words over SciPy's."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Mean:
    """A mean over seeds.

    Attributes:
        mean: The mean.
        interval: 95 % Student-t interval of the mean.
    """

    mean: float
    interval: tuple[float, float]


def mean_interval(values: Sequence[float]) -> Mean:
    """Mean and 95 % Student-t interval over independent seeds.

    Raises:
        ValueError: Fewer than two values.
    """
    n = len(values)
    if n < 2:
        raise ValueError(f"mean_interval: an interval needs two values or more, got {n}")
    mean = math.fsum(values) / n
    error = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (n - 1) / n)
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, n - 1)) * error
    return Mean(mean, (mean - half, mean + half))


def proportion_interval(correct: int, n: int) -> tuple[float, float]:
    """95 % Clopper-Pearson interval of a proportion: exact, and never too short."""
    interval = stats.binomtest(correct, n).proportion_ci(CONFIDENCE, method="exact")
    return float(interval.low), float(interval.high)


def fisher_p(first: tuple[int, int], second: tuple[int, int]) -> float:
    """Two-sided exact p that two proportions (correct, n) are one.

    Source: Fisher's exact test, scipy.stats.fisher_exact.
    """
    table = np.array([[correct, n - correct] for correct, n in (first, second)])
    return float(stats.fisher_exact(table).pvalue)


def perfect_order_p(items: int) -> float:
    """One-sided p that items in random order stand exactly in the claimed one: 1 / items!"""
    return 1 / math.factorial(items)
