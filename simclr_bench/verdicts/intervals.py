"""Intervals of a proportion, of a mean over seeds, and of ours minus a printed number.

Functions take scalars or arrays that broadcast, so that the simulation in tests/verdicts judges ten
thousand draws with the very rule that judges a cell.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

CONFIDENCE = 0.95

Ends = tuple[Any, Any]


def proportion_ends(correct: ArrayLike, n: ArrayLike, level: float = CONFIDENCE) -> Ends:
    """Clopper-Pearson interval of a proportion: exact, and never too short.

    Args:
        correct: Correct examples; a mean over seeds makes it a fraction of one. [...]
        n: Examples. [...]
        level: Confidence.
    """
    correct, n = np.asarray(correct, float), np.asarray(n, float)
    tail = (1 - level) / 2
    with np.errstate(invalid="ignore"):  # no correct or no wrong example: the end is 0 or 1
        low = special.betaincinv(correct, n - correct + 1, tail)
        high = special.betaincinv(correct + 1, n - correct, 1 - tail)
    # [()] makes a scalar of an array without dimensions.
    return np.where(correct <= 0, 0.0, low)[()], np.where(correct >= n, 1.0, high)[()]


def proportions_ends(
    first: tuple[int, int, int], second: tuple[int, int, int], level: float = CONFIDENCE
) -> Ends:
    """Interval of a difference of two independent proportions, over all counts that each admits.

    Args:
        first: Least and most correct examples, and n.
        second: Likewise.
        level: Confidence.

    Source: Newcombe, Statistics in Medicine 17 (1998), 873-890, method 10, with Clopper-Pearson
        ends in place of Wilson's.
    """
    (least, most, n), (other_least, other_most, other_n) = first, second
    down = least / n - proportion_ends(least, n, level)[0]
    up = proportion_ends(most, n, level)[1] - most / n
    other_down = other_least / other_n - proportion_ends(other_least, other_n, level)[0]
    other_up = proportion_ends(other_most, other_n, level)[1] - other_most / other_n
    low = least / n - other_most / other_n - np.hypot(down, other_up)
    high = most / n - other_least / other_n + np.hypot(up, other_down)
    return low, high


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
    """Mean and 95 % Student-t interval over independent seeds, of any quantity.

    Raises:
        ValueError: Fewer than two values.
    """
    n = len(values)
    if n < 2:
        raise ValueError(f"mean_interval: an interval needs two values or more, got {n}")
    mean = math.fsum(values) / n
    error = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (n - 1) / n)
    half = float(special.stdtrit(n - 1, (1 + CONFIDENCE) / 2)) * error
    return Mean(mean, (mean - half, mean + half))


@dataclass(frozen=True)
class Seeds:
    """Accuracies over seeds, summarised.

    Attributes:
        mean: Mean accuracy over the seeds. [...]
        deviation: Sample standard deviation over the seeds. [...]
        seeds: Number of seeds, 2 or more.
        n: Examples that each accuracy counts.
        shared: Whether all seeds were scored on the same examples (a held-out set), rather than
            each on examples of its own (the last training batch).
    """

    mean: Any
    deviation: Any
    seeds: Any
    n: Any
    shared: bool

    def examples_ends(self, level: float) -> Ends:
        """What the choice of examples alone leaves open: the binomial interval of all of them."""
        n = self.n if self.shared else self.n * self.seeds
        return proportion_ends(self.mean * n, n, level)

    def quantile(self, level: float) -> Any:
        """Student's t for a two-sided interval over the seeds."""
        return special.stdtrit(self.seeds - 1, (1 + level) / 2)


def mean_ends(ours: Seeds, level: float = CONFIDENCE) -> Ends:
    """Interval of the expected accuracy over seeds and examples.

    Let s² be the variance of the accuracies over m seeds, p the mean, n the examples.

    Each seed on examples of its own: s² holds seeds and examples both, so Student's t is the
    interval. Near 0 and 1 a few batches can agree by luck; it is therefore never shorter than the
    binomial interval of all m n examples.

    All seeds on the same examples: their choice is an error that all seeds share, and s² cannot see
    it. If h(x) is the chance that a seed is right on x, the mean's variance is at most
    E[s²]/m + Var(h)/n, and Var(h) <= p (1 - p), with equality when seeds agree on every example. No
    more than that is assumed about how examples differ. The half-widths, Student's t over seeds and
    Clopper-Pearson over examples, are combined as the root of their squares. For normal errors this
    covers at least the nominal level however the variance divides: with weights w the coverage
    given the s² is F(sum of w_i t_i² s_i²/σ_i²), F the distribution function of χ² with one degree
    of freedom, which is concave, so the mean is no less than the sum of w_i times the level.

    Student's t takes runs to spread evenly about their mean. Close to 0 or 1 runs that differ much
    do not; tests/verdicts/simulation.py says how far that goes well.

    Source: the bound: Banerjee, Sankhya 22 (1960), 357-358. Intervals that are not symmetric, side
        by side: Zou and Donner, Statistics in Medicine 27 (2008), 1693-1702.
    """
    seeds = ours.quantile(level) ** 2 * ours.deviation**2 / ours.seeds
    low, high = ours.examples_ends(level)
    combine = np.add if ours.shared else np.maximum
    below = np.sqrt(combine(seeds, (ours.mean - low) ** 2))
    above = np.sqrt(combine(seeds, (high - ours.mean) ** 2))
    return np.maximum(ours.mean - below, 0), np.minimum(ours.mean + above, 1)


def difference_ends(
    ours: Seeds,
    least: ArrayLike,
    most: ArrayLike,
    n: ArrayLike,
    level: float = CONFIDENCE,
    noise: ArrayLike = 1.0,
) -> Ends:
    """Interval of our expected accuracy minus theirs, where theirs is one printed number.

    The printed number is one run: its error is that of a seed, whose variance ours estimate, and
    that of its own n examples, which Clopper-Pearson covers. All are combined as in `mean_ends`;
    where our accuracies have examples of their own, s² holds the variance of n of ours already, and
    only what theirs has beyond that is added. If both were scored on the same official test set,
    their errors cancel in part, and the interval is too wide, not too narrow.

    It excludes zero exactly when the printed number lies outside the prediction interval for it.

    Args:
        ours: Our accuracies.
        least: Least number of correct examples that prints the number. [...]
        most: Most of them; the interval is the union over all counts between. [...]
        n: Examples behind the printed number. [...]
        level: Confidence.
        noise: Variance of their seed, as a multiple of that of ours. [...]
    """
    least, most, n = (np.asarray(value, float) for value in (least, most, n))
    low, high = ours.examples_ends(level)
    down = least / n - proportion_ends(least, n, level)[0]
    up = proportion_ends(most, n, level)[1] - most / n
    quantile = ours.quantile(level)
    below = _root_of_squares(ours, ours.mean - low, up, n, quantile, noise)
    above = _root_of_squares(ours, high - ours.mean, down, n, quantile, noise)
    return ours.mean - most / n - below, ours.mean - least / n + above


def difference_error(ours: Seeds, theirs: ArrayLike, n: ArrayLike) -> Any:
    """Standard error of our mean minus an accuracy over n examples, of expected value `theirs`."""
    theirs = np.asarray(theirs, float)
    examples = ours.n if ours.shared else ours.n * ours.seeds
    our_error = np.sqrt(ours.mean * (1 - ours.mean) / examples)
    their_error = np.sqrt(theirs * (1 - theirs) / n)
    return _root_of_squares(ours, our_error, their_error, n, 1.0, noise_ratio(ours, theirs))


def noise_ratio(ours: Seeds, theirs: ArrayLike) -> Any:
    """Variance of a seed at another accuracy, as a multiple of that of ours: at least 1.

    Seeds differ less near 0 and 1, where there is no room; their variance is taken to follow
    p (1 - p), and never to be smaller than what was seen.
    """
    theirs = np.clip(theirs, 0, 1)
    room = np.maximum(ours.mean * (1 - ours.mean), np.finfo(float).tiny)
    return np.where(ours.deviation > 0, np.maximum(theirs * (1 - theirs) / room, 1), 1)


def _root_of_squares(
    ours: Seeds, our_examples: Any, their_examples: Any, n: Any, quantile: Any, noise: Any
) -> Any:
    seeds = (quantile * ours.deviation) ** 2 * (1 / ours.seeds + noise)
    examples = our_examples**2 + their_examples**2
    if ours.shared:
        return np.sqrt(seeds + examples)
    beyond = np.maximum(1 - n / ours.n, 0) * their_examples**2
    return np.sqrt(np.maximum(seeds + beyond, examples))
