"""`reproduce`: the paper's tables, re-run."""

import argparse
import os
from typing import Any

from simclr_bench.cli.configuration import print_configuration
from simclr_bench.cli.output import print_json, print_text
from simclr_bench.cli.progress import make_progress
from simclr_bench.errors import UsageError
from simclr_bench.experiments.profiles import EMBEDDED
from simclr_bench.experiments.settings import BUILT_IN, FLAGS, Resolved, resolve
from simclr_bench.experiments.suggest import find
from simclr_bench.paper.spec import Table
from simclr_bench.paper.tables import FIGURE_6, TABLES


def run(options: argparse.Namespace) -> int:
    """Runs `reproduce`."""
    resolved = resolved_settings(options)
    if options.print_config:
        print_configuration(resolved, options.json)
        return 0
    table = _table(options)
    _refuse_what_is_not_wired_yet(options, resolved)
    settings = resolved.settings
    labels = _labels(table, settings.run.rows)

    from simclr_bench.experiments.embedded import reproduce_table
    from simclr_bench.report.document import build_document
    from simclr_bench.report.figures import save_classes_against_accuracy
    from simclr_bench.report.terminal import TerminalReport

    progress = make_progress(quiet=options.quiet)
    plan, records = reproduce_table(table, labels, settings.run.seeds, options.out, progress)
    document = build_document(plan, records, EMBEDDED, table, str(options.out))
    if table.id == FIGURE_6.table:
        figure = save_classes_against_accuracy(document, FIGURE_6, options.out / "figures")
        document["figures"].append(figure)
    if options.json:
        print_json(document)
    else:
        print_text(TerminalReport(document))
    failed = options.fail_on and not verdicts_of(document).isdisjoint(options.fail_on)
    return 1 if failed else 0


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


def _table(options: argparse.Namespace) -> Table:
    runnable = [table for table in TABLES.values() if table.runs]
    if options.all:
        return runnable[0]
    number = {"2": "1", "6": "4"}[options.figure] if options.figure else options.table
    table = TABLES["2" if number == "3" else number]
    if not table.runs:
        ready = ", ".join(other.id for other in runnable)
        raise UsageError(
            f"table {table.id} is declared but cannot be re-run yet; `simclr-bench show {table.id}`"
            f" prints it, and reproduce runs: {ready}"
        )
    return table


def _labels(table: Table, rows: tuple[str, ...] | None) -> list[str]:
    if rows is None:
        return list(table.rows)
    wanted = {find(name, table.rows, f"row of table {table.id}") for name in rows}
    return [label for label in table.rows if label in wanted]


def _refuse_what_is_not_wired_yet(options: argparse.Namespace, resolved: Resolved) -> None:
    wired = ("run.seeds", "run.rows", "run.jobs", "run.workers")
    for key, origin in resolved.origins.items():
        if origin != BUILT_IN and key not in wired:
            raise UsageError(f"{origin}: {key} has no effect yet")
    if options.dry_run:
        raise UsageError("--dry-run has no effect yet")
