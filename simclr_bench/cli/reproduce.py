"""`reproduce`: the paper's tables and figures, re-run."""

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from simclr_bench.cli.configuration import print_configuration
from simclr_bench.cli.failures import refuse_failed
from simclr_bench.cli.output import print_json, print_text
from simclr_bench.cli.progress import make_progress
from simclr_bench.errors import UsageError
from simclr_bench.experiments.planning.plan import TARGETS, Request, tables_of
from simclr_bench.experiments.profiles import EMBEDDED
from simclr_bench.experiments.settings import ASSIGNMENT, BUILT_IN, FLAGS, Resolved, resolve
from simclr_bench.experiments.settings.suggest import find
from simclr_bench.paper.spec import Distillation


def run(options: argparse.Namespace) -> int:
    """Runs `reproduce`."""
    resolved = resolved_settings(options)
    if options.print_config:
        print_configuration(resolved, options.json)
        return 0
    settings = resolved.settings
    targets = _targets(options)
    _refuse_unused_batch_size(targets, resolved.origins["run.batch_size"])
    request = Request(
        targets=targets,
        seeds=tuple(settings.run.seeds),
        rows=_rows(targets, settings.run.rows),
        batch_sizes=settings.run.batch_size,
        probe=settings.probe.changes,
        distillation=settings.distillation.changes,
        single_pass=settings.probe.single_pass,
    )
    _refuse_unused_networks(settings.run.profile, resolved.origins)
    out = options.out or Path("runs") / settings.run.profile
    progress = make_progress(quiet=options.quiet)
    from simclr_bench.experiments.materials.choose import materials_for
    from simclr_bench.experiments.reproduction import Resources, reproduce

    materials = materials_for(settings)
    resources = Resources(
        processes=settings.run.jobs,
        workers=settings.run.workers,
        bounded=resolved.origins["run.jobs"] == BUILT_IN,
    )
    if options.dry_run:
        from simclr_bench.cli.dry_run import print_dry_run

        print_dry_run(request, materials, out, resources, options.json)
        return 0
    margin = settings.verdict.margin
    plan, records = reproduce(request, materials, out, resources, progress, margin=margin)
    from simclr_bench.report.stored import finished_document

    document = finished_document(out, plan, records, margin)
    if options.json:
        print_json(document)
    else:
        from simclr_bench.report.terminal import TerminalReport

        print_text(TerminalReport(document, details=options.details))
    refuse_failed(plan, records)
    return 1 if not verdicts_of(document).isdisjoint(options.fail_on) else 0


def resolved_settings(options: argparse.Namespace) -> Resolved:
    """The settings that a command line, its file and the environment ask for."""
    given = {flag: getattr(options, flag[2:].replace("-", "_")) for flag in FLAGS}
    flags = {flag: text for flag, text in given.items() if text is not None}
    return resolve(options.config, os.environ, options.set, flags)


def verdicts_of(document: dict[str, Any]) -> set[str]:
    """Every verdict on our results: a cell's word, and a claim's for each measure."""
    tables = document["tables"]
    cells = {row["verdict"]["word"] for table in tables for row in table["rows"] if row["verdict"]}
    claims = {
        judgement["verdict"]
        for table in tables
        for claim in table["claims"]
        for judgement in claim["judgements"]
    }
    return cells | claims


def _targets(options: argparse.Namespace) -> tuple[str, ...]:
    if options.all:
        return TARGETS
    return (f"figure {options.figure}" if options.figure else f"table {options.table}",)


def _refuse_unused_batch_size(targets: Sequence[str], origin: str) -> None:
    """Students have their own batch size: one given here for nothing must not pass in silence."""
    given_here = origin in ("--batch-size", ASSIGNMENT)  # files and variables serve all tables
    if given_here and all(isinstance(t.base, Distillation) for t in tables_of(targets)):
        raise UsageError(
            f"{origin}: run.batch_size is for tables 1 and 4; for table 2 give"
            " --set distillation.batch_size=N"
        )


def _refuse_unused_networks(profile: str, origins: Mapping[str, str]) -> None:
    """The embedded networks are what they are: a choice made here for nothing must not pass."""
    if profile != EMBEDDED.name:
        return
    given_here = (ASSIGNMENT, *FLAGS)
    for key, origin in origins.items():
        full_size = key.startswith("network.") or key == "run.device"
        if full_size and origin in given_here:
            raise UsageError(f"{origin}: {key} is for --profile paper; this is --profile {profile}")


def _rows(targets: Sequence[str], rows: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if rows is None:
        return None
    tables = tables_of(targets)
    known = {label: None for table in tables for label in (*table.rows, *table.added_rows)}
    where = " or ".join(f"table {table.id}" for table in tables)
    return tuple(find(name, known, f"row of {where}") for name in rows)
