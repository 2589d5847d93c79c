"""The document's rows: numbers by hand, failed seeds, commands, figures, and what goes along."""

import math
import shlex
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from simclr_bench.experiments.planning.jobs import Plan
from simclr_bench.experiments.profiles import EMBEDDED, FOLDER
from simclr_bench.experiments.settings.sources import resolve
from simclr_bench.paper.spec import Distillation
from simclr_bench.report.document import build_document
from simclr_bench.report.document.commands import folder_options
from tests.report import invented, official

JSON = dict[str, Any]


@pytest.fixture(scope="module")
def document() -> JSON:
    return invented.document()


def table(document: JSON, number: str) -> JSON:
    (found,) = [each for each in document["tables"] if each["id"] == number]
    return dict(found)


def row(document: JSON, number: str, label: str, batch_size: int = 64) -> JSON:
    rows = table(document, number)["rows"]
    (found,) = [r for r in rows if (r["label"], r["batch_size"]) == (label, batch_size)]
    return dict(found)


def test_all_four_tables_stand_in_the_papers_order(document: JSON) -> None:
    assert [each["id"] for each in document["tables"]] == ["1", "2", "3", "4"]
    assert [len(each["rows"]) for each in document["tables"]] == [8, 2, 5, 10]
    assert [r["batch_size"] for r in table(document, "4")["rows"]] == [64] * 5 + [32] * 5


def test_a_mean_and_its_interval_by_hand(document: JSON) -> None:
    heldout = row(document, "4", "tf_flowers")["measures"]["heldout"]
    values = [0.800, 0.804, 0.797, 0.802, 0.796, 0.801, 0.803, 0.798]
    assert heldout["per_seed"] == pytest.approx(values)
    assert heldout["mean"] == pytest.approx(0.800125)
    assert (heldout["n"], heldout["n_seeds"], heldout["shared"]) == (1000, 8, True)
    # Student's t, 7 degrees of freedom, on a deviation of 0.0029001; and 800.125 of 1000.
    seeds = 2.364624 * math.sqrt(58.875e-6 / 7) / math.sqrt(8)
    low, high = stats.beta.ppf([0.025, 0.975], [800.125, 801.125], [200.875, 199.875])
    assert heldout["interval"] == pytest.approx(
        [
            0.800125 - math.hypot(seeds, 0.800125 - low),
            0.800125 + math.hypot(seeds, high - 0.800125),
        ],
        abs=1e-6,
    )


def test_batches_are_each_seeds_own(document: JSON) -> None:
    measures = row(document, "4", "tf_flowers")["measures"]
    assert measures["as_published"]["shared"] is False and measures["as_published"]["n"] == 64
    # 51 of 64 in every seed: no shorter than the binomial interval of 8 * 64 examples.
    low, high = stats.beta.ppf([0.025, 0.975], [408, 409], [105, 104])
    assert measures["as_published"]["interval"] == pytest.approx([low, high])


def test_all_batches_together_are_images_that_seeds_share(document: JSON) -> None:
    # 1,920 of 2,000 training images: every seed sees most of what the others see.
    found = row(document, "1", "None")["measures"]["progressive"]
    values = np.array(found["per_seed"])
    assert found["shared"] is True and found["n"] == 30 * 64 and len(values) == 8
    mean, correct = values.mean(), values.mean() * 1920
    seeds = stats.t.ppf(0.975, 7) * values.std(ddof=1) / math.sqrt(8)
    low = stats.beta.ppf(0.025, correct, 1920 - correct + 1)
    high = stats.beta.ppf(0.975, correct + 1, 1920 - correct)
    expected = [mean - math.hypot(seeds, mean - low), mean + math.hypot(seeds, high - mean)]
    assert found["interval"] == pytest.approx(expected)


def test_a_second_pass_brings_no_other_images() -> None:
    probe = replace(invented.TABLES["4"].base, dataset="dtd", iterations=300)
    settings = invented.head_settings(probe)
    series = invented.series("table 4", "dtd", {"batch_size": 64}, "head", "dtd", settings)
    plan = Plan(profile="embedded", targets=("table 4",), series=(series,))
    measures = row(invented.document(plan), "4", "dtd")["measures"]
    assert measures["progressive"]["n"] == invented.TRAIN < 300 * 64


def test_intervals_say_what_a_seed_draws(document: JSON) -> None:
    texts = {number: table(document, number)["intervals"] for number in ("1", "2", "4")}
    assert "each draws head, order and augmentation" in texts["1"] and texts["1"] == texts["4"]
    assert "augmented views, the bases and the encoder are fixed" in texts["2"]


def test_one_batch_is_not_called_as_published_where_it_cannot_be(document: JSON) -> None:
    titles = {
        number: {each["name"]: each["title"] for each in table(document, number)["measures"]}
        for number in ("1", "4")
    }
    assert titles["1"]["as_published"] == "last batch"
    assert titles["4"]["as_published"] == "as published"


def test_the_gap_is_paired_by_seed(document: JSON) -> None:
    gap = row(document, "4", "tf_flowers")["measures"]["gap"]
    assert gap["per_seed"][1] == pytest.approx(51 / 64 - 0.804)
    assert gap["mean"] == pytest.approx(51 / 64 - 0.800125)
    half = 2.364624 * math.sqrt(58.875e-6 / 7) / math.sqrt(8)
    assert gap["interval"] == pytest.approx([gap["mean"] - half, gap["mean"] + half], abs=1e-6)


def test_a_failed_seed_is_shown_and_counts_as_zero() -> None:
    plan = invented.plan(["4"], controls=False)
    records = invented.records_of(plan)
    flowers = next(each for each in plan.series if each.label == "tf_flowers")
    key = flowers.jobs[1].key
    records[key] = invented.failed(records[key], "failed", "MemoryError: 2 GB")
    found = row(invented.document(plan, records), "4", "tf_flowers")
    assert found["failed"] == [{"seed": 1, "status": "failed", "reason": "MemoryError: 2 GB"}]
    heldout = found["measures"]["heldout"]
    assert heldout["per_seed"][1] is None and heldout["n_seeds"] == 8
    assert heldout["mean"] == pytest.approx((0.800125 * 8 - 0.804) / 8)
    assert found["measures"]["gap"]["per_seed"][1] is None
    assert len(found["seeds"]) == len(found["records"]) == 8


def test_a_row_whose_seeds_all_failed_stays_in_its_table() -> None:
    plan = invented.plan(["4"], controls=False)
    records = {key: invented.failed(each) for key, each in invented.records_of(plan).items()}
    document = invented.document(plan, records)
    heldout = row(document, "4", "dtd")["measures"]["heldout"]
    assert (heldout["mean"], heldout["n"]) == (0.0, None)
    assert row(document, "4", "dtd")["curves"] is None and document["data"] == []


def test_batch_32_and_the_added_row_have_no_printed_number(document: JSON) -> None:
    small = row(document, "4", "dtd", 32)
    assert small["cells"] == ["dtd", "47", "Varied (300x640)", "—"]
    assert small["paper"]["printed"] is None and small["verdict"] is None
    assert not small["ours_alone"]
    added = row(document, "1", "Flipping + Color distortion")
    assert added["cells"] == ["Flipping + Color distortion", "—"]
    assert added["ours_alone"] and added["verdict"] is None
    assert table(document, "1")["rows"][-1]["label"] == "Flipping + Color distortion"


def test_a_printed_number_brings_its_arithmetic_quote_and_references(document: JSON) -> None:
    paper = row(document, "4", "dtd")["paper"]
    found = {each["n"]: each for each in paper["candidates"]}
    assert (found[64]["least"], found[64]["most"]) == (42, 42)
    assert found[64]["interval"] == pytest.approx([0.527, 0.771], abs=5e-4)
    assert found[32]["meanings"] == ["one batch of 32"]
    assert paper["quote"].startswith("dtd | 47 | Varied (300x640) | 0.656 (table 4; arXiv:2108.")
    assert [each["value"] for each in paper["references"]] == [0.745, 0.749, 0.732, 0.746]
    assert {each["n"] for each in row(document, "1", "All")["paper"]["excluded"]} == {32, 64}


def test_controls_of_table_2_are_not_its_rows(document: JSON) -> None:
    for found in table(document, "2")["rows"]:
        assert found["settings"]["learns_from"] == "teacher"


def test_table_3_is_the_base_of_table_2(document: JSON) -> None:
    rows = table(document, "3")["rows"]
    names = ["epochs", "learning_rate", "momentum", "weight_decay", "temperature"]
    for found, name in zip(rows, names, strict=True):
        assert float(found["cells"][1]) == found["settings"][name]
        assert found["measures"] == {} and found["verdict"] is None


def test_training_curves_are_means_over_seeds(document: JSON) -> None:
    head = row(document, "4", "tf_flowers")["curves"]
    assert head["x"] == "iteration" and head["series"][0]["values"] == [51 / 64] * 30
    student = row(document, "2", "ResNet50")["curves"]
    assert [each["name"] for each in student["series"]] == [
        "agreement with the teacher",
        "label accuracy",
    ]
    assert student["series"][1]["values"] == pytest.approx([0.4, 0.700125])


def test_the_confound_is_counted(document: JSON) -> None:
    assert "960, 384, 41, 19, 19 examples per class" in table(document, "4")["notes"][-1]


def test_the_confound_counts_no_iterations_that_differ() -> None:
    plan = invented.plan(["4"], controls=False)
    records = invented.records_of(plan)
    sizes = {"dtd": [64] * 29 + [24], "food_101": [64] * 31}  # one pass, and one iteration more
    for each in plan.series:
        for job in each.jobs:
            if n := sizes.get(each.label):
                records[job.key].metrics["batches"] = {"n": n, "correct": [0] * len(n)}
    note = table(invented.document(plan, records), "4")["notes"][-1]
    assert "the iterations give 960, 384, 40, 19, 20 examples per class" in note


def test_inconsistencies_stand_with_the_tables_they_bear_on(document: JSON) -> None:
    assert any(each.startswith("10. ") for each in table(document, "1")["inconsistencies"])
    assert len(table(document, "3")["inconsistencies"]) == 1


def test_a_command_runs_the_row_again(document: JSON) -> None:
    assert row(document, "1", "Cropping only")["command"] == (
        "simclr-bench reproduce --table 1 --rows 'Cropping only' --seeds 0:8 --out runs/invented"
    )
    assert row(document, "4", "dtd", 32)["command"] == (
        "simclr-bench reproduce --table 4 --rows dtd --batch-size 32 --seeds 0:8"
        " --out runs/invented"
    )


def test_a_command_says_what_was_set_otherwise() -> None:
    probe = replace(invented.TABLES["4"].base, dataset="dtd", learning_rate=0.2)
    settings = invented.head_settings(probe)
    series = invented.series(
        "table 4", "dtd", {"batch_size": 64}, "head", "dtd", settings, seeds=(5, 0, 2)
    )
    plan = Plan(profile="embedded", targets=("table 4",), series=(series,))
    found = row(invented.document(plan), "4", "dtd")
    assert found["seeds"] == [0, 2, 5]
    assert "--seeds 0,2,5 --set probe.learning_rate=0.2 --out" in found["command"]


def test_a_command_says_how_the_teacher_was_trained_otherwise() -> None:
    base = invented.TABLES["2"].experiment("VGG16")
    assert isinstance(base, Distillation)
    settings = invented.student_settings(replace(base, widths=(256, 128)))
    settings["teacher"] = settings["teacher"] | {"iterations": 60}
    series = invented.series(
        "table 2", "VGG16", {"learns_from": "teacher"}, "student", "tf_flowers", settings
    )
    plan = Plan(profile="embedded", targets=("table 2",), series=(series,))
    words = shlex.split(row(invented.document(plan), "2", "VGG16")["command"])
    assigned = [words[i + 1] for i, word in enumerate(words) if word == "--set"]
    assert assigned == ["distillation.widths=256,128", "probe.iterations=60"]
    found = resolve(None, {}, assigned, {}).settings
    assert (found.distillation.widths, found.probe.iterations) == ((256, 128), 60)


def test_a_command_says_that_training_ended_after_one_pass() -> None:
    probe = replace(invented.TABLES["4"].base, dataset="dtd")
    settings = invented.head_settings(probe, single_pass=True)
    series = invented.series("table 4", "dtd", {"batch_size": 64}, "head", "dtd", settings)
    plan = Plan(profile="embedded", targets=("table 4",), series=(series,))
    command = row(invented.document(plan), "4", "dtd")["command"]
    assert "--set probe.single_pass=true" in command


def test_a_command_says_how_a_folder_was_read() -> None:
    plan = invented.transfer_plan()
    jobs = [job for each in plan.series for job in each.jobs]
    assert {job.settings["skip_corrupt"] for job in jobs} == {True}
    command = invented.document(plan, profile=FOLDER)["tables"][0]["rows"][0]["command"]
    assert "--batch-size 64 --skip-corrupt --seeds" in command
    settings = {
        "heldout_fraction": 0.3,
        "split_seed": 7,
        "single_pass": True,
        "skip_corrupt": False,
    }
    assert folder_options(settings) == ["--heldout", "0.3", "--split-seed", "7", "--single-pass"]


def test_seeds_without_a_record_are_left_out_and_one_seed_is_no_row() -> None:
    plan = invented.plan(["4"], controls=False)
    records = invented.records_of(plan)
    dtd, flowers = (
        next(each for each in plan.series if each.label == label) for label in ("dtd", "tf_flowers")
    )
    for job in [*dtd.jobs[1:], *flowers.jobs[2:]]:
        del records[job.key]
    document = invented.document(plan, records)
    assert row(document, "4", "tf_flowers")["seeds"] == [0, 1]
    labels = [(r["label"], r["batch_size"]) for r in table(document, "4")["rows"]]
    assert ("dtd", 64) not in labels and ("dtd", 32) in labels


def test_nothing_measured_is_an_error() -> None:
    with pytest.raises(ValueError, match="build_document: runs/x has no record"):
        build_document(invented.plan(), {}, EMBEDDED, "runs/x")


def test_the_encoder_check_is_paired(document: JSON) -> None:
    check = document["encoder"]["check"][0]
    assert document["encoder"]["key"] == "e" and len(document["encoder"]["check"]) == 5
    assert check["pretrained"]["mean"] == pytest.approx(0.600125)
    assert check["difference"]["per_seed"] == pytest.approx([0.3] * 8)
    assert check["difference"]["interval"] == pytest.approx([0.3, 0.3])


def test_several_environments_are_counted() -> None:
    plan = invented.plan(["4"], controls=False)
    records = invented.records_of(plan)
    last = plan.jobs[-1].key
    other = {**invented.ENVIRONMENT, "cpu": "Another"}
    records[last] = replace(records[last], environment=other, started="2026-02-01T00:00:00+00:00")
    environment = invented.document(plan, records)["environment"]
    assert environment["distinct_environments"] == 2 and environment["cpu"] == "Another"


def test_a_data_set_is_described_whole_where_some_job_used_it_whole() -> None:
    plan = invented.plan(["4"])
    records = invented.records_of(plan)
    for each in plan.series:
        if each.section == "class count":
            for job in each.jobs:
                if job.settings["class_count"] is not None:
                    records[job.key].details["data"]["train_images"] = 40
    data = {each["dataset"]: each for each in invented.document(plan, records)["data"]}
    assert data["cifar_100"]["train_images"] == invented.TRAIN and len(data) == 5


def test_a_folders_document_has_no_paper() -> None:
    document = invented.document(invented.transfer_plan("a & b"), profile=FOLDER)
    (only,) = document["tables"]
    assert only["id"] == "transfer" and only["claims"] == [] and document["equal_runs"] == []
    first = only["rows"][0]
    assert first["cells"] == ["a & b", "10", "—"] and first["paper"]["printed"] is None
    assert first["verdict"] is None and first["ours_alone"]
    assert "--data 'a & b' --batch-size 64" in first["command"]
    assert document["profile"]["label"] == "YOUR IMAGES" and document["figures"] == []


def test_equal_runs_are_named_where_one_of_them_is_shown() -> None:
    (equal,) = invented.document(invented.plan(["1"], controls=False))["equal_runs"]
    assert [run["printed"] for run in equal["runs"]] == ["0.873", "0.906"]
    assert equal["experiment"]["augment"] == ["crop", "flip"]
    assert invented.document(invented.plan(["2"], controls=False))["equal_runs"] == []


def test_figure_2_has_the_papers_bars_and_ours_with_intervals(document: JSON) -> None:
    figure = document["figures"][0]
    printed, progressive, heldout = figure["panels"]
    assert figure["id"] == "2" and {panel["kind"] for panel in figure["panels"]} == {"bars"}
    assert len(printed["categories"]) == 8
    assert printed["series"][0]["values"] == [0.84, 0.841, 0.839, 0.87, 0.873, 0.898, 0.784, None]
    assert printed["series"][0]["intervals"] == [None] * 8
    measured = row(document, "1", "All")["measures"]["heldout"]
    assert heldout["series"][0]["values"][5] == measured["mean"]
    assert heldout["series"][0]["intervals"][5] == measured["interval"]
    assert progressive["title"] == "Ours, progressive"
    measured = row(document, "1", "All")["measures"]["progressive"]
    assert progressive["series"][0]["values"][5] == measured["mean"]
    assert "Flipping + Color distortion is ours alone" in figure["note"]


def test_figure_6_has_a_line_for_each_batch_size(document: JSON) -> None:
    figure = document["figures"][1]
    assert [panel["title"] for panel in figure["panels"]] == ["As published", "Held-out"]
    for panel in figure["panels"]:
        assert panel["categories"][0] == "cats_vs_dogs, 2" and panel["kind"] == "lines"
        assert [each["name"] for each in panel["series"]] == ["batch size 64", "batch size 32"]
    small = row(document, "4", "food_101", 32)["measures"]["heldout"]
    assert figure["panels"][1]["series"][1]["values"][4] == small["mean"]


def test_the_checklist_follows_the_records() -> None:
    plan = invented.plan(["4"], controls=False)
    records = invented.records_of(plan)
    answers = {each["question"]: each for each in invented.document(plan, records)["checklist"]}
    assert answers["Is the code identified?"]["answer"] == "yes"
    assert answers["Are the data and weights the paper's?"]["answer"] == "no"
    assert "0 of 5 cells" in answers["Are the data and weights the paper's?"]["where"]
    keep = {each["answer"] for each in answers.values()}
    assert keep == {"yes", "no", "n/a"}
    dirty = {**invented.ENVIRONMENT, "dirty": True}
    changed = {
        key: replace(each, environment=dirty, predictions=None) for key, each in records.items()
    }
    answers = {each["question"]: each for each in invented.document(plan, changed)["checklist"]}
    assert answers["Is the code identified?"]["answer"] == "no"
    question = "Can every metric be computed again from what was kept?"
    assert answers[question]["answer"] == "no"


def test_words_are_defined_and_a_stand_in_reproduces_nothing(document: JSON) -> None:
    words = document["words"]
    assert "same team" in words["repeatability"] and "different team" in words["replication"]
    assert "None of the paper's results is reproduced or replicated" in words["this_run"]
    assert "A replication" in official.document()["words"]["this_run"]
