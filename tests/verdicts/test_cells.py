"""The verdict of a cell: each word planted, the rule by hand, and what would settle a cell."""

from typing import Any

import numpy as np
import pytest

from simclr_bench.verdicts.cells import (
    Ours,
    decide,
    is_different,
    judge_cell,
    power,
    prediction_ends,
)
from simclr_bench.verdicts.intervals import Seeds
from simclr_bench.verdicts.printed import read_printed

SIZES = {"one batch of 64": 64}


def ours(*accuracies: float | None, n: int = 20_000, shared: bool = True) -> Ours:
    return Ours(seeds=tuple(range(len(accuracies))), accuracies=accuracies, n=n, shared=shared)


def around(mean: float, step: float = 0.001, **options: Any) -> Ours:
    """Eight seeds: four above the mean and four below."""
    return ours(*(mean + step * side for side in (1, -1) * 4), **options)


PLANTED = {
    "different": (around(0.5), "0.906", {"one batch of 64": 64}),
    "equivalent": (around(0.905), "0.906", {"a test set": 20_000}),
    "consistent": (around(0.5275), "0.500", {"a test set": 1000}),
    "inconclusive": (around(0.85), "0.906", {"one batch of 64": 64}),
}


@pytest.mark.parametrize("word", PLANTED)
def test_the_four_words(word: str) -> None:
    mine, text, sizes = PLANTED[word]
    verdict = judge_cell(mine, read_printed(text, sizes))
    assert verdict.word == word
    assert str(verdict).startswith(word)
    (candidate,) = verdict.candidates
    assert candidate.word == word and verdict.weakest is candidate
    low, high = candidate.difference
    assert (word == "different") == (not low <= 0 <= high)
    assert candidate.power >= 0.8 or word in ("different", "inconclusive")


def test_other_data_or_weights_have_no_verdict() -> None:
    mine, text, sizes = PLANTED["different"]
    reasons = ["the data are not the official ones", "the weights are not the official ones"]
    verdict = judge_cell(mine, read_printed(text, sizes), obstacles=reasons)
    assert verdict.word == "not comparable" and not verdict.candidates
    assert str(verdict) == (
        "not comparable: the data are not the official ones; the weights are not the official ones"
    )


def test_a_number_that_no_size_prints_has_no_verdict() -> None:
    verdict = judge_cell(around(0.84), read_printed("0.841", SIZES))
    assert str(verdict) == "not comparable: none of the sizes considered prints 0.841"


def test_the_weakest_candidate_is_shown() -> None:
    sizes = {"one batch of 64": 64, "a test set": 20_000}
    verdict = judge_cell(around(0.86), read_printed("0.906", sizes))
    assert [candidate.word for candidate in verdict.candidates] == ["inconclusive", "different"]
    assert verdict.word == "inconclusive" and verdict.weakest is verdict.candidates[0]


def test_of_equal_words_the_least_power_is_shown() -> None:
    sizes = {"one batch of 32": 32, "one batch of 64": 64}
    verdict = judge_cell(around(0.85), read_printed("0.906", sizes))
    assert verdict.weakest is not None and verdict.weakest.candidate.n == 32


def test_a_printed_number_of_one_batch_cannot_be_settled_by_seeds() -> None:
    verdict = judge_cell(around(0.85), read_printed("0.906", SIZES))
    assert verdict.weakest is not None and verdict.weakest.seeds_needed is None
    n = verdict.weakest.n_needed
    assert n is not None and f"no number of seeds would settle it, a printed n of {n} would" in str(
        verdict
    )
    summary = around(0.85).summary
    assert power(summary, n) >= 0.8 > power(summary, n - 1)


def test_a_few_seeds_that_differ_can_be_settled_by_more() -> None:
    mine = ours(0.50, 0.53, 0.515)
    verdict = judge_cell(mine, read_printed("0.500", {"a test set": 20_000}))
    assert verdict.word == "inconclusive" and verdict.weakest is not None
    seeds = verdict.weakest.seeds_needed
    assert seeds is not None and seeds > 3 and f"{seeds} seeds would settle it" in str(verdict)
    spread = mine.summary.deviation
    with_seeds = [Seeds(mine.mean, spread, m, 20_000, True) for m in (seeds - 1, seeds)]
    assert power(with_seeds[0], 20_000) < 0.8 <= power(with_seeds[1], 20_000)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("mean", [0.02, 0.5, 0.97])
def test_different_is_outside_the_prediction_interval(mean: float, shared: bool) -> None:
    summary = Seeds(mean, 0.01, 4, 200, shared)
    low, high = prediction_ends(summary, 64)
    counts = np.arange(65)
    outside = (counts / 64 < low) | (counts / 64 > high)
    assert (is_different(summary, counts, counts, 64) == outside).all()
    assert not outside.all()


def test_all_counts_that_print_the_number_must_be_outside() -> None:
    summary = Seeds(0.5, 0.0, 4, 10**9, shared=True)
    _, high = prediction_ends(summary, 100)
    last = round(high * 100)
    assert not is_different(summary, last, last + 9, 100)
    assert is_different(summary, last + 1, last + 9, 100)


@pytest.mark.parametrize(("seeds", "shared"), [(3, True), (8, True), (8, False), (20, False)])
def test_the_power_is_how_often_a_difference_is_seen(seeds: int, shared: bool) -> None:
    rng = np.random.default_rng(1)
    draws, n, runs = 4000, 1500, 0.01
    values = rng.normal(0.7, runs, (draws, seeds))
    if shared:  # one error of the examples for all seeds
        values += rng.binomial(n, 0.7, (draws, 1)) / n - 0.7
    else:
        values = rng.binomial(n, values) / n
    mine = Seeds(values.mean(axis=1), values.std(axis=1, ddof=1), seeds, n, shared)
    theirs = rng.binomial(1000, rng.normal(0.7 - 0.08, runs, draws))
    seen = is_different(mine, theirs, theirs, 1000).mean()
    assert np.mean(power(mine, 1000, 0.08)) == pytest.approx(seen, abs=0.05)


def test_a_direction_that_leaves_the_unit_interval_does_not_count() -> None:
    summary = Seeds(0.999, 0.0, 8, 20_000, shared=True)
    assert power(summary, 3670) > 0.99


def test_failed_seeds_are_in_the_mean_and_shown() -> None:
    mine = ours(0.8, None, 0.8, 0.8)
    assert mine.failed == 1
    assert mine.mean == pytest.approx(0.6)
    low, high = mine.interval
    assert low < 0.2 and high == 1.0


def test_decide_takes_arrays() -> None:
    summary = Seeds(np.array([0.5, 0.905]), np.array([0.001, 0.001]), 8, 20_000, True)
    assert decide(summary, [58, 18_120], [58, 18_120], [64, 20_000]).tolist() == [0, 1]


@pytest.mark.parametrize("margin", [0, -0.1, 0.6])
def test_a_margin_that_means_nothing_is_refused(margin: float) -> None:
    with pytest.raises(ValueError, match="the margin must be above 0 and at most 0"):
        judge_cell(around(0.5), read_printed("0.5", SIZES), margin=margin)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seeds": (0,), "accuracies": (0.5,)}, "two seeds or more are needed, got 1"),
        ({"seeds": (0, 0)}, "one accuracy for each of"),
        ({"seeds": (0, 1, 2)}, "one accuracy for each of"),
        ({"n": 0}, "n must be 1 or more, got 0"),
        ({"accuracies": (50.0, 0.5)}, "an accuracy is a fraction, got 50.0"),
        ({"accuracies": (float("nan"), 0.5)}, "an accuracy is a fraction, got nan"),
    ],
)
def test_bad_measurements_are_refused(change: dict[str, Any], message: str) -> None:
    options = {"seeds": (0, 1), "accuracies": (0.5, 0.6), "n": 10, "shared": True}
    with pytest.raises(ValueError, match=message):
        Ours(**(options | change))
