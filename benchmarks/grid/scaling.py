"""Scaling curves: the sizes that are tried until the machine refuses, and their exponent."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from scipy import stats

from benchmarks.grid.cells import LossCell
from benchmarks.grid.losses import distillation, nt_xent
from benchmarks.grid.suites import Suite
from benchmarks.records.record import Record

# Doublings, from a size that everybody has to one that nothing we know of can step through.
ROWS = tuple(2**k for k in range(8, 23))

SCALING = (
    Suite(
        "scaling",
        tuple(nt_xent(rows, 128) for rows in ROWS),
        ("fused", "chunked", "eager", "compile", "lightly", "pytorch-metric-learning-supcon"),
        patience_s=0.0,
    ),
    Suite(
        "scaling",
        tuple(distillation(rows, 1000) for rows in ROWS),
        ("fused", "chunked", "eager", "compile"),
        patience_s=0.0,
    ),
)

# By how much a step takes longer when the rows double, at worst.
GROWTH = {"nt_xent": 4.0, "distillation": 2.0}

# Below, what a call costs whatever its size is a part of it that matters, and flattens the line.
FIT_FROM_MS = 5.0
FIT_FROM_MB = 50.0
CONFIDENCE = 0.95


class Point(NamedTuple):
    """A size and what it took."""

    rows: int
    value: float


@dataclass(frozen=True)
class Exponent:
    """p of value = c N^p.

    Attributes:
        value: Least squares of log value on log N.
        low: Lower end of the 95 % interval, from t.
        high: Its upper end.
        points: Those that counted, smallest first.
    """

    value: float
    low: float
    high: float
    points: tuple[Point, ...]


def fit(points: Iterable[Point], smallest: float) -> Exponent | None:
    """The exponent of a curve; None where fewer than 3 points count: a line has no spread then.

    Args:
        points: Sizes and values.
        smallest: Points with less are left out: fixed costs rule there.
    """
    counted = tuple(sorted(Point(*point) for point in points if point[1] >= smallest))
    if len(counted) < 3:
        return None
    line = stats.linregress(
        [math.log(point.rows) for point in counted], [math.log(point.value) for point in counted]
    )
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(counted) - 2)) * float(line.stderr)
    slope = float(line.slope)
    return Exponent(slope, slope - half, slope + half, counted)


def times_of(records: Sequence[Record]) -> list[Point]:
    """Median times of one provider's curve, in ms; sizes that were refused have none."""
    return [Point(_rows(r), r.median_ms) for r in records if r.median_ms is not None]


def peaks_of(records: Sequence[Record]) -> list[Point]:
    """Peak memory of one provider's curve above its inputs, in 10^6 bytes."""
    return [Point(_rows(r), r.peak_mb) for r in records if r.peak_mb is not None and r.peak_mb > 0]


def time_exponent(records: Sequence[Record]) -> Exponent | None:
    return fit(times_of(records), FIT_FROM_MS)


def memory_exponent(records: Sequence[Record]) -> Exponent | None:
    return fit(peaks_of(records), FIT_FROM_MB)


def _rows(record: Record) -> int:
    cell = record.cell
    if not isinstance(cell, LossCell):
        raise TypeError(f"scaling: {cell} has no rows")
    return cell.rows
