"""Which jobs the paper's tables and figures, or a folder of images, ask for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from simclr_bench.errors import UsageError
from simclr_bench.experiments.planning.controls import (
    batch_size_series,
    class_count_series,
    encoder_checks,
)
from simclr_bench.experiments.planning.jobs import Plan, Series
from simclr_bench.experiments.planning.resolve import SetSize, Sources, head_jobs, student_jobs
from simclr_bench.experiments.profiles import FOLDER
from simclr_bench.paper.spec import Distillation, Probe, Table
from simclr_bench.paper.tables import FIGURES, PROBE, TABLES

TARGETS = ("table 1", "table 2", "table 3", "table 4", "figure 2", "figure 6")


@dataclass(frozen=True, kw_only=True)
class Request:
    """What was asked for, resolved.

    Attributes:
        targets: Of `TARGETS`.
        seeds: Seeds of every series.
        rows: Labels wanted; None for all, with the controls of their table.
        batch_sizes: Batch sizes in place of the tables'; None for theirs, with their controls.
        probe: Fields of `Probe` that were set, for all probes.
        distillation: Fields of `Distillation` that were set.
        single_pass: End a probe's training after one pass over the images.
    """

    targets: tuple[str, ...]
    seeds: tuple[int, ...]
    rows: tuple[str, ...] | None = None
    batch_sizes: tuple[int, ...] | None = None
    probe: Mapping[str, Any] = field(default_factory=dict)
    distillation: Mapping[str, Any] = field(default_factory=dict)
    single_pass: bool = False


def tables_of(targets: Sequence[str]) -> list[Table]:
    """The tables that targets are run from, each once: a figure's own, and table 2 for table 3."""
    wanted = set()
    for target in targets:
        kind, _, number = target.partition(" ")
        table = FIGURES[number].table if kind == "figure" else number
        wanted.add("2" if table == "3" else table)
    return [TABLES[number] for number in sorted(wanted)]


def plan_reproduction(request: Request, sources: Sources) -> Plan:
    """The jobs of tables and figures.

    Args:
        request: What is wanted.
        sources: What the jobs are made from.

    Raises:
        UsageError: No row wanted is in the tables.
    """
    series: list[Series] = []
    for table in tables_of(request.targets):
        if isinstance(table.base, Distillation):
            series += _students(table, request, sources)
        else:
            series += _probes(table, request, sources)
    if not series:
        raise UsageError("nothing to run: none of the rows is in what was asked for")
    return Plan(profile=sources.profile, targets=request.targets, series=tuple(series))


def plan_folder(
    name: str,
    classes: int,
    inputs: Mapping[str, str],
    *,
    batch_sizes: Sequence[int],
    seeds: Sequence[int],
    single_pass: bool,
    choices: Mapping[str, Any],
) -> Plan:
    """Table 4's protocol on a folder of images.

    Args:
        name: The folder's name.
        classes: Number of class folders.
        inputs: Hashes of code, data and encoder.
        batch_sizes: Batch sizes to run.
        seeds: Seeds of each batch size.
        single_pass: End after one pass over the images.
        choices: How the folder is read and split.
    """
    sources = Sources(
        profile=FOLDER.name,
        sets={name: SetSize(classes=classes, train_images=None)},
        inputs=lambda *_: inputs,
    )
    series = []
    for batch_size in batch_sizes:
        probe = replace(PROBE, dataset=name, batch_size=batch_size)
        jobs = head_jobs(sources, probe, seeds, single_pass=single_pass, choices=choices)
        variant = {"batch_size": batch_size}
        series.append(Series(section="transfer", label=name, variant=variant, jobs=jobs))
    return Plan(profile=FOLDER.name, targets=("transfer",), series=tuple(series))


def _labels(table: Table, request: Request) -> list[str]:
    every = (*table.rows, *table.added_rows)
    return [label for label in every if request.rows is None or label in request.rows]


def _probes(table: Table, request: Request, sources: Sources) -> list[Series]:
    assert isinstance(table.base, Probe)
    base = replace(table.base, **request.probe)
    sizes = request.batch_sizes or table.batch_sizes or (base.batch_size,)
    series, datasets = [], []
    for batch_size in sizes:
        for label in _labels(table, request):
            probe = replace(base, **table.changes(label), batch_size=batch_size)
            datasets.append(probe.dataset)
            jobs = head_jobs(sources, probe, request.seeds, single_pass=request.single_pass)
            variant = {"batch_size": batch_size}
            series.append(
                Series(section=f"table {table.id}", label=label, variant=variant, jobs=jobs)
            )
    if table.id != FIGURES["6"].table or not series:
        return series
    datasets = list(dict.fromkeys(datasets))
    series += encoder_checks(sources, datasets)
    if request.rows is None and request.batch_sizes is None:
        base = replace(base, batch_size=sizes[0])
        series += class_count_series(sources, base, request.seeds)
        series += batch_size_series(sources, base, sizes, datasets, request.seeds)
    return series


def _students(table: Table, request: Request, sources: Sources) -> list[Series]:
    assert isinstance(table.base, Distillation)
    base = replace(table.base, **request.distillation)
    teacher = replace(PROBE, **request.probe)
    teacher = replace(teacher, dataset=base.dataset, augment=base.augment)
    series = []
    for learns_from in ("teacher", "labels"):
        for label in _labels(table, request):
            student = replace(base, **table.changes(label), learns_from=learns_from)
            jobs = student_jobs(sources, student, teacher, request.seeds)
            variant = {"learns_from": learns_from}
            series.append(Series(section="table 2", label=label, variant=variant, jobs=jobs))
    return series
