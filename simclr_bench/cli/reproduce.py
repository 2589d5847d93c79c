"""`reproduce`: a table of the paper, re-run."""

import argparse
from typing import Any

from simclr_bench.cli.output import print_json, print_text
from simclr_bench.cli.progress import make_progress
from simclr_bench.cli.suggest import find
from simclr_bench.errors import UsageError
from simclr_bench.experiments.profiles import EMBEDDED
from simclr_bench.paper.spec import Table
from simclr_bench.paper.tables import FIGURE_6, TABLES


def run(options: argparse.Namespace) -> int:
    """Runs `reproduce`."""
    table = TABLES[find(options.table, TABLES, "table")]
    if not table.runs:
        ready = ", ".join(other.id for other in TABLES.values() if other.runs)
        raise UsageError(
            f"table {table.id} is declared but cannot be re-run yet; `simclr-bench show {table.id}`"
            f" prints it, and reproduce runs: {ready}"
        )
    labels = _labels(table, options.rows)

    from simclr_bench.experiments.embedded import reproduce_table
    from simclr_bench.report.document import build_document
    from simclr_bench.report.figures import save_classes_against_accuracy
    from simclr_bench.report.terminal import TerminalReport

    plan, records = reproduce_table(table, labels, options.seeds, options.out, make_progress())
    document = build_document(plan, records, EMBEDDED, table, str(options.out))
    if table.id == FIGURE_6.table:
        figure = save_classes_against_accuracy(document, FIGURE_6, options.out / "figures")
        document["figures"].append(figure)
    if options.json:
        print_json(document)
    else:
        print_text(TerminalReport(document))
    return 1 if options.fail_on == "fails" and _any_claim_fails(document) else 0


def _labels(table: Table, rows: str | None) -> list[str]:
    if rows is None:
        return list(table.rows)
    wanted = {
        find(name.strip(), table.rows, f"row of table {table.id}") for name in rows.split(",")
    }
    return [label for label in table.rows if label in wanted]


def _any_claim_fails(document: dict[str, Any]) -> bool:
    return any(
        verdict["verdict"] == "fails"
        for table in document["tables"]
        for claim in table["claims"]
        for verdict in claim["ours"]
    )
