"""How often the verdicts are wrong: draws of whole experiments whose truth is known.

    python -m tests.verdicts.simulation [ACCURACY ...]

sweeps accuracies, seeds and numbers of examples with 10,000 draws each (seven minutes on one core),
prints the worst of every rate and fails if one misses its limit. test_rates.py runs a few settings.

A run's accuracy is drawn from a beta distribution around the expected one, so that runs differ less
near 0 and 1, and unevenly. Our seeds score examples of their own, or the same ones, on a part of
which all seeds agree as far as their accuracies let them.

The limits hold up to a spread of 0.05, which is a standard deviation of 0.025 at an accuracy of 0.5
and of 0.007 at 0.02. Student's t cannot follow runs that spread further next to 0 or 1: at 0.02 and
a spread of 0.1 the intervals cover 91 % at worst; from 0.1 to 0.9 the limits hold there too.
"""

import sys
from dataclasses import dataclass
from itertools import product

import numpy as np

from simclr_bench.verdicts.cells import MARGIN, is_different, is_equivalent
from simclr_bench.verdicts.intervals import Seeds, mean_ends

DRAWS = 10_000

# Nominal less a point; 5 % and three standard errors of the simulation itself.
LEAST_COVERAGE = 0.94
MOST_ERRORS = 0.05 + 3 * (0.05 * 0.95 / DRAWS) ** 0.5

ACCURACIES = (0.02, 0.1, 0.5, 0.9, 0.98)
SPREADS = (0.0, 0.02, 0.05)
SEEDS = (2, 3, 5, 8, 20)
EXAMPLES = (64, 1000, 20_000)
AGREEMENTS = (None, 0.0, 0.5, 1.0)
PRINTED = (64, 3670)


@dataclass(frozen=True)
class Setting:
    """One regime.

    Attributes:
        accuracy: Expected accuracy.
        spread: Standard deviation of a run's accuracy, as a multiple of sqrt(p (1 - p)).
        seeds: Number of our seeds.
        n: Examples of each of ours.
        agreement: Fraction of the examples on which seeds agree; None: each seed has its own.
    """

    accuracy: float
    spread: float
    seeds: int
    n: int
    agreement: float | None


@dataclass(frozen=True)
class Rates:
    """What came of the draws.

    Attributes:
        coverage: How often the interval of our mean holds the truth.
        different: How often equal truths are different, at worst over printed n's.
        equivalent: How often truths a margin apart are equivalent, at worst over printed n's, and
            theirs above and below.
    """

    coverage: float
    different: float
    equivalent: float

    @property
    def meet_the_limits(self) -> bool:
        """Whether the verdicts are as reliable as they claim."""
        return (
            self.coverage >= LEAST_COVERAGE and max(self.different, self.equivalent) <= MOST_ERRORS
        )


def draw_runs(rng: np.random.Generator, accuracy: float, spread: float, runs: int) -> np.ndarray:
    """Accuracies of runs. [DRAWS, runs]"""
    if not spread:
        return np.full((DRAWS, runs), accuracy)
    concentration = 1 / spread**2 - 1
    return rng.beta(accuracy * concentration, (1 - accuracy) * concentration, size=(DRAWS, runs))


def draw_ours(rng: np.random.Generator, setting: Setting) -> Seeds:
    """Our accuracies, summarised. [DRAWS]"""
    runs = np.sort(draw_runs(rng, setting.accuracy, setting.spread, setting.seeds), axis=1)
    agreed = round(setting.n * (setting.agreement or 0))
    correct = rng.binomial(setting.n - agreed, runs)
    # An example on which seeds agree is right for every seed above a level of its own.
    right, before = np.zeros(DRAWS, int), np.zeros(DRAWS)
    for run in range(setting.seeds):
        more = np.clip((runs[:, run] - before) / (1 - before), 0, 1)
        right = right + rng.binomial(agreed - right, more)
        correct[:, run] += right
        before = runs[:, run]
    values = correct / setting.n
    return Seeds(
        values.mean(axis=1),
        values.std(axis=1, ddof=1),
        setting.seeds,
        setting.n,
        setting.agreement is not None,
    )


def draw_printed(rng: np.random.Generator, accuracy: float, spread: float, n: int) -> np.ndarray:
    """Correct examples of a paper's one run. [DRAWS]"""
    return rng.binomial(n, draw_runs(rng, accuracy, spread, 1)[:, 0])


def simulate(setting: Setting) -> Rates:
    """Draws experiments of one setting, from a fixed seed."""
    rng = np.random.default_rng(0)
    ours = draw_ours(rng, setting)
    low, high = mean_ends(ours)
    truth = setting.accuracy
    different, equivalent = [], [0.0]
    for n in PRINTED:
        counts = draw_printed(rng, truth, setting.spread, n)
        different.append(is_different(ours, counts, counts, n).mean())
        for theirs in (truth - MARGIN, truth + MARGIN):
            if 0 <= theirs <= 1:
                counts = draw_printed(rng, theirs, setting.spread, n)
                equivalent.append(is_equivalent(ours, counts, counts, n, MARGIN).mean())
    coverage = ((low <= truth) & (truth <= high)).mean()
    return Rates(float(coverage), float(max(different)), float(max(equivalent)))


def main(accuracies: tuple[float, ...]) -> int:
    """Sweeps; prints the worst of each rate; returns the number of settings that miss a limit."""
    every = [Setting(*each) for each in product(accuracies, SPREADS, SEEDS, EXAMPLES, AGREEMENTS)]
    found = {setting: simulate(setting) for setting in every}
    print(f"{len(found)} settings of {DRAWS} draws")
    worst = (
        ("coverage", min(found, key=lambda s: found[s].coverage), LEAST_COVERAGE),
        ("different", max(found, key=lambda s: found[s].different), MOST_ERRORS),
        ("equivalent", max(found, key=lambda s: found[s].equivalent), MOST_ERRORS),
    )
    for rate, setting, limit in worst:
        print(
            f"{rate}: at worst {getattr(found[setting], rate):.4f} (limit {limit:.4f}), {setting}"
        )
    missed = [setting for setting, rates in found.items() if not rates.meet_the_limits]
    for setting in missed:
        print(f"missed: {setting} {found[setting]}")
    return len(missed)


if __name__ == "__main__":
    sys.exit(bool(main(tuple(map(float, sys.argv[1:])) or ACCURACIES)))
