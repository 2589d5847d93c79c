"""The verdict of a claim: what our seeds say about a statement on the rows of a table.

The tests are about the seeds: they ask whether more seeds, on the images that these were scored
on, would say the same. A claim across data sets is about those data sets; how far it reaches beyond
them is another question, with as many observations as there are rows (`ClaimVerdict.rows_p`).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise, product

import numpy as np

from simclr_bench.paper.spec import Above, Equal, Falling, Ordered, Statement
from simclr_bench.verdicts.cells import ALPHA, MARGIN, Ours
from simclr_bench.verdicts.intervals import proportions_ends
from simclr_bench.verdicts.printed import Candidate, Printed, common_meanings
from simclr_bench.verdicts.significance import (
    any_higher_p,
    beyond_p,
    higher_p,
    holm,
    order_p,
    tost_p,
    trend_p,
)

Pairs = list[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class Differences:
    """A difference of two accuracies for each seed, such as the gain from a larger batch.

    Attributes:
        seeds: The seeds, each once, ascending.
        values: One per seed; failed seeds count as an accuracy of 0 before the difference.
    """

    seeds: tuple[int, ...]
    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean over the seeds."""
        return float(np.mean(self.values))


Row = Ours | Differences


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two rows of a claim.

    Attributes:
        first, second: Labels; the claim says first > second, or that they are about the same.
        difference: Mean accuracy of the first minus that of the second.
        p_holds: p against the opposite of the claim, for these two rows.
        p_fails: p against the claim.
    """

    first: str
    second: str
    difference: float
    p_holds: float
    p_fails: float


@dataclass(frozen=True, kw_only=True)
class ClaimVerdict:
    """The verdict of a claim.

    Attributes:
        word: "holds", "fails" or "undecided".
        test: The test, in words.
        comparisons: All pairs of rows that the claim compares.
        trend_p: Of an ordered or falling claim over three rows or more, Page's or Jonckheere's;
            else None.
        rows_p: Of such a claim, the exact p that as many rows in random order fall so well:
            1 / rows! at best, whatever the number of seeds; else None.
        p_holds: p of the whole claim, adjusted by Holm over the table's claims.
        p_fails: p against it, likewise adjusted.
    """

    word: str
    test: str
    comparisons: tuple[Comparison, ...]
    trend_p: float | None
    rows_p: float | None
    p_holds: float
    p_fails: float


def judge_claims(
    statements: Mapping[str, Statement], rows: Mapping[str, Row], *, margin: float = MARGIN
) -> dict[str, ClaimVerdict]:
    """Judges all statements about one set of rows.

    A statement holds when all that it says is significant, each comparison at 5 % (an intersection
    of claims needs no correction), and fails when one comparison is significantly against it, which
    all of them are asked together: where all rows have the same seeds, by permuting those seeds in
    every comparison at once; by Bonferroni otherwise, and for `Equal`. `Falling` is judged by its
    trend alone, in both directions. p of a direction is doubled, since both are asked for. Holm
    keeps each kind of error at 5 % over the statements.

    With m paired seeds no p is below 2 / 2^m: five seeds cannot decide a direction.

    Args:
        statements: By name.
        rows: What was measured, by label.
        margin: Within which accuracies are about the same.

    Raises:
        ValueError: A statement speaks of a row that was not measured.
    """
    for name, said in statements.items():
        if lost := {label for pair in _pairs(said) for label in pair} - rows.keys():
            raise ValueError(f"judge_claims: {name}: nothing measured for {sorted(lost)}")
    found = {name: _judge(said, rows, margin) for name, said in statements.items()}
    holds = holm([each.p_holds for each in found.values()])
    fails = holm([each.p_fails for each in found.values()])
    return {
        name: replace(
            each,
            word="holds" if a <= ALPHA else "fails" if b <= ALPHA else "undecided",
            p_holds=a,
            p_fails=b,
        )
        for (name, each), a, b in zip(found.items(), holds, fails, strict=True)
    }


@dataclass(frozen=True, kw_only=True)
class PaperEvidence:
    """Whether the printed numbers alone were evidence for a statement, in one reading of them.

    Attributes:
        meaning: What was scored in every row: "one batch of 64".
        enough: Whether every comparison of the statement is significant at 5 %.
        short: The comparisons that are not.
    """

    meaning: str
    enough: bool
    short: tuple[tuple[str, str], ...]


def paper_evidence(
    statement: Statement, printed: Mapping[str, Printed], *, margin: float = MARGIN
) -> tuple[PaperEvidence, ...]:
    """Judges the paper's own evidence: one entry per reading that all rows of the statement admit.

    Binomial error alone: what the paper's seeds would add is unknown, so "enough" is generous.

    Args:
        statement: What is claimed of the printed rows.
        printed: The printed numbers, by label.
        margin: Within which accuracies are about the same.
    """
    pairs = _pairs(statement)
    labels = list(dict.fromkeys(label for pair in pairs for label in pair))
    found = []
    for meaning in common_meanings([printed[label] for label in labels]):
        counted = {label: _candidate(printed[label], meaning) for label in labels}
        short = tuple(
            (a, b) for a, b in pairs if not _shown(statement, counted[a], counted[b], margin)
        )
        found.append(PaperEvidence(meaning=meaning, enough=not short, short=short))
    return tuple(found)


def _candidate(printed: Printed, meaning: str) -> Candidate:
    return next(each for each in printed.candidates if meaning in each.meanings)


def _shown(statement: Statement, first: Candidate, second: Candidate, margin: float) -> bool:
    level = 1 - 2 * ALPHA if isinstance(statement, Equal) else 1 - ALPHA
    low, high = proportions_ends(
        (first.least, first.most, first.n), (second.least, second.most, second.n), level
    )
    if isinstance(statement, Equal):
        return bool(-margin < low and high < margin)
    return bool(low > 0)


def _pairs(statement: Statement) -> Pairs:
    match statement:
        case Ordered(labels) | Falling(labels):
            return list(pairwise(labels))
        case Above(upper, lower):
            return list(product(upper, lower))
        case Equal(labels):
            return list(combinations(labels, 2))


def _judge(statement: Statement, rows: Mapping[str, Row], margin: float) -> ClaimVerdict:
    pairs = _pairs(statement)
    named = [rows[label] for label in dict.fromkeys(label for pair in pairs for label in pair)]
    paired = len({row.seeds for row in named}) == 1
    compare = _same if isinstance(statement, Equal) else _directed
    compared = [compare(pair, rows, paired, margin) for pair in pairs]
    test = "two one-sided t tests" if isinstance(statement, Equal) else "permutation of seeds"
    holds = max(each.p_holds for each in compared)
    if paired and not isinstance(statement, Equal):
        against = [np.subtract(rows[b].values, rows[a].values) for a, b in pairs]
        fails = min(2 * any_higher_p(against), 1.0)
    else:
        fails = min(len(compared) * min(each.p_fails for each in compared), 1.0)
    trend, across = None, None
    if isinstance(statement, Ordered | Falling):
        across = order_p([row.mean for row in named])
        if len(named) > 2:
            values = [row.values for row in named]
            trend = min(2 * trend_p(values[::-1], paired=paired), 1.0)
            name = f"{'Page' if paired else 'Jonckheere-Terpstra'} trend"
            if isinstance(statement, Falling):
                test, holds = name, trend
                fails = min(2 * trend_p(values, paired=paired), 1.0)
            else:
                test, holds = f"{name}, and each step: {test}", max(holds, trend)
    return ClaimVerdict(
        word="undecided",  # until the other claims are known
        test=f"{test}, {'paired' if paired else 'unpaired'}",
        comparisons=tuple(compared),
        trend_p=trend,
        rows_p=across,
        p_holds=holds,
        p_fails=fails,
    )


def _directed(
    pair: tuple[str, str], rows: Mapping[str, Row], paired: bool, _margin: float
) -> Comparison:
    first, second = (rows[label] for label in pair)
    return Comparison(
        first=pair[0],
        second=pair[1],
        difference=first.mean - second.mean,
        p_holds=min(2 * higher_p(first.values, second.values, paired=paired), 1.0),
        p_fails=min(2 * higher_p(second.values, first.values, paired=paired), 1.0),
    )


def _same(
    pair: tuple[str, str], rows: Mapping[str, Row], paired: bool, margin: float
) -> Comparison:
    first, second = (rows[label] for label in pair)
    difference = first.mean - second.mean
    error, freedom = _error(first, second, paired)
    return Comparison(
        first=pair[0],
        second=pair[1],
        difference=difference,
        p_holds=tost_p(difference, error, freedom, margin),
        p_fails=beyond_p(difference, error, freedom, margin),
    )


def _error(first: Row, second: Row, paired: bool) -> tuple[float, float]:
    """Standard error of a difference of means, and its degrees of freedom (Welch's, unpaired).

    Never below the binomial error of all examples: a few seeds can agree by luck.
    """
    m, k = len(first.values), len(second.values)
    if paired:
        error = float(np.std(np.subtract(first.values, second.values), ddof=1)) / math.sqrt(m)
        freedom = m - 1.0
    else:
        a, b = np.var(first.values, ddof=1) / m, np.var(second.values, ddof=1) / k
        error = math.sqrt(a + b)
        freedom = float((a + b) ** 2 / (a**2 / (m - 1) + b**2 / (k - 1))) if a + b else m + k - 2.0
    return max(error, math.sqrt(_binomial(first) + _binomial(second))), freedom


def _binomial(row: Row) -> float:
    """Binomial variance of the mean, as if of one right and one wrong example more."""
    if isinstance(row, Differences):  # of how many examples is not known
        return 0.0
    n = row.n * len(row.values)
    p = (row.mean * n + 1) / (n + 2)
    return p * (1 - p) / n


def describe_evidence(evidence: Sequence[PaperEvidence]) -> str:
    """Whether the paper's own numbers were enough, in a word or two."""
    if not evidence:
        return "unknown: no reading fits all rows"
    enough = {each.enough for each in evidence}
    if len(enough) == 2:
        readings = ", ".join(each.meaning for each in evidence if each.enough)
        return f"enough only as {readings}"
    return "enough" if enough == {True} else "not enough"
