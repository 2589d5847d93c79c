"""Runs the jobs that have no record yet, and keeps each result as soon as it exists."""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from simclr_bench.errors import JobError, SimclrBenchError
from simclr_bench.experiments.jobs import Job
from simclr_bench.experiments.progress import Progress
from simclr_bench.results.store import Record, RunDirectory

Records = dict[str, Record]


def run_jobs(
    jobs: Sequence[Job],
    store: RunDirectory,
    prepare: Callable[[], Callable[[Job], dict[str, Any]]],
    environment: Callable[[], dict[str, Any]],
    progress: Progress,
) -> Records:
    """Obtains a record of every job, running only those that have none.

    Args:
        jobs: What is wanted, in running order.
        store: Where records live; held by the caller.
        prepare: Gets ready to execute, and returns what executes a job. Called only if needed.
        environment: Describes this process for a new record. Called only if needed.
        progress: Told of every job.

    Returns:
        The record of every job, by key.

    Raises:
        JobError: A job failed; the others' records are kept.
    """
    records = {job.key: record for job in jobs if (record := store.read(job.key)) is not None}
    missing = [job for job in jobs if job.key not in records]
    if len(missing) < len(jobs):
        progress.say(f"{len(jobs) - len(missing)} of {len(jobs)} jobs have records in {store.path}")
    if missing:
        execute = prepare()
        described = environment()
        with progress.stage("jobs", len(missing)) as stage:
            for job in missing:
                stage.advance(0, job.title)
                started, clock = datetime.now(UTC), time.monotonic()
                try:
                    outcome = execute(job)
                except SimclrBenchError:
                    raise
                except Exception as error:
                    raise JobError(f"{job.title}: {error or type(error).__name__}") from error
                record = Record(
                    key=job.key,
                    job=job.as_dict(),
                    outcome=outcome,
                    environment=described,
                    started=started.isoformat(timespec="seconds"),
                    seconds=round(time.monotonic() - clock, 3),
                )
                store.write(record)
                records[job.key] = record
                stage.advance(1)
    return records
