"""What a printed accuracy admits: over how many examples it can have been counted.

k correct of n prints as 0.906 when k/n rounds or is cut off to it. That excludes most small n, and
gives every n that is left an exact interval.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from simclr_bench.verdicts.intervals import proportion_ends

# One batch, of a usual size; a data set's splits are the caller's to add.
BATCHES = {f"one batch of {n}": n for n in (32, 64, 128, 256)}


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """An n that can print the number.

    Attributes:
        n: Examples.
        meanings: What has that many: "one batch of 64", "the training split".
        least: Least number of correct examples that prints it.
        most: Most of them.
        arithmetic: Why n is admitted.
    """

    n: int
    meanings: tuple[str, ...]
    least: int
    most: int
    arithmetic: str

    @property
    def interval(self) -> tuple[float, float]:
        """95 % Clopper-Pearson interval, over all counts that print the number."""
        low, _ = proportion_ends(self.least, self.n)
        _, high = proportion_ends(self.most, self.n)
        return float(low), float(high)


@dataclass(frozen=True, kw_only=True)
class Excluded:
    """An n that cannot print the number, and why."""

    n: int
    meanings: tuple[str, ...]
    arithmetic: str


@dataclass(frozen=True, kw_only=True)
class Printed:
    """A printed accuracy.

    Attributes:
        text: As printed.
        decimals: Decimals that it is read with.
        candidates: The n's that can print it, ascending; empty where none of those considered can.
        excluded: Those that cannot.
    """

    text: str
    decimals: int
    candidates: tuple[Candidate, ...]
    excluded: tuple[Excluded, ...]


def read_printed(text: str, sizes: Mapping[str, int], decimals: int | None = None) -> Printed:
    """Finds out which sizes can print an accuracy.

    Args:
        text: The accuracy as printed, a fraction such as "0.906".
        sizes: What may have been scored -> its number of examples: `BATCHES`, and the data set's
            splits, which should be named alike for all data sets of a table ("the test split").
        decimals: Decimals that were printed before trailing zeros were dropped (`column_decimals`):
            "1.0" is 64 of 64 at three decimals and 61 to 64 of 64 at one. Default: those in `text`.

    Raises:
        ValueError: `text` is not an accuracy, has more decimals, or a size is not positive.
    """
    try:
        value = Fraction(text)
    except (ValueError, ZeroDivisionError):
        value = Fraction(-1)
    if not 0 <= value <= 1 or "/" in text:
        raise ValueError(f"read_printed: an accuracy is a decimal fraction, got {text!r}")
    written = column_decimals([text])
    decimals = written if decimals is None else decimals
    if decimals < written:
        raise ValueError(f"read_printed: {text!r} has more than {decimals} decimals")
    meanings: dict[int, list[str]] = {}
    for meaning, n in sizes.items():
        if n < 1:
            raise ValueError(f"read_printed: {meaning!r} must have 1 example or more, got {n}")
        meanings.setdefault(n, []).append(meaning)
    judged = [_judge(text, value, decimals, n, tuple(meanings[n])) for n in sorted(meanings)]
    return Printed(
        text=text,
        decimals=decimals,
        candidates=tuple(each for each in judged if isinstance(each, Candidate)),
        excluded=tuple(each for each in judged if isinstance(each, Excluded)),
    )


def column_decimals(texts: Sequence[str]) -> int:
    """Most decimals in a column: those of all its numbers, if trailing zeros were dropped."""
    return max(len(text.partition(".")[2]) for text in texts)


def common_meanings(column: Sequence[Printed]) -> tuple[str, ...]:
    """What can have been scored in every row of a column, if it was the same in all."""
    named = [
        [meaning for candidate in printed.candidates for meaning in candidate.meanings]
        for printed in column
    ]
    return tuple(dict.fromkeys(m for m in named[0] if all(m in others for others in named)))


def _judge(
    text: str, value: Fraction, decimals: int, n: int, meanings: tuple[str, ...]
) -> Candidate | Excluded:
    unit = Fraction(1, 10**decimals)
    # A tie may round either way, so both ends of the interval that rounds belong to it.
    rounded = range(math.ceil((value - unit / 2) * n), math.floor((value + unit / 2) * n) + 1)
    cut_off = range(math.ceil(value * n), math.ceil((value + unit) * n))
    counts = [k for ks in (rounded, cut_off) if ks for k in (ks[0], ks[-1])]
    counts = [min(max(k, 0), n) for k in counts]
    if not counts:
        below = math.floor(value * n)
        near = f"{_ratio(below, n)} and {_ratio(below + 1, n)}"
        why = f"{near}: neither rounds nor is cut off to {float(value):.{decimals}f}"
        return Excluded(n=n, meanings=meanings, arithmetic=why)
    how = " and ".join(verb for verb, ks in (("rounds", rounded), ("is cut off", cut_off)) if ks)
    least, most = min(counts), max(counts)
    span = _ratio(least, n) if least == most else f"{_ratio(least, n)} to {_ratio(most, n)}"
    why = f"{span}: {how} to {float(value):.{decimals}f}"
    return Candidate(n=n, meanings=meanings, least=least, most=most, arithmetic=why)


def _ratio(correct: int, n: int) -> str:
    return f"{correct}/{n} = {correct / n:.6g}"
