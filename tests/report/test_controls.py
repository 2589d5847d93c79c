"""Controls in the document: normalisation and gains by hand, findings made from the numbers."""

from typing import Any

import pytest

from simclr_bench.report.document.measured import chance_normalised
from tests.report import invented

JSON = dict[str, Any]


@pytest.fixture(scope="module")
def controls() -> dict[str, JSON]:
    return {each["id"]: each for each in invented.document()["controls"]}


def cell(control: JSON, label: str, regime: str, column: str) -> Any:
    (row,) = [r for r in control["rows"] if (r["label"], r["cells"][0]) == (label, regime)]
    return row["cells"][control["columns"].index(column)]


def test_chance_is_zero_and_all_right_is_one() -> None:
    metric = {"mean": 0.55, "interval": [0.1, 1.0], "per_seed": [0.1, None], "n": 7}
    assert chance_normalised(metric, 10) == {
        "mean": pytest.approx(0.5),
        "interval": pytest.approx([0.0, 1.0]),
        "per_seed": [pytest.approx(0.0), None],
        "n": 7,
    }


def test_class_counts_are_normalised_by_their_own_chance(controls: dict[str, JSON]) -> None:
    control = controls["class-count"]
    assert control["columns"] == ["regime", "chance", "held-out", "above chance"]
    assert len(control["rows"]) == 9
    assert cell(control, "10 classes", "fixed total", "chance") == 0.1
    accuracy = cell(control, "10 classes", "fixed total", "held-out")["mean"]
    assert accuracy == pytest.approx(0.9 - 0.04 + 0.000125)
    above = cell(control, "10 classes", "fixed total", "above chance")["mean"]
    assert above == pytest.approx((accuracy - 0.1) / 0.9)


def test_the_finding_on_class_counts_is_made_from_the_numbers(controls: dict[str, JSON]) -> None:
    control = controls["class-count"]
    # From 2 classes, (0.892125 - 0.5) / 0.5 = 0.78425, to 100, (0.500125 - 0.01) / 0.99 = 0.49508.
    assert control["finding"] == (
        "From 2 to 100 classes of cifar_100, held-out accuracy above chance changes by -0.289 at a"
        " fixed total of examples; -0.095 at fixed examples per class; +0.002 when trained to"
        " convergence."
    )


def test_few_classes_are_said_to_be_few_images(controls: dict[str, JSON]) -> None:
    (note,) = [note for note in controls["class-count"]["notes"] if "few images" in note]
    assert note.startswith(f"A class has {invented.TRAIN // 100} training images")


def test_one_class_count_is_no_finding() -> None:
    plan = invented.plan(["4"])
    kept = {
        key: record
        for key, record in invented.records_of(plan).items()
        if record.job["settings"]["class_count"] != 2 or record.job["kind"] == "converged"
    }
    for key, record in list(kept.items()):
        if record.job["kind"] == "converged" and record.job["settings"]["class_count"] in (10, 100):
            del kept[key]
    (control,) = [c for c in invented.document(plan, kept)["controls"] if c["id"] == "class-count"]
    # 0.495076 - 0.844583 and 0.697096 - 0.866806, each (accuracy - 1/C) / (1 - 1/C).
    assert control["finding"] == (
        "From 2 to 100 classes of cifar_100, held-out accuracy above chance changes by -0.350 at a"
        " fixed total of examples (10 to 100); -0.170 at fixed examples per class (10 to 100)."
    )
    few = {
        key: record
        for key, record in kept.items()
        if record.job["settings"]["class_count"] not in (10, 100)
    }
    (control,) = [c for c in invented.document(plan, few)["controls"] if c["id"] == "class-count"]
    assert control["finding"] == "No two numbers of classes were run alike: nothing to compare yet."


def test_class_counts_make_a_figure(controls: dict[str, JSON]) -> None:
    control = controls["class-count"]
    accuracy, above = control["figure"]["panels"]
    assert accuracy["categories"] == ["2", "10", "100"]
    assert [each["name"] for each in above["series"]] == [
        "fixed total",
        "fixed per class",
        "converged",
    ]
    shown = above["series"][0]
    expected = cell(control, "100 classes", "fixed total", "above chance")
    assert (shown["values"][2], shown["intervals"][2]) == (expected["mean"], expected["interval"])


def test_gains_from_batch_size_are_paired(controls: dict[str, JSON]) -> None:
    control = controls["batch-size"]
    gain = cell(control, "food_101", "equal iterations", "gain")
    assert gain["per_seed"] == pytest.approx([0.04] * 8)
    assert gain["interval"] == pytest.approx([0.04, 0.04])
    assert control["finding"] == (
        "Batch 64 over 32, held-out, mean over 5 data sets: +0.020 at equal iterations; +0.000 at"
        " equal examples; -0.010 at equal passes."
    )
    (panel,) = control["figure"]["panels"]
    assert panel["categories"] == list(invented.CLASSES) and len(panel["series"]) == 3


def test_gains_use_the_seeds_that_all_series_have() -> None:
    plan = invented.plan(["4"])
    records = invented.records_of(plan)
    (cut,) = [
        each
        for each in plan.series
        if each.section == "batch size"
        and each.label == "dtd"
        and each.variant == {"regime": "equal passes", "batch_size": 32}
    ]
    for job in cut.jobs[:5]:
        del records[job.key]
    (control,) = [
        each for each in invented.document(plan, records)["controls"] if each["id"] == "batch-size"
    ]
    assert cell(control, "food_101", "equal passes", "gain")["n_seeds"] == 3
    kept = cell(control, "food_101", "equal passes", "batch 64")["per_seed"]
    assert kept == pytest.approx([0.121, 0.123, 0.118])  # of seeds 5, 6 and 7
    assert cell(control, "food_101", "equal examples", "gain")["n_seeds"] == 8


def test_a_mean_gain_says_over_how_many_data_sets() -> None:
    plan = invented.plan(["4"])
    records = invented.records_of(plan)
    for each in plan.series:
        gone = each.label in ("cats_vs_dogs", "tf_flowers", "dtd")
        if each.section == "batch size" and each.variant["regime"] == "equal examples" and gone:
            for job in each.jobs:
                if job.settings["batch_size"] == 32:
                    del records[job.key]
    (control,) = [
        each for each in invented.document(plan, records)["controls"] if each["id"] == "batch-size"
    ]
    assert control["finding"] == (
        "Batch 64 over 32, held-out, mean over 5 data sets: +0.020 at equal iterations; +0.000 at"
        " equal examples (over 2 of them); -0.010 at equal passes."
    )


def test_labels_stand_beside_the_teacher(controls: dict[str, JSON]) -> None:
    control = controls["hard-labels"]
    taught, labels, change = control["rows"][0]["cells"]
    assert control["rows"][0]["label"] == "VGG16"
    assert taught["mean"] == pytest.approx(0.600125) and labels["mean"] == pytest.approx(0.570125)
    assert change["per_seed"] == pytest.approx([0.03] * 8)
    last = control["rows"][-1]
    assert last["label"] == "the teacher itself" and last["cells"][0]["mean"] == 0.8
    assert (
        "+0.030 for VGG16 and +0.030 for ResNet50; the teacher itself has 0.800"
        in (control["finding"])
    )


def test_what_was_not_run_makes_no_control() -> None:
    plan = invented.plan(["4"], controls=False)
    assert invented.document(plan)["controls"] == []
