"""From the times of two builds to a verdict per cell.

A change is flagged only if it is both large and beyond chance: the ratio of medians exceeds a
factor, in either direction, and a two-sided Mann-Whitney test gives a p below alpha, corrected over
the cells (Holm). The test alone would flag 1 %, which no two layouts of memory agree to; the factor
alone would flag noise.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import mannwhitneyu

from simclr_bench.verdicts.significance import holm

FACTOR = 1.10
ALPHA = 0.01
# With fewer a cell of eight cannot reach alpha: two sets of 7 that do not overlap have p = 2/3432.
FEWEST_ROUNDS = 8

SLOWER, FASTER, NOT_FLAGGED = "slower", "faster", "not flagged"
RESAMPLES = 1000


@dataclass(frozen=True)
class Decision:
    """What the times of one cell say.

    Attributes:
        base_ms: Median of the base, over rounds, without what the machine's speed did to it.
        new_ms: Median of the new build.
        ratio: The new one over the base's.
        p: Of the test, for this cell alone.
        p_holm: Corrected over all cells.
        verdict: SLOWER, FASTER or NOT_FLAGGED: of the new build.
    """

    base_ms: float
    new_ms: float
    ratio: float
    p: float
    p_holm: float
    verdict: str


def decide(
    cells: Sequence[tuple[Sequence[float], Sequence[float]]],
    factor: float = FACTOR,
    alpha: float = ALPHA,
) -> list[Decision]:
    """A decision per cell.

    Args:
        cells: Of each the times of the base and of the new build, one per round, of all equally
            many; both held against the same third time of their round, which makes the test
            stricter than it says and never laxer.
        factor: Ratios of medians between 1 / factor and factor are not flagged.
        alpha: Neither is what has a corrected p from here on.
    """
    times = np.asarray(cells, float)  # [cells, builds, rounds]
    tested = mannwhitneyu(times[:, 0], times[:, 1], alternative="two-sided", axis=1)
    p_values = tested.pvalue.tolist()
    medians = np.median(times, axis=2).tolist()
    decisions = []
    for (base_ms, new_ms), p, p_holm in zip(medians, p_values, holm(p_values), strict=True):
        ratio = new_ms / base_ms
        verdict = NOT_FLAGGED
        if p_holm < alpha and ratio > factor:
            verdict = SLOWER
        elif p_holm < alpha and ratio < 1 / factor:
            verdict = FASTER
        decisions.append(Decision(base_ms, new_ms, ratio, p, p_holm, verdict))
    return decisions


def ratio_interval(base: Sequence[float], new: Sequence[float]) -> tuple[float, float]:
    """The 95 % percentile bootstrap interval of the ratio of medians; rounds are drawn whole."""
    draws = np.random.default_rng(0).integers(len(base), size=(RESAMPLES, len(base)))
    medians = [np.median(np.asarray(times)[draws], axis=1) for times in (base, new)]
    low, high = np.quantile(medians[1] / medians[0], (0.025, 0.975))
    return float(low), float(high)
