"""Peak resident memory of one step above its inputs, in a fresh process per provider.

python -m benchmarks.measuring.memory PROVIDER CELL      (what measure_peaks starts; CELL is JSON)
"""

import ctypes
import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import torch

from benchmarks.grid.cells import LossCell
from benchmarks.grid.suites import Suite
from benchmarks.measuring.race import record
from benchmarks.measuring.truth import make_inputs, step
from benchmarks.providers import PROVIDERS
from benchmarks.records.record import Record

ROOT = Path(__file__).resolve().parents[2]
WARM_ROWS = 64


def measure_peaks(suite: Suite, cell: LossCell) -> list[Record]:
    """Records of the peaks alone."""
    records = []
    for name in suite.providers:
        if reason := PROVIDERS[name].why_not(cell):
            records.append(record(suite, cell, name, not_run=reason))
            continue
        command = [
            sys.executable,
            "-m",
            "benchmarks.measuring.memory",
            name,
            json.dumps(asdict(cell)),
        ]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
        records.append(record(suite, cell, name, peak_mb=float(done.stdout)))
    return records


def _status_mb(field: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith(f"{field}:")]
    return int(line.split()[1]) * 1024 / 1e6


def peak_mb(name: str, cell: LossCell) -> float:
    """The most that one step holds above what is resident before it, in this process."""
    torch.set_num_threads(cell.threads)
    provider = PROVIDERS[name]
    inputs = make_inputs(cell)
    function = provider.builders[cell.loss](cell)
    # Loads libraries and starts threads. Small, so that no buffer it keeps is as large as what is
    # measured; but what compiles must have done so for this shape.
    step(function, inputs if provider.compiled else make_inputs(replace(cell, rows=WARM_ROWS)))
    ctypes.CDLL(None).malloc_trim(0)
    before = _status_mb("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # sets the high-water mark back to now
    step(function, inputs)
    return _status_mb("VmHWM") - before


if __name__ == "__main__":
    print(peak_mb(sys.argv[1], LossCell(**json.loads(sys.argv[2]))))
