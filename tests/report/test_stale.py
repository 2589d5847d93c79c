"""Stale rows: shown with their old numbers, and nothing is concluded from them."""

import io
import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from rich.console import Console

from simclr_bench.experiments.planning.jobs import Plan, Series
from simclr_bench.experiments.profiles import FOLDER
from simclr_bench.report.delimited import render_csv
from simclr_bench.report.html import render_html
from simclr_bench.report.latex import render_latex
from simclr_bench.report.markdown import render_markdown
from simclr_bench.report.reading import claim_word
from simclr_bench.report.terminal import TerminalReport
from tests.report import invented, official
from tests.report.test_schema import SCHEMA

JSON = dict[str, Any]
PLAN = invented.plan()


def stale(section: str, label: str, **variant: Any) -> JSON:
    """The entry of one series of the plan."""
    (series,) = [
        each
        for each in PLAN.series
        if (each.section, each.label, each.variant) == (section, label, variant)
    ]
    return entry(series)


def entry(series: Series) -> JSON:
    return {
        "section": series.section,
        "label": series.label,
        "variant": series.variant,
        "seeds": [job.seed for job in series.jobs],
        "reason": "other code",
    }


def document(*entries: JSON) -> JSON:
    found = invented.document(PLAN, stale=entries)
    Draft202012Validator(SCHEMA).validate(found)
    return found


@pytest.fixture(scope="module")
def whole() -> JSON:
    return document()


def rows(found: JSON, number: str) -> list[JSON]:
    (table,) = [each for each in found["tables"] if each["id"] == number]
    return list(table["rows"])


def claims(found: JSON) -> dict[str, JSON]:
    return {claim["id"]: claim for table in found["tables"] for claim in table["claims"]}


def places(claim: JSON) -> set[str]:
    return {each["where"] for each in claim["judgements"]}


@pytest.mark.parametrize("size", [64, 32])
def test_a_row_is_stale_at_its_own_batch_size_only(size: int, whole: JSON) -> None:
    found = document(stale("table 4", "dtd", batch_size=size))
    marked = [row for row in rows(found, "4") if row["stale"]]
    assert [(row["label"], row["batch_size"]) for row in marked] == [("dtd", size)]
    (row,) = marked
    (before,) = [
        each for each in rows(whole, "4") if (each["label"], each["batch_size"]) == ("dtd", size)
    ]
    assert row == before | {"stale": "other code", "verdict": None}
    answers = {each["question"]: each["answer"] for each in found["checklist"]}
    assert answers["Is every result of the present configuration, code and data?"] == "no"


def test_a_stale_cell_has_no_verdict_and_others_keep_theirs() -> None:
    plan = official.plan()
    (series,) = [each for each in plan.series if each.label == "tf_flowers"]
    found = invented.document(
        plan,
        official.records_of(plan),
        official.PROFILE,
        margin=official.MARGIN,
        official=official.OFFICIAL,
        stale=[entry(series)],
    )
    judged = {row["label"]: row["verdict"] and row["verdict"]["word"] for row in rows(found, "4")}
    assert judged == {
        "cats_vs_dogs": "equivalent",
        "tf_flowers": None,
        "dtd": "inconclusive",
        "cifar_100": "consistent",
        "food_101": "equivalent",
    }


def test_claims_are_judged_where_no_row_of_theirs_is_stale(whole: JSON) -> None:
    found = claims(document(stale("table 4", "food_101", batch_size=64)))
    claim = found["fewer-classes-higher-accuracy"]
    assert places(claim) == {"batch 32"}
    assert claim["reason"] == "stale rows food_101 (batch 64)" and claim["testable"]
    before = claims(whole)["fewer-classes-higher-accuracy"]["judgements"]
    assert claim["judgements"] == [each for each in before if each["where"] == "batch 32"]
    # What is not about these rows stands as before.
    for name in ("singles-equal", "larger-batch-helps", "student-is-smaller"):
        assert found[name] == claims(whole)[name]


def test_a_claim_is_not_judged_without_its_rows_and_others_of_its_table_are() -> None:
    found = claims(document(stale("table 1", "None")))
    assert {name for name, claim in found.items() if claim["testable"] and claim["reason"]} == {
        "none-is-worst",
        "all-is-best",
    }
    claim = found["none-is-worst"]
    assert claim["judgements"] == [] and claim_word(claim) == "not judged"
    assert claim["reason"] == "stale rows None (all measures)"
    assert claim["paper"]["verdict"] == "holds"  # the printed numbers are not stale
    assert claim_word(found["pairs-beat-singles"]) == "holds"


def test_holm_counts_only_claims_that_are_judged(whole: JSON) -> None:
    def p(found: JSON) -> float:
        judgements = claims(found)["pairs-beat-singles"]["judgements"]
        return float(next(each["p_holds"] for each in judgements if each["measure"] == "heldout"))

    # Three of five claims share p = 2/256, one has less, and one has p = 1. All-is-best and
    # none-is-worst need the stale row, so that of the three one is left.
    assert p(whole) == pytest.approx(4 * 2 / 256)
    assert p(document(stale("table 1", "None"))) == pytest.approx(2 * 2 / 256)


def test_students_are_stale_by_what_they_learn_from(whole: JSON) -> None:
    labels = document(stale("table 2", "VGG16", learns_from="labels"))
    assert [row["stale"] for row in rows(labels, "2")] == [None, None]
    assert claims(labels) == claims(whole)
    (control,) = [each for each in labels["controls"] if each["id"] == "hard-labels"]
    assert [row["label"] for row in control["rows"]] == ["ResNet50", "the teacher itself"]
    assert "VGG16" not in control["finding"]
    assert control["notes"][-1] == "Left out, being stale: VGG16, labels."

    taught = document(stale("table 2", "VGG16", learns_from="teacher"))
    assert [row["stale"] for row in rows(taught, "2")] == ["other code", None]
    assert [row["stale"] for row in rows(taught, "3")] == [None] * 5  # of ResNet50's settings
    found = claims(taught)
    assert places(found["best-epoch-beats-last"]) == {"ResNet50"}
    assert found["best-epoch-beats-last"]["reason"] == "stale rows VGG16 (VGG16)"
    assert found["same-architecture-wins"]["judgements"] == []
    counted = found["student-is-smaller"]["judgements"][1]
    assert "student VGG16" not in counted["note"] and "student ResNet50: 100" in counted["note"]


def test_a_table_3_of_stale_students_is_stale() -> None:
    both = [stale("table 2", label, learns_from="teacher") for label in ("VGG16", "ResNet50")]
    assert {row["stale"] for row in rows(document(*both), "3")} == {"other code"}


def test_a_stale_batch_size_series_is_in_no_finding_and_no_claim(whole: JSON) -> None:
    old = stale("batch size", "food_101", regime="equal iterations", batch_size=32)
    found = document(old)
    for name in ("larger-batch-helps", "many-classes-gain-more-from-batch"):
        claim = claims(found)[name]
        assert places(claim) == {"equal examples", "equal passes"}
        assert claim["reason"] == "stale rows food_101 (equal iterations)"
    (control,) = [each for each in found["controls"] if each["id"] == "batch-size"]
    # Gains at equal iterations are 0, 0.01, 0.02, 0.03, and 0.04 for food_101.
    assert "+0.015 at equal iterations" in control["finding"]
    assert control["notes"][-1] == "Left out, being stale: food_101, equal iterations, 32."
    gains = control["figure"]["panels"][0]["series"][0]["values"]
    assert gains[-1] is None and None not in gains[:-1]
    assert all(row["stale"] is None for row in rows(found, "4"))


def test_a_stale_class_count_is_in_no_finding() -> None:
    old = stale("class count", "100 classes", regime="fixed total", class_count=100)
    (control,) = [each for each in document(old)["controls"] if each["id"] == "class-count"]
    # Of 10 classes, (0.860125 - 0.1) / 0.9 = 0.84458, less 0.78425 of 2.
    assert "+0.060 at a fixed total of examples (2 to 10)" in control["finding"]
    assert len(control["rows"]) == 8
    assert control["figure"]["panels"][0]["series"][0]["values"][2] is None


def test_controls_and_checks_that_are_stale_altogether_are_left_out() -> None:
    entries = [
        entry(each) for each in PLAN.series if each.section in ("class count", "encoder check")
    ]
    found = document(*entries)
    assert [each["id"] for each in found["controls"]] == ["batch-size", "hard-labels"]
    assert found["encoder"]["check"] == [] and found["stale"] == entries


def test_one_stale_probe_takes_its_data_set_out_of_the_encoder_check() -> None:
    found = document(stale("encoder check", "dtd", weights="untrained"))
    checked = [each["dataset"] for each in found["encoder"]["check"]]
    assert checked == ["cats_vs_dogs", "tf_flowers", "cifar_100", "food_101"]


def test_figures_show_current_rows_only() -> None:
    found = document(stale("table 1", "All"), stale("table 4", "dtd", batch_size=64))
    two, six = found["figures"]
    assert "All" not in two["panels"][0]["categories"]
    assert two["note"].endswith("Left out, being stale: All.")
    values = [each["values"] for each in six["panels"][1]["series"]]
    assert values[0][2] is None and values[1][2] is not None
    assert six["note"].endswith("Left out, being stale: dtd, 64.")


def test_encoder_and_data_are_described_by_current_records() -> None:
    plan = invented.plan(["4"], controls=False)
    first, *others = plan.series
    settings = {k: v for k, v in first.jobs[0].settings.items() if k != "seed"}
    inputs = {"code": "c", "encoder": "old"}
    old = invented.series(
        "table 4", first.label, first.variant, "head", first.label, settings, inputs=inputs
    )
    plan = Plan(profile="embedded", targets=plan.targets, series=(old, *others))
    records = invented.records_of(plan)
    for job in old.jobs:
        records[job.key].details["data"]["train_images"] = 7
    found = invented.document(plan, records, stale=[entry(old)])
    assert found["encoder"]["key"] == "e"
    assert found["data"][0]["dataset"] == first.label
    assert found["data"][0]["train_images"] == invented.TRAIN


def test_a_stale_folder_is_stale_at_its_batch_size() -> None:
    plan = invented.transfer_plan("birds")
    found = invented.document(plan, profile=FOLDER, stale=[entry(plan.series[1])])
    assert [row["stale"] for row in rows(found, "transfer")] == [None, "other code"]


def test_everything_stale_is_still_a_document() -> None:
    found = document(*map(entry, PLAN.series))
    assert all(row["stale"] for table in found["tables"] for row in table["rows"])
    assert not any(row["verdict"] for table in found["tables"] for row in table["rows"])
    measured = [each for claim in claims(found).values() for each in claim["judgements"]]
    assert {each["measure"] for each in measured} == {"parameters"}  # the paper's networks
    assert found["figures"] == found["controls"] == [] and len(found["data"]) == 5


def texts(found: JSON) -> dict[str, str]:
    console = Console(file=io.StringIO(), width=120, highlight=False)
    console.print(TerminalReport(found))
    assert isinstance(console.file, io.StringIO)
    page = re.sub(r"<[^>]*>", "", render_html(found))
    return {
        "terminal": console.file.getvalue(),
        "html": page.replace("Not judged", "not judged"),
        "markdown": render_markdown(found).replace("\\", ""),
        "latex": render_latex(found).replace("\\", ""),
    }


def test_every_view_says_what_is_stale_and_what_is_not_judged() -> None:
    old = stale("table 1", "None")
    found = document(old, stale("table 4", "food_101", batch_size=64))
    for view, text in texts(found).items():
        said = " ".join(text.split())
        assert "not judged: stale rows None (all measures)" in said, view
        assert "not judged: stale rows food_101 (batch 64)" in said, view
        assert "other code" in said, view
    assert render_csv(found).count("other code") >= 2


def test_views_of_a_document_without_any_verdict_are_made() -> None:
    for view, text in texts(document(*map(entry, PLAN.series))).items():
        assert "not judged" in text, view
