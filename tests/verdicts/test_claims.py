"""Claims on planted measurements, p values by hand, and the paper's own evidence."""

import pytest

from simclr_bench.paper.spec import Above, Claim, Equal, Falling, Ordered, Statement
from simclr_bench.paper.tables import TABLE_1, TABLE_4
from simclr_bench.verdicts.cells import Ours
from simclr_bench.verdicts.claims import (
    Differences,
    PaperEvidence,
    describe_evidence,
    judge_claims,
    paper_evidence,
)
from simclr_bench.verdicts.printed import BATCHES, Printed, read_printed

NOISE = (0.000, 0.004, -0.003, 0.002, -0.004, 0.001, 0.003, -0.002)


def row(mean: float, *, seeds: int = 8, first: int = 0, turn: int = 0) -> Ours:
    """Seeds around a mean; `turn` gives rows noise of their own."""
    values = tuple(mean + NOISE[(i * (1 + 2 * turn) + turn) % 8] for i in range(seeds))
    return Ours(seeds=tuple(range(first, first + seeds)), accuracies=values, n=20_000, shared=True)


def rows(**means: float) -> dict[str, Ours]:
    return {label: row(mean, turn=turn) for turn, (label, mean) in enumerate(means.items())}


def read(table_4: bool = True) -> dict[str, Printed]:
    table, sizes = (TABLE_4, BATCHES) if table_4 else (TABLE_1, {"tf_flowers": 3670})
    return {label: read_printed(text, sizes, 3) for label, text in table.scores.items()}


def statement_of(claims: tuple[Claim, ...], name: str) -> Statement:
    found = next(claim.statement for claim in claims if claim.id == name)
    assert isinstance(found, Above | Equal | Ordered)
    return found


def test_every_one_above_every_other_holds() -> None:
    measured = rows(a=0.9, b=0.88, c=0.8, d=0.7)
    verdict = judge_claims({"it": Above(("a", "b"), ("c", "d"))}, measured)["it"]
    assert verdict.word == "holds"
    assert verdict.test == "permutation of seeds, paired"
    assert len(verdict.comparisons) == 4
    # All eight differences are positive: 2 of 2^8 assignments of signs, both directions counted.
    assert verdict.p_holds == pytest.approx(2 / 256)
    assert verdict.trend_p is None and verdict.rows_p is None


def test_one_comparison_the_other_way_makes_it_fail() -> None:
    verdict = judge_claims({"it": Above(("a", "b"), ("c",))}, rows(a=0.9, b=0.7, c=0.8))["it"]
    assert verdict.word == "fails"
    assert verdict.p_holds == 1
    # b under c in every seed; with all signs changed, a under c is as far. Both directions counted.
    assert verdict.p_fails == pytest.approx(2 * 2 / 256)


@pytest.mark.parametrize(
    "claim", [Above(("z",), tuple("abcdef")), Above(tuple("zab"), tuple("cde"))]
)
def test_what_every_seed_is_against_fails_however_many_the_comparisons(claim: Above) -> None:
    measured = rows(z=0.5, a=0.52, b=0.54, c=0.6, d=0.62, e=0.64, f=0.66)
    verdict = judge_claims({"it": claim}, measured)["it"]
    # Only the signs as they are put every seed against it: by Bonferroni it was 0.047 and 0.070.
    assert verdict.p_fails == pytest.approx(2 / 256) and verdict.word == "fails"


def test_unpaired_comparisons_are_corrected_by_bonferroni() -> None:
    measured = {"a": row(0.7), "b": row(0.7, first=8), "c": row(0.8, first=16)}
    verdict = judge_claims({"it": Above(("a", "b"), ("c",))}, measured)["it"]
    assert verdict.p_fails == pytest.approx(2 * 2 / 12_870)


def test_rows_that_do_not_differ_decide_nothing() -> None:
    verdict = judge_claims({"it": Above(("a",), ("b",))}, rows(a=0.8, b=0.8))["it"]
    assert verdict.word == "undecided"


def test_five_seeds_cannot_decide_a_direction() -> None:
    measured = {"a": row(0.9, seeds=5), "b": row(0.5, seeds=5)}
    verdict = judge_claims({"it": Above(("a",), ("b",))}, measured)["it"]
    assert verdict.word == "undecided" and verdict.p_holds == pytest.approx(2 / 32)


def test_other_seeds_are_not_paired() -> None:
    measured = {"a": row(0.9), "b": row(0.5, first=8)}
    verdict = judge_claims({"it": Above(("a",), ("b",))}, measured)["it"]
    assert verdict.test == "permutation of seeds, unpaired"
    assert verdict.p_holds == pytest.approx(2 / 12_870)  # C(16, 8)


def test_an_order_needs_the_trend_and_every_step() -> None:
    order = Ordered(("a", "b", "c", "d", "e"))
    verdict = judge_claims({"it": order}, rows(a=0.9, b=0.8, c=0.7, d=0.6, e=0.5))["it"]
    assert verdict.word == "holds"
    assert verdict.test == "Page trend, and each step: permutation of seeds, paired"
    assert verdict.trend_p is not None and verdict.trend_p < 1e-6
    assert verdict.p_holds == pytest.approx(2 / 256)
    assert [(c.first, c.second) for c in verdict.comparisons] == [
        ("a", "b"),
        ("b", "c"),
        ("c", "d"),
        ("d", "e"),
    ]
    # However many seeds: five rows in order have 1/120.
    assert verdict.rows_p == pytest.approx(1 / 120)


def test_a_trend_with_two_equal_rows_is_no_order() -> None:
    order = Ordered(("a", "b", "c", "d", "e"))
    verdict = judge_claims({"it": order}, rows(a=0.9, b=0.8, c=0.7, d=0.6, e=0.6))["it"]
    assert verdict.trend_p is not None and verdict.trend_p < 1e-6
    assert verdict.word == "undecided"


def test_a_trend_with_one_step_up_fails() -> None:
    order = Ordered(("a", "b", "c", "d", "e"))
    verdict = judge_claims({"it": order}, rows(a=0.9, b=0.8, c=0.7, d=0.5, e=0.6))["it"]
    assert verdict.word == "fails"
    assert verdict.rows_p == pytest.approx(5 / 120)


def test_an_order_of_unpaired_rows_is_jonckheeres() -> None:
    measured = {"a": row(0.9), "b": row(0.8, first=8), "c": row(0.7, first=16)}
    verdict = judge_claims({"it": Ordered(("a", "b", "c"))}, measured)["it"]
    assert verdict.word == "holds"
    assert verdict.test.startswith("Jonckheere-Terpstra trend")


def test_rows_within_the_margin_are_equal_and_rows_beyond_are_not() -> None:
    equal = {"it": Equal(("a", "b", "c"))}
    assert judge_claims(equal, rows(a=0.80, b=0.81, c=0.82))["it"].word == "holds"
    assert judge_claims(equal, rows(a=0.80, b=0.81, c=0.90))["it"].word == "fails"
    assert judge_claims(equal, rows(a=0.80, b=0.81, c=0.851))["it"].word == "undecided"
    assert judge_claims(equal, rows(a=0.80, b=0.81, c=0.90), margin=0.2)["it"].word == "holds"


@pytest.mark.parametrize("first", [0, 8])
def test_two_batches_that_agree_by_luck_are_not_equal(first: int) -> None:
    measured = {
        label: Ours(seeds=seeds, accuracies=(0.5, 0.5), n=64, shared=False)
        for label, seeds in (("a", (0, 1)), ("b", (first, first + 1)))
    }
    assert judge_claims({"it": Equal(("a", "b"))}, measured)["it"].word == "undecided"


def test_a_table_of_many_claims_asks_more_of_each() -> None:
    measured = rows(a=0.9, b=0.8)
    claim = Above(("a",), ("b",))
    alone = judge_claims({"0": claim}, measured)["0"]
    among = judge_claims({str(i): claim for i in range(7)}, measured)["0"]
    assert (alone.word, among.word) == ("holds", "undecided")
    assert among.p_holds == pytest.approx(7 * alone.p_holds)


def test_a_failed_seed_can_cost_a_claim() -> None:
    upper = Ours(seeds=tuple(range(8)), accuracies=(0.9,) * 7 + (None,), n=20_000, shared=True)
    verdict = judge_claims({"it": Above(("a",), ("b",))}, {"a": upper, "b": row(0.8)})["it"]
    assert verdict.word == "undecided"
    assert verdict.comparisons[0].difference == pytest.approx(0.9 * 7 / 8 - row(0.8).mean)


def gains(*means: float) -> dict[str, Differences]:
    return {
        name: Differences(
            seeds=tuple(range(8)), values=tuple(mean + NOISE[(i + turn) % 8] for i in range(8))
        )
        for turn, (name, mean) in enumerate(zip("abc", means, strict=True))
    }


def test_a_trend_needs_no_single_step() -> None:
    # The step from b to c goes the other way; over the seeds, the three still fall.
    measured = gains(0.05, -0.021, -0.02)
    verdict = judge_claims({"it": Falling(("a", "b", "c"))}, measured)["it"]
    assert verdict.test == "Page trend, paired" and verdict.word == "holds"
    assert verdict.trend_p == verdict.p_holds < 0.05
    steps = judge_claims({"it": Ordered(("a", "b", "c"))}, measured)["it"]
    assert steps.word != "holds"


def test_a_trend_the_other_way_fails_and_flat_differences_decide_nothing() -> None:
    assert judge_claims({"it": Falling(("c", "b", "a"))}, gains(0.05, 0.0, -0.05))["it"].word == (
        "fails"
    )
    flat = {name: Differences(seeds=(0, 1, 2), values=(0.0,) * 3) for name in "abc"}
    assert judge_claims({"it": Falling(("a", "b", "c"))}, flat)["it"].word == "undecided"


def test_a_trend_over_two_rows_is_their_one_step() -> None:
    verdict = judge_claims({"it": Falling(("a", "b"))}, rows(a=0.9, b=0.8))["it"]
    assert verdict.trend_p is None and verdict.p_holds == pytest.approx(2 / 256)


def test_a_row_that_was_not_measured_is_named() -> None:
    with pytest.raises(ValueError, match=r"judge_claims: it: nothing measured for \['b'\]"):
        judge_claims({"it": Above(("a",), ("b",))}, rows(a=0.9))


def test_the_papers_last_step_was_not_enough_evidence() -> None:
    order = statement_of(TABLE_4.claims, "fewer-classes-higher-accuracy")
    evidence = {each.meaning: each for each in paper_evidence(order, read())}
    assert set(evidence) == set(BATCHES)
    # Fisher's exact p of 16/64 against 8/64 is 0.11.
    assert ("cifar_100", "food_101") in evidence["one batch of 64"].short
    assert ("tf_flowers", "dtd") not in evidence["one batch of 64"].short
    assert evidence["one batch of 256"].enough
    assert describe_evidence(tuple(evidence.values())).startswith("enough only as one batch of 1")


def test_the_papers_singles_are_equal_if_scored_on_all_of_flowers() -> None:
    equal = statement_of(TABLE_1.claims, "singles-equal")
    (evidence,) = paper_evidence(equal, read(table_4=False))
    assert evidence.enough
    assert describe_evidence([evidence]) == "enough"
    (evidence,) = paper_evidence(equal, read(table_4=False), margin=0.01)
    assert len(evidence.short) == 3


def test_the_papers_own_table_is_against_its_best_pair() -> None:
    best = statement_of(TABLE_1.claims, "crop-color-is-best-pair")
    (evidence,) = paper_evidence(best, read(table_4=False))
    assert evidence == PaperEvidence(
        meaning="tf_flowers",
        enough=False,
        short=(("Cropping + Color distortion", "Flipping + Cropping"),),
    )
    assert describe_evidence([evidence]) == "not enough"


def test_numbers_that_no_reading_prints_are_no_evidence() -> None:
    equal = statement_of(TABLE_1.claims, "singles-equal")
    printed = {label: read_printed(text, BATCHES, 3) for label, text in TABLE_1.scores.items()}
    assert describe_evidence(paper_evidence(equal, printed)) == "unknown: no reading fits all rows"
