"""Numbers as text, and the bound on errors of each precision class."""

import math

import pytest

from benchmarks.grid.cells import LossCell
from benchmarks.page import words
from tests.benchmarks.invented import record


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0352, "0.0352"),
        (3.0, "3.00"),
        (19.57, "19.6"),
        (930.9, "931"),
        (999.6, "1000"),
        (12345.6, "12346"),
        (None, ""),
    ],
)
def test_a_number_has_three_digits(value: float | None, text: str) -> None:
    assert words.number(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(7.2e-8, "7e-8"), (0.31, "3e-1"), (1.2, "1e0"), (math.nan, "nan")]
)
def test_an_error_has_one_digit(value: float, text: str) -> None:
    assert words.exponent(value) == text


@pytest.mark.parametrize(("share", "text"), [(1.95, "195 %"), (0.414, "41 %"), (0.0023, "0.2 %")])
def test_a_share_is_never_rounded_to_nothing(share: float, text: str) -> None:
    assert words.percent(share) == text


@pytest.mark.parametrize(
    ("dtype", "precision", "own", "bound"),
    [
        ("float32", "highest", "float32", 1e-3),
        ("float32", "high", "float32", 5e-2),
        ("bfloat16", "highest", "bfloat16", 5e-2),
        ("float16", "highest", "float16", 5e-2),
        ("bfloat16", "highest", "float32", 1e-3),  # computes in more than the inputs have
    ],
)
def test_an_error_is_wrong_beyond_its_precision_class(
    dtype: str, precision: str, own: str, bound: float
) -> None:
    cell = LossCell("nt_xent", 256, 128, dtype, precision=precision)
    at, above = (
        record("eager", cell, precision=own, gradient_error=factor * bound) for factor in (1, 1.01)
    )
    assert not words.is_wrong(at) and words.is_wrong(above)
    assert words.gradient_error(above).startswith("**✗ ")


def test_an_error_that_is_no_number_is_wrong_and_none_is_not() -> None:
    assert words.gradient_error(record("eager", gradient_error=math.nan)) == "**✗ nan**"
    assert words.gradient_error(record("eager")) == ""


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        ("not installed (No module named 'x'): pip install x", "not installed"),
        ("absent (No module named 'x'): pip install x", "not installed"),
        ("failed: TypeError: x", "failed"),
        ("out of memory", "out of memory"),
        ("refused: out of memory", "refused"),
        ("runs up to 256 rows", "not run"),
        (None, ""),
    ],
)
def test_what_has_no_time_says_why_in_a_word(reason: str | None, text: str) -> None:
    assert words.missing(record("eager", not_run=reason)) == text
