"""Runs the jobs that have no result yet, and keeps each result as soon as it exists."""

from collections.abc import Callable, Generator, Hashable, Sequence
from contextlib import closing
from typing import Any

from simclr_bench.experiments.planning.jobs import Job
from simclr_bench.experiments.progress import Progress
from simclr_bench.experiments.running.attempt import Attempt, Execute, Measure, attempt
from simclr_bench.experiments.running.workers import attempts_in_workers
from simclr_bench.results.store import Record, RunDirectory

Records = dict[str, Record]


def run_jobs(
    jobs: Sequence[Job],
    store: RunDirectory,
    prepare: Callable[[], Execute],
    environment: Callable[[], dict[str, Any]],
    progress: Progress,
    *,
    measure: Measure,
    share_key: Callable[[Job], Hashable],
    workers: int,
) -> Records:
    """Obtains a record of every job, running only those that have none or failed.

    A job that diverged is not tried again: it would diverge again. The number of workers changes
    no record but for its times.

    Args:
        jobs: What is wanted, in running order.
        store: Where records live; held by the caller. Only this process writes to it.
        prepare: Gets ready to execute, and returns what executes a job. Called only if needed, and
            with several workers in each of them: then it must be picklable.
        environment: Describes this process for a new record. Called only if needed.
        progress: Told of every job.
        measure: Computes the metrics of a kind of job from its arrays; picklable like `prepare`.
        share_key: Jobs of equal keys share work, such as features, and run in the same worker.
        workers: Processes that execute jobs; 1 executes them here.

    Returns:
        The record of every job, by key; failed and diverged ones are among them.

    Raises:
        JobError: A worker died; records of finished jobs are kept.
        SimclrBenchError: Something is wrong that concerns more than one job.
    """
    records = {job.key: record for job in jobs if (record := store.read(job.key)) is not None}
    missing = [job for job in jobs if job.key not in records or records[job.key].status == "failed"]
    if len(missing) < len(jobs):
        progress.say(f"{len(jobs) - len(missing)} of {len(jobs)} jobs have records in {store.path}")
    if not missing:
        return records
    described = environment()
    with progress.stage("jobs", len(missing)) as stage:

        def begin(job: Job) -> None:
            stage.advance(0, job.title)

        if workers == 1:
            attempts = _attempts_here(missing, prepare, measure, begin)
        else:
            attempts = attempts_in_workers(missing, prepare, measure, share_key, workers, begin)
        with closing(attempts):
            for job, tried in attempts:
                record = Record(
                    key=job.key,
                    job=job.as_dict(),
                    status=tried.status,
                    reason=tried.reason,
                    metrics=tried.metrics,
                    details=tried.details,
                    predictions=None,
                    environment=described,
                    started=tried.started,
                    seconds=tried.seconds,
                )
                records[job.key] = store.write(record, tried.arrays)
                if tried.status != "done":
                    progress.say(f"{job.title}: {tried.status} ({tried.reason})")
                stage.advance(1)
    return records


def _attempts_here(
    jobs: Sequence[Job],
    prepare: Callable[[], Execute],
    measure: Measure,
    begin: Callable[[Job], None],
) -> Generator[tuple[Job, Attempt], None, None]:
    execute = prepare()
    for job in jobs:
        begin(job)
        yield job, attempt(job, execute, measure)
