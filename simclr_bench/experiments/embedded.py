"""A table of the paper on the embedded profile: from its rows to records."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from simclr_bench.data.embedded import EMBEDDED_SETS, load
from simclr_bench.experiments.encoders import EmbeddedEncoder
from simclr_bench.experiments.fingerprint import source_fingerprint
from simclr_bench.experiments.jobs import Job, Plan
from simclr_bench.experiments.plan import plan_table
from simclr_bench.experiments.progress import Progress
from simclr_bench.experiments.runner import Records, run_jobs
from simclr_bench.experiments.workbench import LoadedData, Workbench
from simclr_bench.paper.spec import Table
from simclr_bench.results.store import RunDirectory

# What a job executes, the embedded sets included: they are code, not files.
CODE = ("simclr_bench.experiments.workbench", "simclr_bench.data.embedded")


def reproduce_table(
    table: Table, labels: Sequence[str], seeds: Sequence[int], out: Path, progress: Progress
) -> tuple[Plan, Records]:
    """Obtains every record that a table asks for.

    Args:
        table: A table of probes.
        labels: Rows wanted.
        seeds: Seeds of each row and batch size.
        out: Run directory.
        progress: Told how it goes.

    Raises:
        DataError: The cached encoder or a record is corrupt, or a directory not writable.
        JobError: A job failed.
        StoreError: The run directory is in use, or newer than this version.
    """
    store = RunDirectory(out)
    with store.held():
        encoder = EmbeddedEncoder()
        classes = {name: chosen.classes for name, chosen in EMBEDDED_SETS.items()}
        inputs = {"code": source_fingerprint(*CODE), "encoder": encoder.key}
        plan = plan_table(table, classes, inputs, labels=labels, seeds=seeds)

        def prepare() -> Callable[[Job], dict[str, Any]]:
            return Workbench(encoder.obtain(progress), encoder.untrained, _load).execute

        return plan, run_jobs(plan.jobs, store, prepare, encoder.environment, progress)


def _load(name: str) -> LoadedData:
    train, heldout = load(name)
    return LoadedData(
        train,
        heldout,
        {
            "train_images": len(train),
            "heldout_images": len(heldout),
            "split": "drawn separately from the same class recipes",
            "skipped": [],
        },
    )
