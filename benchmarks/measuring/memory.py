"""Peak resident memory of one step above its inputs, in a fresh process per provider. Linux.

python -m benchmarks.measuring.memory PROVIDER CELL      (what measure_peaks starts; CELL is JSON)
"""

from dataclasses import replace

import torch

from benchmarks.grid.cells import LossCell
from benchmarks.grid.suites import Suite
from benchmarks.measuring import child
from benchmarks.measuring.race import record
from benchmarks.measuring.resident import rise_mb
from benchmarks.measuring.truth import Inputs, make_inputs, step
from benchmarks.providers.everyone import PROVIDERS
from benchmarks.providers.provider import LossFunction, Provider
from benchmarks.records.record import Record

WARM_ROWS = 64


def measure_peaks(suite: Suite, cell: LossCell) -> list[Record]:
    """Records of the peaks alone."""
    records = []
    for name in suite.providers:
        if reason := PROVIDERS[name].why_not(cell):
            records.append(record(suite, cell, name, not_run=reason))
            continue
        done = child.run("benchmarks.measuring.memory", name, cell)
        if done.returncode:
            reason = child.failure(done.returncode, done.stderr)
            records.append(record(suite, cell, name, not_run=reason))
            continue
        peak = float(done.stdout.splitlines()[-1])  # a peer may print before
        records.append(record(suite, cell, name, peak_mb=peak))
    return records


def warm(provider: Provider, cell: LossCell, function: LossFunction, inputs: Inputs) -> None:
    """Loads libraries and starts threads.

    Small, so that no buffer it keeps is as large as what is measured; but what compiles must have
    done so for this shape.
    """
    small = replace(cell, rows=min(cell.rows, WARM_ROWS))
    step(function, inputs if provider.compiled else make_inputs(small))


def peak_mb(name: str, cell: LossCell) -> float:
    """The rise of one step."""
    torch.set_num_threads(cell.threads)
    provider = PROVIDERS[name]
    inputs = make_inputs(cell)
    function = provider.builders[cell.loss](cell)
    warm(provider, cell, function, inputs)
    return rise_mb(lambda: step(function, inputs))


if __name__ == "__main__":
    print(peak_mb(*child.asked()))
