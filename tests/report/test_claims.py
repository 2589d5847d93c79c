"""Claims in the document: planted accuracies, verdicts by hand, and the paper's own numbers."""

from collections.abc import Callable
from typing import Any

import pytest

from simclr_bench.experiments.planning.jobs import Series
from simclr_bench.paper.spec import Above, Equal, Falling, Ordered
from simclr_bench.report.document.claims import restricted
from tests.report import invented

JSON = dict[str, Any]


@pytest.fixture(scope="module")
def document() -> JSON:
    return invented.document()


def claims(document: JSON) -> dict[str, JSON]:
    return {claim["id"]: claim for table in document["tables"] for claim in table["claims"]}


def words(claim: JSON) -> dict[tuple[str, str], str]:
    return {(each["measure"], each["where"]): each["verdict"] for each in claim["judgements"]}


def test_every_claim_of_the_paper_is_there(document: JSON) -> None:
    assert len(claims(document)) == 19
    for claim in claims(document).values():
        assert claim["testable"] == (claim["reason"] is None) == bool(claim["judgements"])
        assert claim["mechanism_check"]


def test_table_1_on_planted_accuracies(document: JSON) -> None:
    found = claims(document)
    expected = {
        "singles-equal": "holds",  # 0.75 each
        "pairs-beat-singles": "holds",  # 0.79 and more
        "all-is-best": "holds",
        "none-is-worst": "holds",
        "crop-color-is-best-pair": "fails",  # 0.79 against 0.80
    }
    for name, word in expected.items():
        assert words(found[name])["heldout", ""] == word, name
    assert set(words(found["all-is-best"])) == {
        (measure, "") for measure in ("heldout", "train_pass", "progressive", "as_published")
    }


def test_p_is_exact_and_corrected_by_holm(document: JSON) -> None:
    (judged,) = [
        each
        for each in claims(document)["all-is-best"]["judgements"]
        if each["measure"] == "heldout"
    ]
    # All eight differences have one sign: 2 / 2^8 for each direction. Five claims are judged on
    # these rows: three share this p, one has less and one has p = 1, so Holm takes it four times.
    assert judged["comparisons"][0]["p_holds"] == pytest.approx(2 / 256)
    assert judged["p_holds"] == pytest.approx(4 * 2 / 256)
    assert judged["test"] == "permutation of seeds, paired"
    assert len(judged["comparisons"]) == 6 and judged["rows"][0] == "All"


def test_the_order_of_table_4_is_judged_by_batch_size_and_measure(document: JSON) -> None:
    judgements = claims(document)["fewer-classes-higher-accuracy"]["judgements"]
    assert len(judgements) == 8
    for judged in judgements:
        assert judged["where"] in ("batch 64", "batch 32") and judged["verdict"] == "holds"
        assert judged["rows_p"] == pytest.approx(1 / 120)
        assert judged["trend_p"] < 1e-4 and judged["test"].startswith("Page trend")


def test_the_papers_own_numbers_are_judged_apart(document: JSON) -> None:
    found = claims(document)
    order = found["fewer-classes-higher-accuracy"]["paper"]
    assert order["verdict"] == "holds" and order["evidence"].startswith("enough only as")
    details = {each["meaning"]: each for each in order["details"]}
    assert not details["one batch of 64"]["enough"]
    assert ["cifar_100", "food_101"] in details["one batch of 64"]["short"]
    assert found["crop-color-is-best-pair"]["paper"]["verdict"] == "fails"
    assert found["singles-equal"]["paper"]["verdict"] == "holds"
    assert found["larger-batch-helps"]["paper"] == {
        "verdict": None,
        "evidence": "no accuracy that the paper prints decides it",
        "details": [],
    }


def test_batch_sizes_are_compared_at_equal_cost_each_way(document: JSON) -> None:
    found = words(claims(document)["larger-batch-helps"])
    assert {where: found["heldout", where] for _, where in found} == {
        "equal iterations": "holds",  # 0.02 on average
        "equal examples": "undecided",  # no difference at all
        "equal passes": "fails",  # 0.01 the other way
    }
    (judged,) = [
        each
        for each in claims(document)["larger-batch-helps"]["judgements"]
        if (each["measure"], each["where"]) == ("heldout", "equal iterations")
    ]
    (compared,) = judged["comparisons"]
    assert (compared["first"], compared["second"]) == ("batch 64", "batch 32")
    assert compared["difference"] == pytest.approx((0 + 0.01 + 0.02 + 0.03 + 0.04) / 5)


def test_the_gain_is_a_trend_over_the_number_of_classes(document: JSON) -> None:
    claim = claims(document)["many-classes-gain-more-from-batch"]
    assert words(claim)["heldout", "equal iterations"] == "holds"
    assert words(claim)["heldout", "equal examples"] == "undecided"
    judged = claim["judgements"][0]
    assert judged["rows"][0] == "food_101" and judged["test"] == "Page trend, paired"


def test_a_gain_that_falls_with_classes_fails() -> None:
    gains = (0.05, 0.04, 0.03, 0.02, 0.01)

    def mean(series: Series) -> float:
        if series.section == "batch size" and series.variant["batch_size"] == 32:
            place = list(invented.CLASSES).index(series.label)
            return invented.BY_DATASET[series.label] - gains[place]
        return invented.mean_of(series)

    found = words(claims(planted(mean, ["4"]))["many-classes-gain-more-from-batch"])
    assert found["heldout", "equal iterations"] == "fails"


def planted(mean: Callable[[Series], float], numbers: list[str]) -> JSON:
    plan = invented.plan(numbers)
    return invented.document(plan, invented.records_of(plan, mean))


def test_the_best_epoch_is_chosen_on_other_images(document: JSON) -> None:
    claim = claims(document)["best-epoch-beats-last"]
    assert words(claim) == {
        (f"{scored}_selected", student): "holds"
        for scored in ("label", "agreement")
        for student in ("VGG16", "ResNet50")
    }
    judged = claim["judgements"][0]
    assert judged["comparisons"][0]["difference"] == pytest.approx(0.005)
    assert judged["note"] == (
        "best epoch +0.005 over the last; chosen on the images that it is scored on, +0.020"
        " (optimistic)"
    )


def test_architectures_are_compared_on_every_measure(document: JSON) -> None:
    found = words(claims(document)["same-architecture-wins"])
    assert set(found.values()) == {"holds"} and len(found) == 6


def test_students_are_not_smaller_and_that_is_arithmetic(document: JSON) -> None:
    published, ours = claims(document)["student-is-smaller"]["judgements"]
    assert published["verdict"] == "fails" and published["test"] == "arithmetic, no test"
    assert published["note"] == (
        "teacher ResNet50: 25,557,032; student VGG16: 138,357,544; student ResNet50: 25,557,032"
    )
    # A teacher of 100 parameters; students of 500 + 10 and 90 + 10.
    assert ours["verdict"] == "fails" and ours["note"].endswith("student ResNet50: 100")
    assert published["p_holds"] is None and published["comparisons"] == []


def test_an_equal_number_of_parameters_is_not_smaller() -> None:
    plan = invented.plan(["2"], controls=False)
    some = tuple(each for each in plan.series if each.label == "ResNet50")
    document = invented.document(
        invented.Plan(profile="embedded", targets=plan.targets, series=some)
    )
    ours = claims(document)["student-is-smaller"]["judgements"][1]
    assert ours["note"] == "teacher ResNet50: 100; student ResNet50: 100"
    assert ours["verdict"] == "fails"


def test_claims_are_judged_on_the_rows_that_ran_and_name_those_that_did_not() -> None:
    plan = invented.plan(["4"], controls=False)
    some = tuple(each for each in plan.series if each.label in ("dtd", "food_101"))
    plan = invented.Plan(profile="embedded", targets=plan.targets, series=some)
    claim = claims(invented.document(plan))["fewer-classes-higher-accuracy"]
    assert claim["judgements"][0]["rows"] == ["dtd", "food_101"]
    assert claim["judgements"][0]["note"] == "without cats_vs_dogs, tf_flowers, cifar_100"
    assert claims(invented.document(plan))["larger-batch-helps"]["judgements"] == []


def test_other_batch_sizes_of_table_1_are_judged_apart() -> None:
    plan = invented.plan(["1"], controls=False)
    smaller = []
    for each in plan.series:
        settings = {**each.jobs[0].settings, "batch_size": 32}
        settings.pop("seed")
        smaller.append(invented.series("table 1", each.label, {}, "head", "tf_flowers", settings))
    plan = invented.Plan(profile="embedded", targets=plan.targets, series=(*plan.series, *smaller))
    found = words(claims(invented.document(plan))["all-is-best"])
    assert {where for _, where in found} == {"batch 64", "batch 32"}


def test_a_statement_without_its_rows_says_nothing() -> None:
    assert restricted(Above(("a",), ("b", "c")), ["a", "c"]) == Above(("a",), ("c",))
    assert restricted(Above(("a",), ("b",)), ["b"]) is None
    assert restricted(Ordered(("a", "b", "c")), ["c", "a"]) == Ordered(("a", "c"))
    assert restricted(Equal(("a", "b")), ["a"]) is None
    assert restricted(Falling(("a", "b", "c")), ["b", "c"]) == Falling(("b", "c"))


def test_few_seeds_decide_no_direction() -> None:
    plan = invented.plan(["4"], controls=False)
    records = invented.records_of(plan)
    few = {
        job.key: records[job.key]
        for each in plan.series
        for job in each.jobs
        if job.settings["seed"] < 5
    }
    found = words(claims(invented.document(plan, few))["fewer-classes-higher-accuracy"])
    assert set(found.values()) == {"undecided"}
