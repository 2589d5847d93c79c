"""From rounds to numbers: which rounds count, and the median ratio with its interval."""

import math
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from benchmarks.measuring.machine import FOREIGN_LIMIT

KEPT_AT_LEAST = 7
CONFIDENCE = 0.95


class Ratio(NamedTuple):
    """A median and the ends of its 95 % interval."""

    median: float
    low: float
    high: float


def median_interval(values: Sequence[float]) -> Ratio:
    """The median with an interval between two order statistics, free of any distribution.

    The k-th smallest and k-th largest of n values enclose the true median unless fewer than k
    values fall on one side of it, which is a matter of n fair coins.

    Raises:
        ValueError: There are fewer than 6 values: the extremes of 5 enclose it in 94 % only.
    """
    n, ordered = len(values), sorted(values)
    if n < 6:
        raise ValueError(f"median_interval: needs 6 values, got {n}")
    outside, k = 2 * 0.5**n, 1
    while (more := outside + 2 * math.comb(n, k) * 0.5**n) <= 1 - CONFIDENCE:
        outside, k = more, k + 1
    return Ratio(median(ordered), ordered[k - 1], ordered[n - k])


def rounds_that_count(foreign: Sequence[float]) -> list[int]:
    """The rounds to keep, in order: the undisturbed ones, or the least disturbed if too few are.

    Args:
        foreign: Share of the machine that others used in each round.
    """
    clean = [i for i, share in enumerate(foreign) if share <= FOREIGN_LIMIT]
    if len(clean) >= KEPT_AT_LEAST:
        return clean
    order = sorted(range(len(foreign)), key=lambda i: foreign[i])
    return sorted(order[:KEPT_AT_LEAST])
