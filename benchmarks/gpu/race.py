"""The race on a GPU: every provider once a round, in rotating order, timed by events.

    python -m benchmarks.gpu.race OUT SECONDS

Appends a record per cell and provider to OUT/gpu_race.jsonl, then, in what is left of the time, to
OUT/gpu_peers.jsonl. Exit codes: 0 done, 1 ours failed somewhere, 75 no time for all of gpu_race.
"""

import math
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.gpu import clock
from benchmarks.gpu.peers import GPU_PROVIDERS, INEXACT
from benchmarks.gpu.plan import PEERS, RACES, SMALL
from benchmarks.gpu.stages import OUT_OF_TIME, say
from benchmarks.grid import Cell, Suite
from benchmarks.providers import LossFunction, Provider
from benchmarks.race import filled
from benchmarks.records import Record, append
from benchmarks.truth import Inputs, errors, exact, make_inputs, step

SAMPLE_MS = 20.0
MOST_CALLS = 50
# Rounds are fewer where one of them takes long; 7 still give an interval.
SLOW_ROUND_MS = 300.0
SLOW_ROUNDS = 7
NO_TIME = "no time left"


def call_of(cell: Cell, function: LossFunction, inputs: Inputs) -> clock.Call:
    """What is timed of a loss in the mode of a cell; captures a graph for "graph"."""
    if cell.mode == "forward":

        def forward() -> Tensor:
            with torch.no_grad():
                return function(*inputs.arguments)

        return forward

    if cell.mode == "step":
        return lambda: step(function, inputs)

    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            step(function, inputs)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        kept = step(function, inputs)

    def replay() -> tuple[Tensor, tuple[Tensor, ...]]:
        graph.replay()
        return kept

    return replay


@dataclass
class Contestant:
    """A provider that runs in this cell, warmed up."""

    provider: Provider
    call: clock.Call
    calls: int
    pause_ms: float
    warm_ms: float
    facts: dict[str, Any]
    times_ms: list[float] = field(default_factory=list)

    def sample(self) -> None:
        times = clock.times_ms(self.call, self.calls, pause_ms=self.pause_ms)
        self.times_ms.append(statistics.median(times))


def kernels(function: LossFunction, inputs: Inputs) -> int:
    """Kernels of the operator itself: the gradient of the loss, 1, is there beforehand."""
    one = torch.ones((), device=inputs.leaves[0].device)
    return clock.kernels_of(
        lambda: torch.autograd.grad(function(*inputs.arguments), inputs.leaves, one)
    )


def enter(
    provider: Provider, cell: Cell, inputs: Inputs, truth: tuple[float, Tensor]
) -> Contestant:
    """Builds and warms up a provider, and compares it with float64 where it computes the loss."""
    function = provider.builders[cell.loss](cell)
    start = time.perf_counter()
    loss, gradients = step(function, inputs)
    clock.wait()
    facts: dict[str, Any] = {}
    if provider.compiled:
        facts["compile_s"] = time.perf_counter() - start
    if provider.name not in INEXACT:
        found = errors(truth, loss, gradients)
        if not all(map(math.isfinite, found)):
            raise ArithmeticError("the loss or its gradient is not finite")
        facts |= dict(zip(("loss_error", "gradient_error"), found, strict=True))
    del loss, gradients
    if provider.name == "fused" and (cell.rows, cell.columns) in SMALL:
        facts["kernels"] = kernels(function, inputs)
    call = call_of(cell, function, inputs)
    facts["peak_mb"] = None if cell.mode == "graph" else clock.peak_mb(call)
    pause_ms = clock.PAUSE * min(clock.launch_ms(call) for _ in range(3))
    warm_ms = min(clock.times_ms(call, 3, pause_ms=pause_ms))
    calls = max(1, min(MOST_CALLS, round(SAMPLE_MS / warm_ms)))
    return Contestant(provider, call, calls, pause_ms, warm_ms, facts)


def why_it_failed(error: Exception) -> str:
    """One line; not to fit in memory is no defect."""
    if isinstance(error, torch.OutOfMemoryError):
        return "out of memory"
    first, *_ = str(error).strip().splitlines() or [""]
    return f"failed: {type(error).__name__}: {first}"


def race(suite: Suite, cell: Cell, device: str = "cuda") -> list[Record]:
    """A record for every provider of the suite, also of those that did not run."""
    inputs = make_inputs(cell, device)
    truth = exact(cell, inputs)
    out: dict[str, str] = {}
    runners: dict[str, Contestant] = {}
    for name in suite.providers:
        provider = GPU_PROVIDERS[name]
        if reason := provider.why_not(cell):
            out[name] = reason
            continue
        try:
            runners[name] = enter(provider, cell, inputs, truth)
        except Exception as error:  # a peer's, of any kind: the others still race
            out[name] = why_it_failed(error)
        torch.cuda.empty_cache()
    round_ms = sum(runner.calls * runner.warm_ms for runner in runners.values())
    for number in range(SLOW_ROUNDS if round_ms > SLOW_ROUND_MS else suite.rounds):
        order = list(runners.values())
        turn = number % len(order) if order else 0
        for contestant in order[turn:] + order[:turn]:
            contestant.sample()
    ours = runners.get(suite.providers[0])
    return [
        record(suite, cell, name, **measured(runners.get(name), ours, out.get(name)))
        for name in suite.providers
    ]


def measured(
    runner: Contestant | None, ours: Contestant | None, not_run: str | None
) -> dict[str, Any]:
    """The fields of a record that are measured."""
    if runner is None:
        return {"not_run": not_run}
    ratios: tuple[float, ...] = ()
    if ours is not None:
        ratios = tuple(t / o for t, o in zip(runner.times_ms, ours.times_ms, strict=True))
    return {"times_ms": tuple(runner.times_ms), "ratios": ratios, **runner.facts}


def record(suite: Suite, cell: Cell, name: str, **fields: Any) -> Record:
    """A record with what all of them hold filled in."""
    return filled(suite, cell, name, GPU_PROVIDERS[name], "default", clock.environment(), **fields)


def cells(suites: Sequence[Suite]) -> Iterator[tuple[Suite, Cell]]:
    return ((suite, cell) for suite in suites for cell in suite.cells)


def run(suites: Sequence[Suite], out: Path, end: float) -> tuple[int, int]:
    """Races until the time is over; returns in how many cells ours failed, and how many are left.

    Those that are left out get a record that says so.
    """
    failed, left = 0, 0
    for suite, cell in cells(suites):
        if time.monotonic() > end:
            left += 1
            append(out, [record(suite, cell, suite.providers[0], not_run=NO_TIME)])
            continue
        torch.cuda.empty_cache()
        records = race(suite, cell)
        append(out, records)
        failed += records[0].not_run is not None
        say("; ".join([f"{suite.name} {cell}", *map(summary, records)]))
    return failed, left


def summary(record: Record) -> str:
    if record.not_run:
        return f"{record.provider} {record.not_run}"
    ratio = f" ({record.ratio.median:.2f}x)" if record.ratio else ""
    return f"{record.provider} {record.median_ms:.4f} ms{ratio}"


def main() -> int:
    out, seconds = Path(sys.argv[1]), float(sys.argv[2])
    end = time.monotonic() + seconds
    say(f"a copy moves {clock.copy_gb_s():.0f} GB/s")
    failed, left = run(RACES, out, end)
    also_failed, peers_left = run(PEERS, out, end)
    say(f"race: ours failed in {failed + also_failed} cells, no time for {left} of the targets'")
    say(f"race: no time for {peers_left} cells of other peers")
    return 1 if failed + also_failed else OUT_OF_TIME if left else 0


if __name__ == "__main__":
    raise SystemExit(main())
