"""Cell verdicts in the document: every word planted, and when nothing may be compared."""

from typing import Any

import pytest

from simclr_bench.paper.official import ARCHIVES, Official
from simclr_bench.paper.spec import Distillation
from simclr_bench.paper.tables import TABLES
from simclr_bench.report.document.cells import cell_verdict, read_column
from simclr_bench.report.document.measured import Measured, measured_series
from tests.report import invented, official

OFFICIAL = Official(checkpoints={"r50_1x_sk0": official.WEIGHTS})


def verdicts(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    (table,) = document["tables"]
    return {row["label"]: row["verdict"] for row in table["rows"]}


def test_each_word_is_planted() -> None:
    found = verdicts(official.document())
    assert {label: verdict["word"] for label, verdict in found.items()} == {
        "cats_vs_dogs": "equivalent",
        "tf_flowers": "different",
        "dtd": "inconclusive",
        "cifar_100": "consistent",
        "food_101": "equivalent",
    }
    assert found["dtd"]["text"].startswith("inconclusive (power ")
    assert found["tf_flowers"]["text"] == "different" and found["tf_flowers"]["reason"] == ""
    for verdict in found.values():
        assert verdict["measure"] == "as_published" and verdict["margin"] == 0.27


def test_the_numbers_shown_are_the_weakest_candidates() -> None:
    verdict = verdicts(official.document())["cifar_100"]
    weakest = next(each for each in verdict["candidates"] if each["word"] == verdict["word"])
    for name in ("difference", "prediction", "power", "seeds_needed", "n_needed"):
        assert verdict[name] == weakest[name]
    # Ours is 28/64 = 0.4375 in every seed, theirs 8/32 = 0.25.
    assert weakest["n"] == 32
    low, high = verdict["difference"]
    assert low < 0.4375 - 0.25 < high


def test_other_data_or_weights_are_not_comparable() -> None:
    plan = official.plan()
    records = official.records_of(plan)
    profile = official.PROFILE
    other = Official(checkpoints={"another": "v"})
    found = verdicts(invented.document(plan, records, profile, official=other))
    assert {each["text"] for each in found.values()} == {
        "not comparable: the weights are not an official checkpoint"
    }
    swapped = Official(
        archives={**ARCHIVES, "dtd": ARCHIVES["food_101"]}, checkpoints=OFFICIAL.checkpoints
    )
    found = verdicts(invented.document(plan, records, profile, official=swapped))
    assert found["dtd"]["text"] == "not comparable: the data are not the official archive of dtd"
    assert found["food_101"]["word"] != "not comparable"
    assert found["dtd"]["candidates"] == [] and found["dtd"]["power"] is None
    # As shipped, no hash is official.
    found = verdicts(invented.document(plan, records, profile))
    assert all("not an official checkpoint" in each["reason"] for each in found.values())


def test_what_was_fetched_from_its_publisher_is_judged() -> None:
    fetched = "https://storage.googleapis.com/simclr-checkpoints/simclrv2/x/model.ckpt-751"
    plan = official.plan(encoder_origin=fetched, data_origin="official archive")
    found = verdicts(
        invented.document(plan, official.records_of(plan), official.PROFILE, margin=official.MARGIN)
    )
    assert found == verdicts(official.document())
    for changed, said in (
        ({"encoder_origin": "random"}, "(they are random)"),
        ({"data_origin": "unofficial archive, its counts differ"}, "its counts differ)"),
    ):
        given = {"encoder_origin": fetched, "data_origin": "official archive", **changed}
        plan = official.plan(**given)
        document = invented.document(plan, official.records_of(plan), official.PROFILE)
        for verdict in verdicts(document).values():
            assert verdict["word"] == "not comparable" and said in verdict["reason"]


def test_what_the_paper_states_otherwise_is_not_comparable() -> None:
    for changes, reason in (
        ({"iterations": 60}, "iterations is 60, and 30 in the paper"),
        ({"learning_rate": 0.2}, "learning_rate is 0.2, and 0.1 in the paper"),
        ({"augment": ["crop"]}, "augment is ['crop'], and ['crop', 'flip'] in the paper"),
        ({"class_count": 2}, "class_count is 2, and None in the paper"),
    ):
        plan = official.plan(changes=changes)
        document = invented.document(
            plan, official.records_of(plan), official.PROFILE, official=OFFICIAL
        )
        for verdict in verdicts(document).values():
            assert verdict["text"] == f"not comparable: {reason}"


def test_what_the_paper_leaves_open_is_judged() -> None:
    plan = official.plan(changes={"momentum": 0.0, "framing": "whole", "color_strength": 1.0})
    document = invented.document(
        plan,
        official.records_of(plan),
        official.PROFILE,
        margin=official.MARGIN,
        official=OFFICIAL,
    )
    assert verdicts(document) == verdicts(official.document())


def test_embedded_cells_are_never_comparable() -> None:
    document = invented.document()
    printed = [row for table in document["tables"] for row in table["rows"] if row["verdict"]]
    assert len(printed) == 7 + 2 + 5
    assert {row["verdict"]["text"] for row in printed} == {
        "not comparable: embedded stand-ins, not the paper's data or weights"
    }


OFFICIAL_INPUTS = {"code": "c", "encoder": official.WEIGHTS, "data": ARCHIVES["tf_flowers"][0]}


def student(agreement_best: float, label_best: float) -> Measured:
    experiment = TABLES["2"].experiment("ResNet50")
    assert isinstance(experiment, Distillation)
    series = invented.series(
        "table 2",
        "ResNet50",
        {"learns_from": "teacher"},
        "student",
        "tf_flowers",
        invented.student_settings(experiment),
        profile="official",
        inputs=OFFICIAL_INPUTS,
    )
    records = {job.key: invented.record(job, 0.5) for job in series.jobs}
    for record in records.values():
        record.metrics["agreement_best"] = invented.fraction(agreement_best, 1000)
        record.metrics["label_best"] = invented.fraction(label_best, 1000)
    (found,) = measured_series([series], records)
    return found


@pytest.mark.parametrize(
    ("agreement", "label", "measure", "title"),
    [
        (0.71, 0.10, "agreement_best", "agreement, best"),  # 0.71 is printed
        (0.10, 0.71, "label_best", "label accuracy, best"),
    ],
)
def test_the_weakest_of_the_measures_is_shown(
    agreement: float, label: float, measure: str, title: str
) -> None:
    both = Official(checkpoints={"r50": official.WEIGHTS, "base": "b"})
    printed = read_column(TABLES["2"])["ResNet50"]
    verdict = cell_verdict("2", student(agreement, label), printed, 0.05, both)
    assert (verdict["word"], verdict["measure"]) == ("inconclusive", measure)
    assert verdict["text"].endswith(f", on {title}")
    different = cell_verdict("2", student(0.1, 0.1), printed, 0.05, both)
    assert different["word"] == "different"


def test_a_students_base_has_to_be_official_too() -> None:
    printed = read_column(TABLES["2"])["ResNet50"]
    verdict = cell_verdict("2", student(0.7, 0.7), printed, 0.05, OFFICIAL)
    assert verdict["word"] == "not comparable"


@pytest.mark.parametrize(("number", "decimals"), [("1", 3), ("2", 2), ("4", 3)])
def test_a_column_is_read_with_its_most_decimals(number: str, decimals: int) -> None:
    column = read_column(TABLES[number])
    assert set(column) == set(TABLES[number].rows)
    assert {printed.decimals for printed in column.values()} == {decimals}
    assert all(printed.candidates for printed in column.values())
