"""`diff`: what changed between two run directories."""

import argparse

from simclr_bench.cli.output import print_json, print_text
from simclr_bench.errors import UsageError


def run(options: argparse.Namespace) -> int:
    """Runs `diff`."""
    from simclr_bench.report.diff import DiffReport, diff_documents, obstacle
    from simclr_bench.report.stored import stored_document

    a, b = stored_document(options.a), stored_document(options.b)
    if reason := obstacle(a, b):
        raise UsageError(f"diff: {options.a} and {options.b} cannot be compared: {reason}")
    difference = diff_documents(a, b)
    if options.json:
        print_json(difference)
    else:
        print_text(DiffReport(difference))
    return 0
