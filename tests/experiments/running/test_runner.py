"""Running what is missing, keeping what is done, saying what failed."""

import os
from pathlib import Path
from typing import Any

import pytest

from simclr_bench.errors import DataError, JobError
from simclr_bench.experiments.execution.outcome import Outcome
from simclr_bench.experiments.planning.jobs import Job
from simclr_bench.experiments.running.attempt import Execute
from simclr_bench.results.store import RunDirectory
from tests.experiments.running.invented import (
    Silence,
    execute,
    job,
    measure,
    prepare,
    prepare_badly,
    prepare_nothing,
    run_here,
)


class Executor:
    """Executes jobs here, and remembers which."""

    def __init__(self) -> None:
        self.executed: list[int] = []
        self.prepared = 0

    def prepare(self) -> Execute:
        self.prepared += 1
        return self.execute

    def execute(self, job: Job) -> Outcome:
        self.executed.append(job.settings["seed"])
        return execute(job)


class WhereItRan:
    """Jobs whose details name the process and the order in which it executed them."""

    def __call__(self) -> Execute:
        order: list[int] = []

        def execute_and_tell(job: Job) -> Outcome:
            order.append(job.settings["seed"])
            arrays = execute(job).arrays
            return Outcome(details={"pid": os.getpid(), "order": list(order)}, arrays=arrays)

        return execute_and_tell


def test_a_record_holds_the_outcome_and_the_metrics_of_its_arrays(tmp_path: Path) -> None:
    records = run_here(tmp_path, [job(0)])
    outcome = execute(job(0))
    record = records[job(0).key]
    assert record.status == "done" and record.reason == ""
    assert record.job == job(0).as_dict()
    assert record.metrics == measure("head", outcome.arrays)
    assert record.details == outcome.details
    assert record.environment == {"python": "3.11"}
    store = RunDirectory(tmp_path)
    assert store.read(job(0).key) == record
    arrays = store.read_arrays(record)
    assert arrays.keys() == outcome.arrays.keys()
    assert all((arrays[name] == outcome.arrays[name]).all() for name in arrays)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_finished_command_runs_nothing_and_prepares_nothing(tmp_path: Path, workers: int) -> None:
    jobs = [job(seed) for seed in range(4)]
    first, second, progress = Executor(), Executor(), Silence()
    records = run_here(tmp_path, jobs, first.prepare)
    assert run_here(tmp_path, jobs, second.prepare, workers, progress) == records
    assert first.executed == [0, 1, 2, 3] and second.prepared == 0
    assert progress.said == [f"4 of 4 jobs have records in {tmp_path}"]


def test_more_seeds_extend(tmp_path: Path) -> None:
    run_here(tmp_path, [job(0), job(1)])
    more = Executor()
    assert len(run_here(tmp_path, [job(seed) for seed in range(4)], more.prepare)) == 4
    assert more.executed == [2, 3]


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    ("work", "status", "reason"),
    [
        ("diverge", "diverged", "the loss became inf at step 3"),
        ("raise", "failed", "IndexError: index 7"),
        ("nan", "failed", "ValueError: Out of range float values are not JSON compliant"),
    ],
)
def test_what_became_of_a_job_is_recorded_and_the_others_go_on(
    tmp_path: Path, workers: int, work: str, status: str, reason: str
) -> None:
    bad, progress = job(0, work), Silence()
    records = run_here(tmp_path, [bad, job(3), job(1)], prepare, workers, progress)
    assert [records[key].status for key in (job(3).key, job(1).key)] == ["done", "done"]
    record = records[bad.key]
    assert (record.status, record.metrics, record.predictions) == (status, {}, None)
    assert record.reason.startswith(reason)
    assert RunDirectory(tmp_path).read(bad.key) == record
    assert progress.said == [f"{bad.title}: {status} ({record.reason})"]


def test_a_failed_job_is_tried_again_and_a_diverged_one_is_not(tmp_path: Path) -> None:
    jobs = [job(0, "raise"), job(1, "diverge"), job(2)]
    run_here(tmp_path, jobs)
    again = Executor()
    records = run_here(tmp_path, jobs, again.prepare)
    assert again.executed == [0]
    assert [records[one.key].status for one in jobs] == ["failed", "diverged", "done"]


def test_a_failed_job_that_succeeds_replaces_its_record(tmp_path: Path) -> None:
    def prepare_to_fail() -> Execute:
        def fail(job: Job) -> Outcome:
            raise MemoryError

        return fail

    failed = run_here(tmp_path, [job(0)], prepare_to_fail)[job(0).key]
    assert (failed.status, failed.reason) == ("failed", "MemoryError")
    done = run_here(tmp_path, [job(0)])[job(0).key]
    assert done.status == "done"
    assert RunDirectory(tmp_path).read(done.key) == done


def test_a_failing_measure_is_a_failed_job(tmp_path: Path) -> None:
    def prepare_without_arrays() -> Execute:
        return lambda job: Outcome(details={}, arrays={})

    record = run_here(tmp_path, [job(0)], prepare_without_arrays)[job(0).key]
    assert (record.status, record.reason) == ("failed", "KeyError: 'heldout_predicted'")


@pytest.mark.parametrize("workers", [1, 2])
def test_errors_that_already_speak_to_the_user_stop_everything(
    tmp_path: Path, workers: int
) -> None:
    with pytest.raises(DataError, match=r"^a.png: empty$"):
        run_here(tmp_path, [job(0), job(3, "missing data"), job(6)], workers=workers)
    store = RunDirectory(tmp_path)
    assert [record.key for record in store.read_all()] == [job(0).key]


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_while_getting_ready_passes_through(tmp_path: Path, workers: int) -> None:
    with pytest.raises(DataError, match=r"^weights.bin: missing$"):
        run_here(tmp_path, [job(0), job(1)], prepare_nothing, workers)


def test_a_worker_that_cannot_get_ready_says_why(tmp_path: Path) -> None:
    with pytest.raises(JobError, match=r"a worker cannot get ready \(ValueError: no such"):
        run_here(tmp_path, [job(0), job(1)], prepare_badly, 2)


def test_jobs_that_share_work_run_in_one_worker_in_the_given_order(tmp_path: Path) -> None:
    """Three groups for two workers: seeds equal modulo three share a data set."""
    records = run_here(tmp_path, [job(seed) for seed in range(12)], WhereItRan(), 2)
    details: dict[int, dict[str, Any]] = {
        record.job["settings"]["seed"]: record.details for record in records.values()
    }
    assert os.getpid() not in {told["pid"] for told in details.values()}
    assert len({told["pid"] for told in details.values()}) == 2
    for group in range(3):
        seeds = list(range(group, 12, 3))
        assert len({details[seed]["pid"] for seed in seeds}) == 1
        assert details[seeds[-1]]["order"][-4:] == seeds


def test_a_job_in_a_worker_may_start_processes(tmp_path: Path) -> None:
    loaders = job(1, "children")
    assert run_here(tmp_path, [job(0), loaders], workers=2)[loaders.key].status == "done"
