"""From a request to jobs, and what makes two jobs the same."""

from collections import Counter
from typing import Any

import pytest

from simclr_bench.errors import UsageError
from simclr_bench.experiments.materials.embedded import SETS, Inputs
from simclr_bench.experiments.planning.jobs import Job, Plan, Series, read_plan, share_key
from simclr_bench.experiments.planning.plan import (
    TARGETS,
    Request,
    plan_folder,
    plan_reproduction,
)
from simclr_bench.experiments.planning.resolve import Sources
from simclr_bench.paper.tables import TABLES

INPUTS = Inputs(
    code={"head": "h", "converged": "c", "student": "s"},
    encoder="e",
    bases={"vgg16": "v", "resnet50": "r"},
)
SOURCES = Sources(profile="embedded", sets=SETS, inputs=INPUTS.of)
SEEDS = tuple(range(8))


def planned(*targets: str, **changes: Any) -> Plan:
    request = Request(targets=targets or TARGETS, **{"seeds": SEEDS, **changes})
    return plan_reproduction(request, SOURCES)


def series_of(plan: Plan, section: str, label: str, **variant: Any) -> Series:
    (found,) = [
        series
        for series in plan.section(section)
        if series.label == label and series.variant.items() >= variant.items()
    ]
    return found


def test_everything_is_asked_for_by_all() -> None:
    sections = Counter(series.section for series in planned().series)
    assert sections == {
        "table 1": 8,  # the seven settings of the paper, and the eighth
        "table 2": 4,  # two students, each from a teacher and from labels
        "table 4": 10,  # five sets, two batch sizes
        "encoder check": 10,
        "class count": 18,  # six counts, three regimes
        "batch size": 30,  # five sets, two batch sizes, three regimes
    }


@pytest.mark.parametrize(
    ("figure", "table"), [("figure 2", "table 1"), ("figure 6", "table 4"), ("table 3", "table 2")]
)
def test_a_figure_and_table_3_run_the_table_behind_them(figure: str, table: str) -> None:
    assert planned(figure).series == planned(table).series


def test_runs_of_equal_content_are_one_job() -> None:
    plan = planned()
    flowers = series_of(plan, "table 4", "tf_flowers", batch_size=64).jobs
    assert series_of(plan, "table 1", "Flipping + Cropping").jobs == flowers
    regimes = ("equal iterations", "equal examples")
    for regime in regimes:  # at the table's own batch size both are the table's own run
        assert series_of(plan, "batch size", "tf_flowers", regime=regime, batch_size=64).jobs == (
            flowers
        )
    every = series_of(plan, "class count", "100 classes", regime="fixed total").jobs
    assert every == series_of(plan, "table 4", "cifar_100", batch_size=64).jobs
    assert len({job.key for job in plan.jobs}) == len(plan.jobs)
    assert len(plan.jobs) < sum(len(series.jobs) for series in plan.series)


def test_a_job_resolves_every_hyper_parameter() -> None:
    job = series_of(planned("table 4"), "table 4", "cats_vs_dogs", batch_size=64).jobs[3]
    assert job.settings == {
        "augment": ["crop", "flip"],
        "framing": "center",
        "color_strength": 0.3,
        "class_count": None,
        "batch_size": 64,
        "iterations": 30,
        "learning_rate": 0.1,
        "momentum": 0.9,
        "weight_decay": 0.0,
        "head_initialization": "glorot_uniform",
        "threads": 1,
        "single_pass": False,
        "seed": 3,
    }
    assert job.inputs == {"code": "h", "encoder": "e"}


def test_a_student_carries_table_3_and_its_teacher() -> None:
    student = series_of(planned("table 2"), "table 2", "VGG16", learns_from="teacher").jobs[5]
    settings = student.settings
    assert (settings["epochs"], settings["learning_rate"], settings["momentum"]) == (100, 0.01, 0.9)
    assert (settings["weight_decay"], settings["temperature"]) == (0.0001, 1.0)
    assert (settings["student"], settings["learns_from"], settings["seed"]) == (
        "vgg16",
        "teacher",
        5,
    )
    assert settings["widths"] == [512] and settings["optimizer"] == "sgd"
    flowers = series_of(planned("table 4"), "table 4", "tf_flowers", batch_size=64).jobs[5]
    assert {**settings["teacher"], "seed": 5} == flowers.settings
    assert student.inputs == {"code": "s", "encoder": "e", "base": "v"}


def test_table_3_is_the_base_of_table_2() -> None:
    stated = {}
    for changes in TABLES["3"].rows.values():
        stated |= changes
    for label in TABLES["2"].rows:
        experiment = TABLES["2"].experiment(label)
        assert {name: getattr(experiment, name) for name in stated} == stated
    printed = {line[0]: float(line[1]) for line in TABLES["3"].cells[1:]}
    assert list(printed.values()) == [100, 0.01, 0.9, 0.0001, 1.0] == list(stated.values())


def test_class_counts_fix_the_total_or_the_examples_of_a_class() -> None:
    plan = planned("table 4")

    def seen(count: int, regime: str) -> int:
        job = series_of(plan, "class count", f"{count} classes", regime=regime).jobs[0]
        assert job.settings["class_count"] == (None if count == 100 else count)
        return job.settings["iterations"] * job.settings["batch_size"]

    assert [seen(count, "fixed total") for count in (2, 10, 100)] == [1920] * 3
    assert [seen(count, "fixed per class") / count for count in (2, 10, 100)] == [192] * 3
    converged = series_of(plan, "class count", "47 classes", regime="converged").jobs[0]
    assert converged.kind == "converged" and converged.settings["class_count"] == 47


def test_batch_sizes_are_compared_at_equal_iterations_examples_and_passes() -> None:
    plan = planned("table 4")

    def of(regime: str, batch_size: int) -> tuple[int, bool]:
        found = series_of(plan, "batch size", "dtd", regime=regime, batch_size=batch_size)
        settings = found.jobs[0].settings
        return settings["iterations"], settings["single_pass"]

    assert [of("equal iterations", size) for size in (64, 32)] == [(30, False)] * 2
    assert [of("equal examples", size) for size in (64, 32)] == [(30, False), (60, False)]
    # 47 classes of 42 images: 30 full batches of 64 and one of 54.
    assert [of("equal passes", size) for size in (64, 32)] == [(31, True), (62, True)]


def test_settings_of_a_probe_reach_every_probe_and_the_teacher() -> None:
    plan = planned(probe={"learning_rate": 0.2}, distillation={"epochs": 3}, single_pass=True)
    for job in plan.jobs:
        if job.kind == "head":
            assert job.settings["learning_rate"] == 0.2
        if job.kind == "student":
            assert job.settings["epochs"] == 3
            assert job.settings["teacher"]["learning_rate"] == 0.2
    assert series_of(plan, "table 1", "None").jobs[0].settings["single_pass"] is True


def test_chosen_rows_come_without_the_controls_of_all() -> None:
    plan = planned("table 4", rows=("dtd",))
    assert {series.section for series in plan.series} == {"table 4", "encoder check"}
    assert {job.dataset for job in plan.jobs} == {"dtd"}
    assert {job.key for job in plan.jobs} < {job.key for job in planned("table 4").jobs}


def test_batch_sizes_stand_in_place_of_the_tables() -> None:
    plan = planned("table 4", batch_sizes=(128,))
    assert [series.variant for series in plan.section("table 4")] == [{"batch_size": 128}] * 5
    assert not plan.section("batch size")


def test_rows_of_another_table_are_refused() -> None:
    with pytest.raises(UsageError, match="nothing to run"):
        planned("table 1", rows=("dtd",))


def test_jobs_that_share_images_and_features_stand_side_by_side() -> None:
    jobs = planned().jobs
    for of in (lambda job: job.dataset, share_key):
        runs = [of(job) for job in jobs]
        starts = [value for at, value in enumerate(runs) if at == 0 or runs[at - 1] != value]
        assert len(starts) == len(set(starts))


def test_more_seeds_keep_the_keys_of_the_others() -> None:
    assert {job.key for job in planned().jobs} < {
        job.key for job in planned(seeds=tuple(range(10))).jobs
    }


def test_a_plan_can_be_kept_and_read_back() -> None:
    plan = planned()
    assert read_plan(plan.as_dict()) == plan


@pytest.mark.parametrize(
    "change",
    [
        {"settings": {"seed": 1}},
        {"inputs": {"code": "other"}},
        {"classes": 3},
        {"dataset": "dtd"},
        {"profile": "folder"},
        {"kind": "converged"},
    ],
)
def test_whatever_determines_a_result_changes_the_key(change: dict[str, Any]) -> None:
    base = {
        "kind": "head",
        "profile": "embedded",
        "dataset": "tf_flowers",
        "classes": 5,
        "settings": {"seed": 0},
        "inputs": {"code": "c"},
    }
    assert Job(**base).key == Job(**base).key
    assert Job(**base).key != Job(**(base | change)).key


def test_a_folder_runs_table_4s_probe() -> None:
    plan = plan_folder(
        "mine",
        10,
        {"code": "c", "data": "d", "encoder": "e"},
        batch_sizes=(64, 32),
        seeds=(0, 1),
        single_pass=True,
        choices={"split_seed": 7},
    )
    assert [series.variant["batch_size"] for series in plan.series] == [64, 32]
    job = plan.series[1].jobs[1]
    settings = job.settings
    assert (settings["learning_rate"], settings["iterations"], settings["seed"]) == (0.1, 30, 1)
    assert (settings["single_pass"], settings["split_seed"], job.classes) == (True, 7, 10)
