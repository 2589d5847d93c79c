"""From a table to jobs, and what makes two jobs the same."""

from typing import Any

import pytest

from simclr_bench.experiments.jobs import Job, Plan
from simclr_bench.experiments.plan import plan_folder, plan_table
from simclr_bench.paper.tables import TABLE_4

CLASSES = {"cats_vs_dogs": 2, "tf_flowers": 5, "dtd": 47, "cifar_100": 100, "food_101": 101}
INPUTS = {"code": "c", "encoder": "e"}


def table_4(**changes: Any) -> Plan:
    wanted = {"labels": list(TABLE_4.rows), "seeds": range(8)} | changes
    return plan_table(TABLE_4, CLASSES, INPUTS, **wanted)


def test_table_4_asks_for_a_head_per_row_batch_size_and_seed_and_a_check_per_set() -> None:
    plan = table_4()
    assert len(plan.rows) == 10 and len(plan.checks) == 5
    assert len({job.key for job in plan.jobs}) == len(plan.jobs) == 85
    assert [row.batch_size for row in plan.rows] == [64] * 5 + [32] * 5


def test_a_job_resolves_every_hyper_parameter() -> None:
    job = table_4().rows[0].jobs[3]
    assert job.settings == {
        "augment": ["crop", "flip"],
        "batch_size": 64,
        "iterations": 30,
        "learning_rate": 0.1,
        "momentum": 0.9,
        "weight_decay": 0.0,
        "head_initialization": "glorot_uniform",
        "threads": 2,
        "single_pass": False,
        "seed": 3,
    }


def test_jobs_that_share_images_and_features_stand_side_by_side() -> None:
    jobs = table_4().jobs
    datasets = [job.dataset for job in jobs]
    assert datasets == sorted(datasets, key=list(CLASSES).index)
    heads = [job for job in jobs if job.kind == "head" and job.dataset == "dtd"]
    assert [job.settings["seed"] for job in heads] == [s for s in range(8) for _ in (64, 32)]


def test_more_seeds_and_fewer_rows_keep_the_keys_of_the_others() -> None:
    keys = {job.key for job in table_4().jobs}
    assert keys < {job.key for job in table_4(seeds=range(10)).jobs}
    assert {job.key for job in table_4(labels=["dtd"]).jobs} < keys


@pytest.mark.parametrize(
    "change",
    [
        {"settings": {"seed": 1}},
        {"inputs": {"code": "other"}},
        {"classes": 3},
        {"dataset": "dtd"},
        {"profile": "folder"},
    ],
)
def test_whatever_determines_a_result_changes_the_key(change: dict[str, Any]) -> None:
    base = {
        "kind": "head",
        "profile": "embedded",
        "dataset": "tf_flowers",
        "classes": 5,
        "settings": {"seed": 0},
        "inputs": INPUTS,
    }
    assert Job(**base).key == Job(**base).key
    assert Job(**base).key != Job(**(base | change)).key


def test_a_folder_runs_table_4s_probe() -> None:
    plan = plan_folder(
        "mine", 10, INPUTS, batch_sizes=(64, 32), seeds=(0, 1), choices={"single_pass": True}
    )
    assert [row.batch_size for row in plan.rows] == [64, 32]
    settings = plan.rows[1].jobs[1].settings
    assert (settings["learning_rate"], settings["iterations"], settings["seed"]) == (0.1, 30, 1)
    assert settings["single_pass"] is True
