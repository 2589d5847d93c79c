"""Runs one suite without pytest, in a process whose environment suits it.

    python -m benchmarks.run SUITE [--loss LOSS] [--allocator tuned] [--record DIR]

SUITE is a race (quick, standard, bfloat16, sweep), `accuracy` or `memory`. With
`--allocator tuned` the process starts with a malloc that never gives memory back, which is to
eager's favour; the standard grid of NT-Xent is then raced at D = 128 only.
"""

import argparse
import os
import sys
from pathlib import Path

from benchmarks.grid import CPU_SUITES, Cell, LossCell, Suite
from benchmarks.grid.losses import ACCURACY, MEMORY, TUNED_CELLS
from benchmarks.measuring.machine import TUNED_ALLOCATOR, allocator
from benchmarks.page import table
from benchmarks.records.record import Record, append

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
    found = [suite for suite in (*CPU_SUITES, ACCURACY, MEMORY) if suite.name == name]
    if wanted == "tuned" and name == "standard":
        found = [s for s in found if s.work != "nt_xent" or {*s.cells} <= {*TUNED_CELLS}]
    return [suite for suite in found if loss in {None, suite.work}]


def measure(suite: Suite, cell: Cell) -> list[Record]:
    """Records of what its suite is for."""
    from benchmarks.measuring.memory import measure_peaks
    from benchmarks.measuring.race import Race, measure_errors

    special = {ACCURACY.name: measure_errors, MEMORY.name: measure_peaks}
    if isinstance(cell, LossCell) and suite.name in special:
        return special[suite.name](suite, cell)
    return Race(suite, cell).run()


def main() -> int:
    names = list(dict.fromkeys(suite.name for suite in (*CPU_SUITES, ACCURACY, MEMORY)))
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run")
    parser.add_argument("suite", choices=names)
    parser.add_argument("--loss", choices=LOSSES)
    parser.add_argument("--allocator", choices=("default", "tuned"), default="default")
    parser.add_argument("--record", type=Path, metavar="DIR")
    chosen = parser.parse_args()
    with_environment(chosen.allocator)

    for suite in suites(chosen.suite, chosen.loss, chosen.allocator):
        done: list[Record] = []
        for cell in suite.cells:
            records = measure(suite, cell)
            if chosen.record:
                append(chosen.record, records)
            print(f"{suite.name} {cell}", file=sys.stderr, flush=True)
            done += records
        show = {"accuracy": table.accuracies, "memory": table.peaks}.get(suite.name, table.races)
        print("\n".join([*table.aligned(show(done)), *table.left_out(done)]), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
