"""Running what is missing, keeping what is done."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from simclr_bench.errors import DataError, JobError
from simclr_bench.experiments.jobs import Job
from simclr_bench.experiments.runner import run_jobs
from simclr_bench.results.store import RunDirectory


class Silence:
    """Progress that nobody reads."""

    @contextmanager
    def stage(self, description: str, total: int) -> Iterator["Silence"]:
        yield self

    def advance(self, amount: int = 1, note: str = "") -> None:
        pass

    def say(self, text: str) -> None:
        pass


def job(seed: int) -> Job:
    return Job(
        kind="head",
        profile="embedded",
        dataset="dtd",
        classes=47,
        settings={"batch_size": 64, "seed": seed},
        inputs={},
    )


class Executor:
    """Executes jobs, and remembers which."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.executed: list[int] = []
        self.failure = failure
        self.prepared = 0

    def prepare(self) -> Any:
        self.prepared += 1
        return self.execute

    def execute(self, job: Job) -> dict[str, Any]:
        if self.failure is not None and job.settings["seed"] == 2:
            raise self.failure
        self.executed.append(job.settings["seed"])
        return {"value": job.settings["seed"] / 3}


def run(path: Path, seeds: range, executor: Executor) -> dict[str, Any]:
    store = RunDirectory(path)
    with store.held():
        records = run_jobs([job(seed) for seed in seeds], store, executor.prepare, dict, Silence())
    return {key: record.outcome for key, record in records.items()}


def test_a_finished_command_runs_nothing_and_prepares_nothing(tmp_path: Path) -> None:
    first, second = Executor(), Executor()
    assert run(tmp_path, range(4), first) == run(tmp_path, range(4), second)
    assert first.executed == [0, 1, 2, 3] and second.prepared == 0


def test_more_seeds_extend(tmp_path: Path) -> None:
    run(tmp_path, range(2), Executor())
    more = Executor()
    assert len(run(tmp_path, range(4), more)) == 4
    assert more.executed == [2, 3]


def test_a_failing_job_is_named_and_the_others_results_stay(tmp_path: Path) -> None:
    with pytest.raises(JobError, match="dtd, batch 64, seed 2: the loss became inf"):
        run(tmp_path, range(4), Executor(FloatingPointError("the loss became inf")))
    again = Executor()
    run(tmp_path, range(4), again)
    assert again.executed == [2, 3]


def test_errors_that_already_speak_to_the_user_pass_through(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^a.png: empty$"):
        run(tmp_path, range(4), Executor(DataError("a.png: empty")))
