"""How often a claim is found to fail although it does not, and although its opposite is true.

Rows are drawn as paired seeds: a seed's own effect on every row, noise of each row, and scores in
whole examples. simulation.py sweeps these; test_rates.py runs a few.
"""

from dataclasses import dataclass

import numpy as np

from simclr_bench.paper.spec import Above, Ordered, Statement
from simclr_bench.verdicts.cells import Ours
from simclr_bench.verdicts.claims import judge_claims

SINGLES = ("a", "b", "c")
PAIRS = ("d", "e", "f")

# 6, 9 and 4 comparisons, as the claims of tables 1 and 4 have.
STATEMENTS: dict[str, Statement] = {
    "one above six": Above(("z",), (*SINGLES, *PAIRS)),
    "three above three": Above(SINGLES, PAIRS),
    "five in order": Ordered((*SINGLES, "d", "e")),
}


@dataclass(frozen=True)
class ClaimSetting:
    """One regime.

    Attributes:
        claim: Of `STATEMENTS`.
        seeds: Number of seeds, paired.
        n: Examples of each score.
        common: Standard deviation of a seed's effect on all rows.
        own: Standard deviation of a row's noise, twice as large in every other row.
        step: By how much each row of z, a, b, c, d, e, f stands above the one before it: above 0,
            every comparison of every claim is false.
        held: By how much d, e and f lie below that: their comparisons are then clearly true.
    """

    claim: str
    seeds: int = 8
    n: int = 1000
    common: float = 0.02
    own: float = 0.01
    step: float = 0.0
    held: float = 0.0


# Equal truths: no comparison is against the claim, nor for it.
OPEN = (
    *(ClaimSetting(claim) for claim in STATEMENTS),
    *(ClaimSetting(claim, n=64) for claim in STATEMENTS),
    *(ClaimSetting(claim, seeds=15) for claim in STATEMENTS),
    ClaimSetting("three above three", seeds=6, common=0.0),
    ClaimSetting("one above six", common=0.0, own=0.03),
)
# Some comparisons clearly true, the others open.
TRUE = (
    ClaimSetting("one above six", held=0.1),
    ClaimSetting("one above six", n=64, held=0.03),
    ClaimSetting("five in order", held=0.03),
)
# Every comparison is against the claim.
AGAINST = tuple(ClaimSetting(claim, step=0.04) for claim in STATEMENTS)


def draw_rows(rng: np.random.Generator, setting: ClaimSetting) -> dict[str, Ours]:
    """One experiment: every row with all seeds."""
    seeds = rng.normal(0.6, setting.common, setting.seeds)
    rows = {}
    for place, label in enumerate(("z", *SINGLES, *PAIRS)):
        own = setting.own * (1 + place % 2)
        truth = setting.step * place - setting.held * (label in PAIRS)
        rate = np.clip(seeds + truth + rng.normal(0, own, setting.seeds), 0, 1)
        rows[label] = Ours(
            seeds=tuple(range(setting.seeds)),
            accuracies=tuple(rng.binomial(setting.n, rate) / setting.n),
            n=setting.n,
            shared=False,
        )
    return rows


def rate_of(word: str, setting: ClaimSetting, draws: int) -> float:
    """How often the claim has a verdict, from a fixed seed."""
    rng = np.random.default_rng(0)
    statements = {"it": STATEMENTS[setting.claim]}
    words = [judge_claims(statements, draw_rows(rng, setting))["it"].word for _ in range(draws)]
    return words.count(word) / draws
