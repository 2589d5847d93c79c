"""The interval of a median, and which rounds count, by hand."""

import pytest

from benchmarks.records.ratios import median_interval, rounds_that_count


@pytest.mark.parametrize(
    ("n", "low", "high"),
    [
        (6, 1, 6),  # the extremes miss the median with 2/64: 3 %
        (8, 1, 8),  # without them, 2 (1 + 8)/256: 7 %
        (9, 2, 8),  # 2 (1 + 9)/512: 4 %
        (11, 2, 10),  # 2 (1 + 11)/2048: 1 %; the next ones 2 (1 + 11 + 55)/2048: 7 %
    ],
)
def test_the_interval_lies_between_the_order_statistics(n: int, low: int, high: int) -> None:
    values = [float(i) for i in range(n, 0, -1)]
    assert median_interval(values) == ((n + 1) / 2, low, high)


def test_five_values_have_no_interval() -> None:
    with pytest.raises(ValueError, match="needs 6 values, got 5"):
        median_interval([1.0] * 5)


def test_disturbed_rounds_are_discarded_when_seven_are_left() -> None:
    foreign = [0.0, 0.5, 0.06, 0.061, 0.0, 0.01, 0.02, 0.03, 0.0]
    assert rounds_that_count(foreign) == [0, 2, 4, 5, 6, 7, 8]


def test_too_few_undisturbed_rounds_leave_the_least_disturbed_in_order() -> None:
    foreign = [0.9, 0.2, 0.0, 0.3, 0.1, 0.8, 0.4, 0.7, 0.6]
    assert rounds_that_count(foreign) == [1, 2, 3, 4, 6, 7, 8]
