"""How often the verdicts are wrong: draws of whole experiments whose truth is known.

    python -m tests.verdicts.simulation [ACCURACY ...]

sweeps accuracies, seeds and numbers of examples with 10,000 draws each, then power and claims (ten
minutes on one core), prints the worst of every rate and fails if one misses its limit.
test_rates.py runs a few settings.

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

from simclr_bench.experiments.settings import Settings
from simclr_bench.verdicts.cells import MARGIN, WORDS, decide, is_different, is_equivalent
from simclr_bench.verdicts.intervals import Seeds, mean_ends
from tests.verdicts.simulated_claims import AGAINST, OPEN, TRUE, rate_of

DRAWS = 10_000

# Nominal less a point; 5 % and three standard errors of the simulation itself.
LEAST_COVERAGE = 0.94
LEAST_POWER = 0.8


def most_errors(draws: int) -> float:
    """The limit of an error rate that is 5 % at most."""
    return float(0.05 + 3 * (0.05 * 0.95 / draws) ** 0.5)


MOST_ERRORS = most_errors(DRAWS)

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


def word_rate(word: str, setting: Setting, theirs: float, n: int) -> float:
    """How often the rule gives a word to a number printed on n examples, from a fixed seed."""
    rng = np.random.default_rng(0)
    ours = draw_ours(rng, setting)
    counts = draw_printed(rng, theirs, setting.spread, n)
    return float(np.mean(decide(ours, counts, counts, n) == WORDS.index(word)))


def difference_seen(theirs: float, n: int, agreement: float | None) -> float:
    """How often 0.25 of difference is *different* at one printed batch, with the default seeds.

    Args:
        theirs: The paper's expected accuracy; ours is above it, or below if theirs is above 0.5.
        n: Examples of each of our seeds.
        agreement: As in `Setting`.
    """
    truth = theirs - 0.25 if theirs > 0.5 else theirs + 0.25
    setting = Setting(truth, 0.05, len(Settings().run.seeds), n, agreement)
    return word_rate("different", setting, theirs, 64)


def equality_seen(accuracy: float, agreement: float | None) -> float:
    """How often equal truths are *equivalent* at 20,000 examples, with the default seeds."""
    setting = Setting(accuracy, 0.02, len(Settings().run.seeds), 20_000, agreement)
    return word_rate("equivalent", setting, accuracy, 20_000)


def sweep(accuracies: tuple[float, ...]) -> bool:
    """Prints the worst coverage and error rates; whether all are within their limits."""
    every = [Setting(*each) for each in product(accuracies, SPREADS, SEEDS, EXAMPLES, AGREEMENTS)]
    found = {setting: simulate(setting) for setting in every}
    print(f"{len(found)} settings of {DRAWS} draws")
    worst = (
        ("coverage", min(found, key=lambda s: found[s].coverage), LEAST_COVERAGE),
        ("false different", max(found, key=lambda s: found[s].different), MOST_ERRORS),
        ("false equivalent", max(found, key=lambda s: found[s].equivalent), MOST_ERRORS),
    )
    for rate, setting, limit in worst:
        value = getattr(found[setting], rate.split()[-1])
        print(f"{rate}: at worst {value:.4f} (limit {limit:.4f}), {setting}", flush=True)
    missed = [setting for setting, rates in found.items() if not rates.meet_the_limits]
    for setting in missed:
        print(f"missed: {setting} {found[setting]}")
    return not missed


def powers() -> bool:
    """Prints the least power of both kinds; whether it suffices."""
    differences = {
        (theirs, *scored): difference_seen(theirs, *scored)
        for theirs in (0.25, 0.5, 0.75)
        for scored in ((64, None), *product([1000], AGREEMENTS))
    }
    equalities = {
        (accuracy, agreement): equality_seen(accuracy, agreement)
        for accuracy, agreement in product(ACCURACIES, AGREEMENTS)
    }
    for what, found in (
        ("power: 0.25 apart, printed n = 64, different", differences),
        ("power: equal truths, n = 20,000, equivalent", equalities),
    ):
        at = min(found, key=lambda each: found[each])
        print(f"{what}: at least {found[at]:.4f} (limit {LEAST_POWER:.4f}), {at}", flush=True)
    return min([*differences.values(), *equalities.values()]) >= LEAST_POWER


def claims() -> bool:
    """Prints the rates of verdicts on claims; whether all are within their limits."""
    held = True
    for setting in (*OPEN, *TRUE):
        rate = rate_of("fails", setting, DRAWS)
        held &= rate <= MOST_ERRORS
        print(f"claims, false fails: {rate:.4f} (limit {MOST_ERRORS:.4f}), {setting}", flush=True)
    for setting in AGAINST:
        rate = rate_of("fails", setting, DRAWS)
        held &= rate >= LEAST_POWER
        print(f"claims, power: {rate:.4f} (limit {LEAST_POWER:.4f}), {setting}", flush=True)
    return held


def main(accuracies: tuple[float, ...]) -> int:
    """Everything; 0 if all is within its limits."""
    return int(not all([powers(), claims(), sweep(accuracies)]))


if __name__ == "__main__":
    sys.exit(main(tuple(map(float, sys.argv[1:])) or ACCURACIES))
