"""`verify`: is a run directory what was written, and do its metrics follow from its predictions."""

import argparse
from dataclasses import asdict

from simclr_bench.cli.output import print_json, print_line
from simclr_bench.errors import DataError
from simclr_bench.experiments.metrics import metrics_of
from simclr_bench.experiments.provenance.verification import Verification, verify
from simclr_bench.results.store import RunDirectory


def run(options: argparse.Namespace) -> int:
    """Runs `verify`."""
    found = verify(RunDirectory(options.out), metrics_of)
    if options.json:
        print_json({"run_directory": str(options.out), **asdict(found)})
    if found.faults:
        others = len(found.faults) - 1
        more = f" (and {others} more; verify --json lists all)" if others else ""
        raise DataError(f"{found.faults[0]}{more}")
    if not options.json:
        print_line(_summary(str(options.out), found))
    return 0


def _summary(out: str, found: Verification) -> str:
    statuses = ", ".join(f"{number} {status}" for status, number in found.statuses.items())
    text = (
        f"{out}: {found.records} records are as written ({statuses or 'none'}); every metric was"
        f" computed again from {found.predictions} files of predictions, with equal results"
    )
    if found.leftovers:
        text += f"; {len(found.leftovers)} unfinished files of a run killed or going on"
    return text
