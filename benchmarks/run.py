"""Runs one suite without pytest, in a process whose environment suits it.

    python -m benchmarks.run SUITE [--loss LOSS] [--allocator tuned] [--record DIR]

SUITE is a race (quick, acceptance, bfloat16, sweep), `accuracy` or `memory`. With
`--allocator tuned` the process starts with a malloc that never gives memory back, which is to
eager's favour; the acceptance grid of NT-Xent is then raced at D = 128 only.
"""

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path

from benchmarks import table
from benchmarks.grid import ACCURACY, MEMORY, SUITES, TUNED_CELLS, Suite
from benchmarks.machine import TUNED_ALLOCATOR, allocator
from benchmarks.records import Record, append

LOSSES = ("nt_xent", "distillation")


def with_environment(wanted: str) -> None:
    """Starts this program anew if a variable that is read at its start is not set yet."""
    missing = {"OMP_PROC_BIND": "true"} if "OMP_PROC_BIND" not in os.environ else {}
    if wanted == "tuned" and allocator() != "tuned":
        missing["GLIBC_TUNABLES"] = TUNED_ALLOCATOR
    if missing:
        os.environ.update(missing)
        os.execv(sys.executable, [sys.executable, "-m", "benchmarks.run", *sys.argv[1:]])


def suites(name: str, loss: str | None, wanted: str) -> list[Suite]:
    """The suites of a name, for one loss or for all."""
    found = [suite for suite in (*SUITES, ACCURACY, MEMORY) if suite.name == name]
    if wanted == "tuned" and name == "acceptance":
        found = [replace(s, cells=TUNED_CELLS) if s.loss == "nt_xent" else s for s in found]
    return [suite for suite in found if loss in {None, suite.loss}]


def main() -> int:
    names = list(dict.fromkeys(suite.name for suite in (*SUITES, ACCURACY, MEMORY)))
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run")
    parser.add_argument("suite", choices=names)
    parser.add_argument("--loss", choices=LOSSES)
    parser.add_argument("--allocator", choices=("default", "tuned"), default="default")
    parser.add_argument("--record", type=Path, metavar="DIR")
    chosen = parser.parse_args()
    with_environment(chosen.allocator)

    from benchmarks.memory import measure_peaks
    from benchmarks.race import Race, measure_errors

    for suite in suites(chosen.suite, chosen.loss, chosen.allocator):
        done: list[Record] = []
        for cell in suite.cells:
            if suite is ACCURACY:
                records = measure_errors(suite, cell)
            elif suite is MEMORY:
                records = measure_peaks(suite, cell)
            else:
                records = Race(suite, cell).run()
            if chosen.record:
                append(chosen.record, records)
            print(f"{suite.name} {cell}", file=sys.stderr, flush=True)
            done += records
        show = {"accuracy": table.accuracies, "memory": table.peaks}.get(suite.name, table.races)
        print("\n".join([*table.aligned(show(done)), *table.left_out(done)]), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
