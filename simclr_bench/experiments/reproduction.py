"""Tables and figures of the paper, on one profile's materials: from a request to records.

Nothing here imports torch until a job has to run: a request whose records are all there is answered
at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from simclr_bench.errors import DataError
from simclr_bench.experiments.materials.interface import Materials
from simclr_bench.experiments.metrics import metrics_of
from simclr_bench.experiments.planning.jobs import Job, Plan, share_key
from simclr_bench.experiments.planning.plan import Request, plan_reproduction
from simclr_bench.experiments.planning.plan_file import write_plan
from simclr_bench.experiments.progress import Progress
from simclr_bench.experiments.running.runner import Records, run_jobs
from simclr_bench.results.store import RunDirectory


@dataclass(frozen=True, kw_only=True)
class Resources:
    """How to run, which no result depends on.

    Attributes:
        processes: Jobs at a time.
        workers: Threads that prepare views ahead of each job; 0 for none.
        bounded: Run fewer at a time where memory holds no more: nobody chose their number.
    """

    processes: int
    workers: int
    bounded: bool = False

    def processes_for(self, materials: Materials, jobs: Sequence[Job]) -> int:
        """Jobs at a time, of these jobs."""
        if not (self.bounded and jobs):
            return self.processes
        return materials.fitting(jobs, self.processes)


def unfinished(plan: Plan, out: Path) -> list[Job]:
    """The jobs of a plan that a run would run: without a record in the directory, or failed."""
    store = RunDirectory(out)
    records = {job.key: store.read(job.key) for job in plan.jobs}
    return [
        job
        for job in plan.jobs
        if (record := records[job.key]) is None or record.status == "failed"
    ]


def reproduce(
    request: Request,
    materials: Materials,
    out: Path,
    resources: Resources,
    progress: Progress,
    *,
    margin: float,
) -> tuple[Plan, Records]:
    """Obtains every record that a request asks for.

    Args:
        request: What is wanted.
        materials: What the jobs are made from.
        out: Run directory.
        resources: How to run.
        progress: Told how it goes.
        margin: The difference that matters to the verdicts; kept with the plan.

    Raises:
        UsageError: The request asks for nothing.
        DataError: Data, weights, features or a record are missing or corrupt, or a directory is not
            writable.
        JobError: A process that ran jobs died.
        StoreError: The run directory is in use, or of another version.
    """
    plan = plan_reproduction(request, materials.sources())
    demand(materials, plan.jobs)  # before a directory is made
    store = RunDirectory(out)
    with store.held():
        left = unfinished(plan, out)
        if left:
            materials.make(left, progress)
        write_plan(out, plan, margin)  # now: what is refused does not make older records stale
        records = run_jobs(
            plan.jobs,
            store,
            materials.prepare(resources.workers),
            materials.environment,
            progress,
            measure=metrics_of,
            share_key=share_key,
            workers=resources.processes_for(materials, left),
        )
    return plan, records


def demand(materials: Materials, jobs: Sequence[Job]) -> None:
    """Refuses to start while anything is missing that only the user can bring, and names it all.

    Raises:
        DataError: Something is.
    """
    if missing := materials.missing(jobs):
        listed = "; ".join(map(str, missing))
        raise DataError(
            f"{len(missing)} of the things that this run needs are not here: {listed}"
            if len(missing) > 1
            else f"this run needs what is not here: {listed}"
        )
