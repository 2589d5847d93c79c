"""The exponent of a curve that is known, and which points count."""

import math
import random
from itertools import pairwise

import pytest

from benchmarks.grid.losses import nt_xent
from benchmarks.grid.scaling import (
    FIT_FROM_MB,
    FIT_FROM_MS,
    SCALING,
    Point,
    fit,
    memory_exponent,
    time_exponent,
)
from benchmarks.providers.everyone import PROVIDERS
from tests.benchmarks.invented import record

ROWS = [2**k for k in range(8, 16)]


def test_a_power_has_its_exponent_and_no_spread() -> None:
    found = fit([Point(n, 1e-6 * n**2) for n in ROWS], smallest=0.0)
    assert found is not None and len(found.points) == len(ROWS)
    assert (found.value, found.low, found.high) == pytest.approx((2.0, 2.0, 2.0))


def test_n_log_n_lies_a_little_above_one() -> None:
    found = fit([Point(n, n * math.log(n)) for n in ROWS], smallest=0.0)
    assert found is not None and 1.05 < found.low < found.value < found.high < 1.2


def test_the_interval_is_that_of_the_textbook() -> None:
    """Four points one doubling apart, y = 0, 2, 3, 5 doublings: slope 1.6, s^2 = 0.2 / 2,
    standard error sqrt(0.1 / 5), t(0.975, 2) = 4.302653."""
    found = fit([Point(2**k, 2.0**y) for k, y in enumerate((0, 2, 3, 5))], smallest=0.0)
    half = 4.302653 * math.sqrt(0.1 / 5)
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((1.6, 1.6 - half, 1.6 + half))


def test_the_interval_holds_the_exponent_as_often_as_it_says() -> None:
    noise = random.Random(0)
    held = 0
    for _ in range(400):
        found = fit([Point(n, n**2 * math.exp(noise.gauss(0, 0.1))) for n in ROWS], smallest=0.0)
        assert found is not None
        held += found.low <= 2 <= found.high
    assert 0.92 < held / 400 < 0.98


def test_what_fixed_costs_rule_is_left_out() -> None:
    curve = [Point(n, 1.0 + 1e-6 * n**2) for n in ROWS]
    all_of_it, large = fit(curve, smallest=0.0), fit(curve, smallest=50.0)
    assert all_of_it is not None and large is not None
    assert all_of_it.value < 1.8 < 1.95 < large.value
    assert [point.rows for point in large.points] == [8192, 16384, 32768]


def test_two_points_are_no_fit() -> None:
    assert fit([Point(1, 1.0), Point(2, 2.0), Point(4, 0.5)], smallest=1.0) is None


def test_a_curve_is_read_from_its_records_and_refusals_are_no_points() -> None:
    records = [
        record(
            "eager",
            nt_xent(n, 128),
            suite="scaling",
            times_ms=(9.0, FIT_FROM_MS * (n / 1024) ** 2, 0.0),
            peak_mb=FIT_FROM_MB * (n / 1024) ** 3,
        )
        for n in (512, 1024, 2048, 4096, 8192)
    ]
    refused = record(
        "eager", nt_xent(16384, 128), suite="scaling", not_run="refused: out of memory"
    )
    time, memory = time_exponent([*records, refused]), memory_exponent([*records, refused])
    assert time is not None and memory is not None
    assert [point.rows for point in time.points] == [1024, 2048, 4096, 8192]
    assert [point.rows for point in memory.points] == [1024, 2048, 4096, 8192]
    assert memory.value == pytest.approx(3.0)


def test_every_provider_of_a_curve_has_its_loss_and_runs_on_both_devices() -> None:
    for suite in SCALING:
        for name in suite.providers:
            assert suite.work in PROVIDERS[name].builders
            assert {"cpu", "cuda"} <= {*PROVIDERS[name].devices}


def test_sizes_are_doublings_smallest_first() -> None:
    for suite in SCALING:
        rows = [cell.rows for cell in suite.cells]  # type: ignore[union-attr]
        assert rows[0] == 256 and all(b == 2 * a for a, b in pairwise(rows))
