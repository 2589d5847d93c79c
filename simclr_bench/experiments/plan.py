"""Which jobs a table of the paper, or a folder of images, asks for."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from simclr_bench.experiments.jobs import Job, Plan, PlannedRow
from simclr_bench.experiments.profiles import EMBEDDED, FOLDER
from simclr_bench.paper.spec import Probe, Table
from simclr_bench.paper.tables import PROBE

CHECK_SEEDS = (0, 1, 2, 3, 4)

# Sums are split by thread, so their number is part of the result.
THREADS = 2


def plan_table(
    table: Table,
    classes: dict[str, int],
    inputs: dict[str, str],
    *,
    labels: Sequence[str],
    seeds: Sequence[int],
) -> Plan:
    """A table of probes on the embedded profile.

    Args:
        table: One of the paper's tables whose experiments are probes.
        classes: Classes of each embedded data set.
        inputs: Hashes of code, data and encoder.
        labels: Rows wanted.
        seeds: Seeds of each row and batch size.
    """
    rows, checks = [], {}
    for batch_size in table.batch_sizes:
        for label in labels:
            probe = table.experiment(label)
            assert isinstance(probe, Probe)
            number = classes[probe.dataset]
            probe = replace(probe, batch_size=batch_size)
            jobs = _heads(EMBEDDED.name, probe, number, inputs, seeds, {"single_pass": False})
            rows.append(
                PlannedRow(
                    label=label,
                    dataset=probe.dataset,
                    classes=number,
                    batch_size=batch_size,
                    jobs=jobs,
                )
            )
            checks[probe.dataset] = Job(
                kind="encoder_check",
                profile=EMBEDDED.name,
                dataset=probe.dataset,
                classes=number,
                settings={"seeds": list(CHECK_SEEDS), "threads": THREADS},
                inputs=inputs,
            )
    return Plan(table=table.id, rows=tuple(rows), checks=tuple(checks.values()))


def plan_folder(
    name: str,
    classes: int,
    inputs: dict[str, str],
    *,
    batch_sizes: Sequence[int],
    seeds: Sequence[int],
    choices: dict[str, Any],
) -> Plan:
    """Table 4's protocol on a folder of images.

    Args:
        name: The folder's name.
        classes: Number of class folders.
        inputs: Hashes of code, data and encoder.
        batch_sizes: Batch sizes to run.
        seeds: Seeds of each batch size.
        choices: How the folder is read and split, and whether the stream makes a single pass.
    """
    rows = []
    for batch_size in batch_sizes:
        probe = replace(PROBE, dataset=name, batch_size=batch_size)
        jobs = _heads(FOLDER.name, probe, classes, inputs, seeds, choices)
        rows.append(
            PlannedRow(label=name, dataset=name, classes=classes, batch_size=batch_size, jobs=jobs)
        )
    return Plan(table="transfer", rows=tuple(rows))


def _heads(
    profile: str,
    probe: Probe,
    classes: int,
    inputs: dict[str, str],
    seeds: Sequence[int],
    choices: dict[str, Any],
) -> tuple[Job, ...]:
    settings = {
        "augment": list(probe.augment),
        "batch_size": probe.batch_size,
        "iterations": probe.iterations,
        "learning_rate": probe.learning_rate,
        "momentum": probe.momentum,
        "weight_decay": probe.weight_decay,
        "head_initialization": "glorot_uniform",
        "threads": THREADS,
        **choices,
    }
    return tuple(
        Job(
            kind="head",
            profile=profile,
            dataset=probe.dataset,
            classes=classes,
            settings={**settings, "seed": seed},
            inputs=inputs,
        )
        for seed in seeds
    )
