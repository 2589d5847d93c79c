"""What printed numbers admit, against the arithmetic done by hand."""

import pytest

from simclr_bench.paper.tables import TABLE_1, TABLE_2, TABLE_4
from simclr_bench.verdicts.printed import (
    BATCHES,
    Printed,
    column_decimals,
    common_meanings,
    read_printed,
)

FLOWERS = {**BATCHES, "a quarter of tf_flowers": 918, "tf_flowers": 3670}


def sizes(printed: Printed) -> list[int]:
    return [candidate.n for candidate in printed.candidates]


def counts(text: str, n: int, decimals: int | None = None) -> tuple[int, int]:
    (candidate,) = read_printed(text, {"it": n}, decimals).candidates
    return candidate.least, candidate.most


@pytest.mark.parametrize(
    ("text", "of_64", "of_32"),
    [("1.0", 64, 32), ("0.906", 58, 29), ("0.656", 42, 21), ("0.25", 16, 8), ("0.125", 8, 4)],
)
def test_table_4_is_one_batch(text: str, of_64: int, of_32: int) -> None:
    assert text in TABLE_4.scores.values()
    decimals = column_decimals(list(TABLE_4.scores.values()))
    assert decimals == 3
    assert counts(text, 64, decimals) == (of_64, of_64)
    assert counts(text, 32, decimals) == (of_32, of_32)


def test_table_1_is_no_batch() -> None:
    column = [read_printed(text, FLOWERS, 3) for text in TABLE_1.scores.values()]
    assert sizes(read_printed("0.841", FLOWERS)) == [918, 3670]
    assert common_meanings(column) == ("a quarter of tf_flowers", "tf_flowers")


def test_table_2_fits_one_batch_of_64_only_if_cut_off() -> None:
    for text, correct in zip(TABLE_2.scores.values(), (42, 46), strict=True):
        (candidate,) = read_printed(text, {"one batch of 64": 64}).candidates
        assert (candidate.least, candidate.most) == (correct, correct)
        assert ": is cut off to " in candidate.arithmetic


def test_a_size_that_is_excluded_says_why() -> None:
    printed = read_printed("0.841", {"one batch of 64": 64})
    assert not printed.candidates
    assert printed.excluded[0].arithmetic == (
        "53/64 = 0.828125 and 54/64 = 0.84375: neither rounds nor is cut off to 0.841"
    )


def test_a_size_that_is_admitted_says_why() -> None:
    (candidate,) = read_printed("0.906", {"one batch of 64": 64}).candidates
    assert candidate.arithmetic == "58/64 = 0.90625: rounds and is cut off to 0.906"


def test_trailing_zeros_decide_what_one_means() -> None:
    assert counts("1.0", 64) == (61, 64)  # 61/64 = 0.953 rounds to 1.0
    assert counts("1.0", 64, 3) == (64, 64)


def test_a_large_n_has_many_counts() -> None:
    # Rounded: 0.6495 n to 0.6505 n, 6495 to 6505; cut off: 6500 to 6509.
    assert counts("0.650", 10_000) == (6495, 6509)
    (candidate,) = read_printed("0.650", {"it": 10_000}).candidates
    assert candidate.interval[0] < 0.6495 - 0.009 and candidate.interval[1] > 0.6509 + 0.009


def test_a_tie_may_round_either_way() -> None:
    assert counts("0.12", 8) == (1, 1) == counts("0.13", 8)  # 1/8 = 0.125


def test_nothing_is_below_zero_or_above_one() -> None:
    assert counts("0.0", 4) == (0, 0)
    assert counts("1", 3) == (2, 3)


def test_an_interval_is_exact() -> None:
    (candidate,) = read_printed("0.906", {"one batch of 64": 64}).candidates
    assert candidate.interval == pytest.approx((0.807, 0.965), abs=5e-4)


def test_sizes_of_equal_n_are_one_candidate() -> None:
    printed = read_printed("0.5", {"dtd, training": 1880, "dtd, test": 1880})
    assert printed.candidates[0].meanings == ("dtd, training", "dtd, test")


@pytest.mark.parametrize("text", ["90.6", "-0.1", "1/2", "high", "nan"])
def test_what_is_no_accuracy_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="read_printed: an accuracy is a decimal fraction"):
        read_printed(text, BATCHES)


def test_impossible_readings_are_refused() -> None:
    with pytest.raises(ValueError, match="more than 2 decimals"):
        read_printed("0.906", BATCHES, 2)
    with pytest.raises(ValueError, match="'nothing' must have 1 example or more, got 0"):
        read_printed("0.906", {"nothing": 0})
