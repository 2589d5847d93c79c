"""Scaling curves: time and peak memory of a step at doubled sizes, until the machine refuses.

    python -m benchmarks.measuring.scaling PROVIDER CELL      (what `measure` starts; CELL is JSON)

Each point has a process of its own, so that no provider profits or suffers from the memory of
another. On a CPU it may take 80 % of what is available when it starts: the machine never swaps, and
nobody else's process is killed. That it needs more, or longer than anybody waits, is a result, and
the curve of that provider ends there.
"""

import json
import os
import signal
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace

import torch

from benchmarks.grid.cells import LossCell
from benchmarks.grid.scaling import GROWTH
from benchmarks.grid.suites import Suite
from benchmarks.measuring import child, cuda, resident
from benchmarks.measuring.devices import DEVICES
from benchmarks.measuring.memory import warm
from benchmarks.measuring.race import record
from benchmarks.measuring.truth import make_inputs, step
from benchmarks.providers.everyone import PROVIDERS
from benchmarks.records.record import Record

PATIENCE_S = 60.0
# Importing and compiling, and as many steps of the longest that are tried.
STARTING_S, LONGEST_STEPS = 180.0, 8
# A median over as many calls as fit.
CALLS, TIMING_S = 51, 2.0
SHARE_OF_MEMORY = 0.8
# How torch, C++ and the system say that there is no memory; torch gives it no type on a CPU.
NO_MEMORY = ("can't allocate memory", "cannot allocate memory", "bad_alloc", "out of memory")


@dataclass(frozen=True)
class Found:
    """What one process found: either numbers, or why there are none.

    Attributes:
        times_ms: Of each call.
        peak_mb: Of a step above its inputs, in 10^6 bytes.
        not_run: "refused: ..." or "failed: ...", in a line.
    """

    times_ms: tuple[float, ...] = ()
    peak_mb: float | None = None
    not_run: str | None = None


Measure = Callable[[str, LossCell, float], Found]
Clock = Callable[[], float]


def measure_curves(
    suite: Suite, patience_s: float = PATIENCE_S, measure: "Measure | None" = None
) -> Iterator[Record]:
    """Records of a suite of doublings, smallest first, as they come.

    A provider that refuses gets a record which says so, and no larger cell.

    Args:
        suite: Cells of one loss, rows ascending.
        patience_s: The longest step that is tried, by what the last size lets expect.
        measure: One point from provider, cell and patience; a process each unless given.
    """
    measure = measure or in_a_process
    # Asking for the environment of a GPU copies large buffers there, which the points need.
    DEVICES[suite.device].environment()
    DEVICES[suite.device].release()
    last_s: dict[str, float] = {}
    out: set[str] = set()
    for cell in suite.cells:
        assert isinstance(cell, LossCell)
        for name in suite.providers:
            if name in out:
                continue
            expected_s = GROWTH[cell.loss] * last_s.get(name, 0.0)
            # Its limit on rows is for races; here the limit is what is looked for.
            reason = replace(PROVIDERS[name], largest_rows=None).why_not(cell)
            if reason is not None:
                point = Found(not_run=reason)
            elif expected_s > patience_s:
                point = Found(not_run=f"refused: a step would take ~{expected_s:.0f} s")
            else:
                point = measure(name, cell, patience_s)
            if point.not_run is None:
                last_s[name] = statistics.median(point.times_ms) / 1000
            else:
                out.add(name)
            yield record(suite, cell, name, **asdict(point))


def in_a_process(name: str, cell: LossCell, patience_s: float) -> Found:
    """The point that a fresh process finds."""
    limit_s = STARTING_S + LONGEST_STEPS * patience_s
    try:
        done = child.run("benchmarks.measuring.scaling", name, cell, limit_s)
    except subprocess.TimeoutExpired:
        return Found(not_run=f"refused: no answer within {limit_s:.0f} s")
    return understood(done.returncode, done.stdout, done.stderr)


def understood(code: int, out: str, err: str) -> Found:
    """The point of a process that has ended, whichever way."""
    if code == 0:
        fields = json.loads(out.splitlines()[-1])  # a peer may print before
        return Found(tuple(fields["times_ms"]), fields["peak_mb"], fields["not_run"])
    if code == -signal.SIGKILL:
        return Found(not_run="refused: out of memory (killed by the system)")
    if says_no_memory(err):
        return Found(not_run="refused: out of memory")
    return Found(not_run=child.failure(code, err))


def says_no_memory(text: str) -> bool:
    return any(words in text.lower() for words in NO_MEMORY)


def measured(name: str, cell: LossCell) -> Found:
    """The point, in this process, which is good for nothing else then."""
    torch.set_num_threads(cell.threads)
    if cell.device != "cpu":
        try:
            return _on_cuda(name, cell)
        except torch.OutOfMemoryError:
            total = torch.cuda.get_device_properties(0).total_memory
            return _no_memory(total)
    allowance = int(SHARE_OF_MEMORY * resident.available_bytes())
    resident.limit(allowance)
    try:
        return _on_cpu(name, cell)
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, MemoryError) or says_no_memory(str(error)):
            return _no_memory(allowance)
        raise


def _no_memory(had: int) -> Found:
    return Found(not_run=f"refused: out of memory (needs more than {had / 1e9:.1f} GB)")


def timed(call_ms: Callable[[], float], clock: Clock = time.perf_counter) -> list[float]:
    """Times of up to CALLS calls, one at least, until TIMING_S have passed."""
    end = clock() + TIMING_S
    times = [call_ms()]
    while len(times) < CALLS and clock() < end:
        times.append(call_ms())
    return times


def _on_cpu(name: str, cell: LossCell) -> Found:
    inputs = make_inputs(cell)
    function = PROVIDERS[name].builders[cell.loss](cell)
    warm(PROVIDERS[name], cell, function, inputs)

    def call_ms() -> float:
        start = time.perf_counter()
        step(function, inputs)
        return 1000 * (time.perf_counter() - start)

    peak = resident.rise_mb(call_ms)  # also the call at this size that does not count
    return Found(tuple(timed(call_ms)), peak)


def _on_cuda(name: str, cell: LossCell) -> Found:
    inputs = make_inputs(cell)
    function = PROVIDERS[name].builders[cell.loss](cell)

    def call() -> object:
        return step(function, inputs)

    call()
    peak = cuda.peak_mb(call)
    pause_ms = cuda.PAUSE * min(cuda.launch_ms(call) for _ in range(3))
    first_ms = cuda.times_ms(call, 1, pause_ms=pause_ms)[0]
    calls = max(1, min(CALLS, int(1000 * TIMING_S / first_ms)))
    return Found(tuple(cuda.times_ms(call, calls, pause_ms=pause_ms)), peak)


def main() -> int:
    point = measured(*child.asked())
    print(json.dumps(asdict(point)), flush=True)
    # What is left to tear down may fail where memory has run out, and has nothing to say.
    os._exit(0)


if __name__ == "__main__":
    raise SystemExit(main())
