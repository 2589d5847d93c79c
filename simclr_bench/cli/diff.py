"""`diff`: what changed between two run directories."""

import argparse

from simclr_bench.cli.output import print_json, print_text
from simclr_bench.errors import UsageError


def run(options: argparse.Namespace) -> int:
    """Runs `diff`."""
    from simclr_bench.experiments.reproduction import document_of
    from simclr_bench.report.diff import DiffReport, diff_documents, obstacle

    a, b = document_of(options.a), document_of(options.b)
    if reason := obstacle(a, b):
        raise UsageError(f"diff: {options.a} and {options.b} cannot be compared: {reason}")
    difference = diff_documents(a, b)
    if options.json:
        print_json(difference)
    else:
        print_text(DiffReport(difference))
    return 0
