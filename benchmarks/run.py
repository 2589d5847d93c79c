"""Runs one suite without pytest, in a process whose environment suits it.

    python -m benchmarks.run SUITE [--loss LOSS] [--allocator tuned] [--record DIR]
    python -m benchmarks.run scaling [--loss LOSS] [--device cuda] [--record DIR]

SUITE is a race (quick, standard, bfloat16, sweep), `accuracy`, `memory` or `scaling`. With
`--allocator tuned` the process starts with a malloc that never gives memory back, which is to
eager's favour; the standard grid of NT-Xent is then raced at D = 128 only. `scaling` doubles the
rows until the machine refuses; its records are written as they come.
"""

import argparse
import os
import sys
from collections.abc import Iterator

from benchmarks.grid import CPU_SUITES, Cell, LossCell, Suite
from benchmarks.grid.losses import ACCURACY, MEMORY, TUNED_CELLS
from benchmarks.grid.scaling import SCALING
from benchmarks.grid.suites import on_cuda
from benchmarks.measuring.machine import TUNED_ALLOCATOR, allocator, start_unbound
from benchmarks.page import table
from benchmarks.page.curves import curves
from benchmarks.records.record import Record, append
from simclr_bench.cli.arguments.common import new_or_folder

LOSSES = ("nt_xent", "distillation")
SHOWN = {"accuracy": table.accuracies, "memory": table.peaks, "scaling": curves}
STARTS_OTHERS = {MEMORY.name, SCALING[0].name}
KNOWN = (*CPU_SUITES, ACCURACY, MEMORY, *SCALING)


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
    found = [suite for suite in KNOWN if suite.name == name]
    if wanted == "tuned" and name == "standard":
        found = [s for s in found if s.work != "nt_xent" or {*s.cells} <= {*TUNED_CELLS}]
    return [suite for suite in found if loss in {None, suite.work}]


def measure(suite: Suite) -> Iterator[list[Record]]:
    """Records of what a suite is for, as they come."""
    from benchmarks.measuring.scaling import measure_curves

    if suite.name == SCALING[0].name:
        yield from ([record] for record in measure_curves(suite))
        return
    for cell in suite.cells:
        yield measure_cell(suite, cell)


def measure_cell(suite: Suite, cell: Cell) -> list[Record]:
    """Records of one cell."""
    from benchmarks.measuring.memory import measure_peaks
    from benchmarks.measuring.race import Race, measure_errors

    special = {ACCURACY.name: measure_errors, MEMORY.name: measure_peaks}
    if isinstance(cell, LossCell) and suite.name in special:
        return special[suite.name](suite, cell)
    return Race(suite, cell).run()


def main() -> int:
    names = list(dict.fromkeys(suite.name for suite in KNOWN))
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run")
    parser.add_argument("suite", choices=names)
    parser.add_argument("--loss", choices=LOSSES, help="of this alone (default: of all)")
    parser.add_argument("--allocator", choices=("default", "tuned"), default="default")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="scaling only")
    parser.add_argument("--record", type=new_or_folder, metavar="DIR", help="append raw records")
    chosen = parser.parse_args()
    if chosen.device != "cpu" and chosen.suite != "scaling":
        parser.error("--device: races on a GPU are those of `make gpu` and of pytest")
    if not suites(chosen.suite, chosen.loss, chosen.allocator):
        parser.error(f"{chosen.suite} has no {chosen.loss}: leave out --loss")
    with_environment(chosen.allocator)
    if chosen.suite in STARTS_OTHERS:
        start_unbound()

    for planned in suites(chosen.suite, chosen.loss, chosen.allocator):
        suite = planned if chosen.device == "cpu" else on_cuda(planned)
        done: list[Record] = []
        for records in measure(suite):
            if chosen.record:
                append(chosen.record, records)
            print(f"{suite.name} {records[0].cell}", file=sys.stderr, flush=True)
            done += records
        show = SHOWN.get(suite.name, table.races)
        print(
            "\n".join(
                [*table.aligned(show(done)), *table.left_out(done), *table.differences(done)]
            ),
            flush=True,
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
