"""The verdict of one cell: what our seeds say about a number that a paper prints.

d is our expected accuracy minus theirs. In this order: *different* when the printed number lies
outside the 95 % prediction interval for it; *equivalent* when two one-sided tests at 5 % put d
within the margin; *consistent* when a difference of the margin would have been seen with a
probability of 80 % or more; *inconclusive* otherwise.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from simclr_bench.verdicts.intervals import (
    CONFIDENCE,
    Seeds,
    difference_ends,
    difference_error,
    mean_ends,
    noise_ratio,
)
from simclr_bench.verdicts.printed import Candidate, Printed

MARGIN = 0.05
POWER = 0.8
ALPHA = 0.05

# From the strongest to the weakest, which is also the order in which they are tried.
WORDS = ("different", "equivalent", "consistent", "inconclusive")
NOT_COMPARABLE = "not comparable"

# Where a search for what would settle a cell ends.
MOST_SEEDS = 10_000
MOST_EXAMPLES = 10_000_000


@dataclass(frozen=True, kw_only=True)
class Ours:
    """What our jobs of one cell measured.

    Attributes:
        seeds: The seeds, each once, ascending.
        accuracies: One per seed, as a fraction; None where the seed failed or diverged and left no
            accuracy. It then counts as 0: a recipe that fails has that as a part of its accuracy.
        n: Examples that each accuracy counts.
        shared: Whether all seeds were scored on the same examples.
    """

    seeds: tuple[int, ...]
    accuracies: tuple[float | None, ...]
    n: int
    shared: bool

    def __post_init__(self) -> None:
        if len(self.accuracies) < 2:
            raise ValueError(f"Ours: two seeds or more are needed, got {len(self.accuracies)}")
        if list(self.seeds) != sorted(set(self.seeds)) or len(self.seeds) != len(self.accuracies):
            raise ValueError(f"Ours: one accuracy for each of {self.seeds}, each once, ascending")
        if self.n < 1:
            raise ValueError(f"Ours: n must be 1 or more, got {self.n}")
        if outside := [a for a in self.values if not 0 <= a <= 1]:
            raise ValueError(f"Ours: an accuracy is a fraction, got {outside[0]}")

    @property
    def values(self) -> tuple[float, ...]:
        """The accuracies, failed seeds as 0."""
        return tuple(0.0 if a is None else a for a in self.accuracies)

    @property
    def failed(self) -> int:
        """Seeds without an accuracy; they are in the mean and in its n."""
        return self.accuracies.count(None)

    @property
    def summary(self) -> Seeds:
        """Mean and deviation over all seeds."""
        values = np.array(self.values)
        return Seeds(values.mean(), values.std(ddof=1), len(values), self.n, self.shared)

    @property
    def mean(self) -> float:
        """Mean accuracy over all seeds."""
        return float(self.summary.mean)

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the expected accuracy, over seeds and examples."""
        low, high = mean_ends(self.summary)
        return float(low), float(high)


@dataclass(frozen=True, kw_only=True)
class CandidateVerdict:
    """The verdict if the printed number counts n examples.

    Attributes:
        candidate: The n, and the counts that print the number.
        word: One of `WORDS`.
        difference: 95 % interval of ours minus theirs.
        prediction: 95 % prediction interval for the accuracy of a run like ours on n examples.
        power: Probability that a difference of the margin reads *different*.
        seeds_needed: For *inconclusive*, the number of seeds that settles it if they vary as those
            seen do; None otherwise, and where no number up to 10,000 does.
        n_needed: Likewise the printed n that would settle it with our seeds; None up to 10,000,000.
    """

    candidate: Candidate
    word: str
    difference: tuple[float, float]
    prediction: tuple[float, float]
    power: float
    seeds_needed: int | None
    n_needed: int | None


@dataclass(frozen=True, kw_only=True)
class CellVerdict:
    """The verdict of a cell: that of the weakest candidate.

    Attributes:
        word: One of `WORDS`, or `NOT_COMPARABLE`.
        reason: Why nothing can be compared; empty otherwise.
        weakest: The candidate whose word is shown; None where nothing can be compared.
        candidates: The verdict for every n that the printed number admits.
        margin: The difference that matters.
    """

    word: str
    reason: str
    weakest: CandidateVerdict | None
    candidates: tuple[CandidateVerdict, ...]
    margin: float

    def __str__(self) -> str:
        if self.weakest is None:
            return f"{self.word}: {self.reason}"
        if self.word != WORDS[-1]:
            return self.word
        seeds, n = self.weakest.seeds_needed, self.weakest.n_needed
        settled = (
            f"{seeds} seeds would settle it" if seeds else "no number of seeds would settle it"
        )
        if n and not seeds:
            settled += f", a printed n of {n} would"
        return f"{self.word} (power {self.weakest.power:.0%} at {self.margin:g}; {settled})"


def judge_cell(
    ours: Ours, printed: Printed, *, margin: float = MARGIN, obstacles: Sequence[str] = ()
) -> CellVerdict:
    """Judges one cell.

    Args:
        ours: What our jobs measured.
        printed: The printed number and the n's that it admits.
        margin: The difference that matters, in accuracy.
        obstacles: Why ours cannot be compared with the paper's (data or weights that are not the
            official ones); empty where they can.

    Raises:
        ValueError: The margin is not above 0 and at most 0.5.
    """
    if not 0 < margin <= 0.5:
        raise ValueError(f"judge_cell: the margin must be above 0 and at most 0.5, got {margin}")
    reasons = list(obstacles)
    if not printed.candidates:
        reasons.append(f"none of the sizes considered prints {printed.text}")
    if reasons:
        return CellVerdict(
            word=NOT_COMPARABLE,
            reason="; ".join(reasons),
            weakest=None,
            candidates=(),
            margin=margin,
        )
    judged = tuple(_judge(ours.summary, each, margin) for each in printed.candidates)
    weakest = max(judged, key=lambda verdict: (WORDS.index(verdict.word), -verdict.power))
    return CellVerdict(
        word=weakest.word, reason="", weakest=weakest, candidates=judged, margin=margin
    )


def decide(
    ours: Seeds, least: ArrayLike, most: ArrayLike, n: ArrayLike, margin: float = MARGIN
) -> Any:
    """The rule: an index into `WORDS` for each of our summaries and counts behind a printed number.

    Args:
        ours: Our accuracies, summarised.
        least, most: The counts that print the number. [...]
        n: Examples behind it. [...]
        margin: The difference that matters.
    """
    tests = [
        is_different(ours, least, most, n),
        is_equivalent(ours, least, most, n, margin),
        power(ours, n, margin) >= POWER,
    ]
    return np.select(tests, [0, 1, 2], 3)


def is_different(ours: Seeds, least: ArrayLike, most: ArrayLike, n: ArrayLike) -> Any:
    """Whether every count that prints the number lies outside the prediction interval."""
    low, high = difference_ends(ours, least, most, n)
    return (low > 0) | (high < 0)


def is_equivalent(
    ours: Seeds, least: ArrayLike, most: ArrayLike, n: ArrayLike, margin: float
) -> Any:
    """Whether two one-sided tests at 5 % put ours minus theirs within the margin.

    Each test supposes that theirs is as far from ours as the margin, and lets the paper's seed vary
    as seeds do there, which near 0 and 1 is more than ours do.
    """
    level = 1 - 2 * ALPHA
    higher, lower = (noise_ratio(ours, ours.mean + shift) for shift in (margin, -margin))
    low, _ = difference_ends(ours, least, most, n, level, higher)
    _, high = difference_ends(ours, least, most, n, level, lower)
    return (low > -margin) & (high < margin)


def power(ours: Seeds, n: ArrayLike, margin: float = MARGIN) -> Any:
    """Probability that a difference of the margin reads *different*, in the harder direction.

    Normal approximation, with our deviation as seen. A direction that leaves [0, 1] is not counted.
    """
    n = np.asarray(n, float)
    found = []
    for shift in (-margin, margin):
        theirs = ours.mean + shift
        inside = (theirs >= 0) & (theirs <= 1)
        expected = np.clip(theirs, 0, 1)
        low, high = difference_ends(ours, expected * n, expected * n, n)
        # The end of the interval that faces zero, measured from the difference itself.
        half = -shift - low if shift < 0 else high + shift
        error = difference_error(ours, expected, n)
        with np.errstate(divide="ignore", invalid="ignore"):
            z = np.where(error > 0, (margin - half) / error, np.inf)
        found.append(np.where(inside, special.ndtr(z), 1.0))
    return np.minimum(*found)


def prediction_ends(ours: Seeds, n: int, level: float = CONFIDENCE) -> tuple[float, float]:
    """Prediction interval for the accuracy of one more run, on n examples of its own.

    The accuracies k/n from which ours do not differ, by the interval of the difference.
    """

    def ends(k: int) -> tuple[float, float]:
        low, high = difference_ends(ours, k, k, n, level)
        return float(low), float(high)

    lowest = _least(lambda k: ends(k)[0] <= 0, 0, n)
    beyond = _least(lambda k: ends(k)[1] < 0, 0, n)
    return (lowest or 0) / n, (n if beyond is None else beyond - 1) / n


def _judge(ours: Seeds, candidate: Candidate, margin: float) -> CandidateVerdict:
    least, most, n = candidate.least, candidate.most, candidate.n
    word = WORDS[int(decide(ours, least, most, n, margin))]
    low, high = difference_ends(ours, least, most, n)
    seeds = examples = None
    if word == WORDS[-1]:
        seeds = _least(
            lambda m: power(_with_seeds(ours, m), n, margin) >= POWER, ours.seeds, MOST_SEEDS
        )
        examples = _least(lambda size: power(ours, size, margin) >= POWER, n, MOST_EXAMPLES)
    return CandidateVerdict(
        candidate=candidate,
        word=word,
        difference=(float(low), float(high)),
        prediction=prediction_ends(ours, n),
        power=float(power(ours, n, margin)),
        seeds_needed=seeds,
        n_needed=examples,
    )


def _with_seeds(ours: Seeds, seeds: int) -> Seeds:
    return Seeds(ours.mean, ours.deviation, seeds, ours.n, ours.shared)


def _least(true_from: Callable[[int], Any], low: int, high: int) -> int | None:
    """The least integer for which a predicate holds that stays true once it is; None if none."""
    if not true_from(high):
        return None
    while low < high:
        middle = (low + high) // 2
        if true_from(middle):
            high = middle
        else:
            low = middle + 1
    return low
