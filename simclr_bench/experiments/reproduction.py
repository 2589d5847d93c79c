"""Tables and figures of the paper on the embedded profile: from a request to records.

Nothing here imports torch until a job has to run: a request whose records are all there is answered
at once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from simclr_bench.data.dispositions import EMBEDDED_SETS
from simclr_bench.experiments.execution.outcome import Outcome
from simclr_bench.experiments.materials.bases import EmbeddedBase
from simclr_bench.experiments.materials.encoders import EmbeddedEncoder
from simclr_bench.experiments.metrics import metrics_of
from simclr_bench.experiments.planning.jobs import Job, Plan, share_key
from simclr_bench.experiments.planning.plan import Inputs, Request, plan_reproduction
from simclr_bench.experiments.planning.plan_file import write_plan
from simclr_bench.experiments.planning.resolve import SetSize
from simclr_bench.experiments.profiles import EMBEDDED, FOLDER
from simclr_bench.experiments.progress import Progress
from simclr_bench.experiments.provenance.code import CODE, DATA_CODE
from simclr_bench.experiments.provenance.fingerprint import source_fingerprint
from simclr_bench.experiments.running.runner import Records, run_jobs
from simclr_bench.results.store import RunDirectory
from simclr_bench.training.base_recipe import BASE_RECIPES

SETS = {
    name: SetSize(classes=chosen.classes, train_images=chosen.train_images)
    for name, chosen in EMBEDDED_SETS.items()
}


@dataclass(frozen=True, kw_only=True)
class Resources:
    """How to run, which no result depends on.

    Attributes:
        processes: Jobs at a time.
        workers: Threads that prepare views ahead of each job; 0 for none.
    """

    processes: int
    workers: int


def embedded_inputs() -> Inputs:
    """Hashes of what jobs of the embedded profile read, as they are now."""
    return Inputs(
        code={
            kind: source_fingerprint(*modules, *DATA_CODE[EMBEDDED.name])
            for kind, modules in CODE.items()
        },
        encoder=EmbeddedEncoder().key,
        bases={name: EmbeddedBase(name).key for name in BASE_RECIPES},
    )


def current_inputs(profile: str) -> dict[str, dict[str, str]]:
    """What jobs of a profile read, as it is now: by kind, for students with their base's name."""
    inputs = embedded_inputs()
    if profile == FOLDER.name:
        code = source_fingerprint(*CODE["head"], *DATA_CODE[profile])
        return {"head": {"code": code, "encoder": inputs.encoder}}
    students = {f"student {base}": inputs.of_student(base) for base in inputs.bases}
    return {kind: inputs.of(kind) for kind in ("head", "converged")} | students


def plan_embedded(request: Request) -> Plan:
    """The jobs that a request asks for.

    Raises:
        UsageError: It asks for nothing.
    """
    return plan_reproduction(request, embedded_inputs(), SETS)


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
    request: Request, out: Path, resources: Resources, progress: Progress, *, margin: float
) -> tuple[Plan, Records]:
    """Obtains every record that a request asks for.

    Args:
        request: What is wanted.
        out: Run directory.
        resources: How to run.
        progress: Told how it goes.
        margin: The difference that matters to the verdicts; kept with the plan.

    Raises:
        UsageError: The request asks for nothing.
        DataError: The cached encoder or a record is corrupt, or a directory not writable.
        JobError: A process that ran jobs died.
        StoreError: The run directory is in use, or of another version.
    """
    store = RunDirectory(out)
    with store.held():
        plan = plan_embedded(request)
        write_plan(out, plan, margin)
        if left := unfinished(plan, out):
            _make_what_they_read(left, progress)
        records = run_jobs(
            plan.jobs,
            store,
            EmbeddedJobs(workers=resources.workers),
            EmbeddedEncoder().environment,
            progress,
            measure=metrics_of,
            share_key=share_key,
            workers=resources.processes,
        )
    return plan, records


@dataclass(frozen=True, kw_only=True)
class EmbeddedJobs:
    """Makes, in whichever process it is called, what executes jobs of the embedded profile."""

    workers: int

    def __call__(self) -> Callable[[Job], Outcome]:
        """Reads the encoder from the cache; bases follow when a student asks for them."""
        from functools import partial

        from simclr_bench.experiments.execution.embedded import embedded_bench
        from simclr_bench.experiments.execution.execute import execute

        return partial(execute, bench=embedded_bench(self.workers))


def _make_what_they_read(jobs: list[Job], progress: Progress) -> None:
    """Trains what the cache does not hold yet, before any job or process needs it."""
    EmbeddedEncoder().obtain(progress)
    for name in dict.fromkeys(job.settings["student"] for job in jobs if job.kind == "student"):
        EmbeddedBase(name).obtain(progress)
