"""How long a set of suites takes on a CPU, before it is started: for a person to decide, no more.

A call costs something whatever its size, a product of matrices at a share of what the machine
reaches, and each element of the N x N (or B x C) buffers some bytes to and from memory. The costs
of providers were read off results/cpu, where they are within a factor of 2 from N = 256 on. The
rest is what a race does with calls: three to enter, then in every round one that does not count and
a sample.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.grid.cells import Cell, LossCell
from benchmarks.grid.suites import Suite
from benchmarks.grid.work import work_of
from benchmarks.measuring import cpu
from benchmarks.records.ratios import KEPT_AT_LEAST

# Whether a provider runs in a cell: it may not be installed, or be limited to a size.
Runs = Callable[[Cell, str], bool]

# Two cores of a server with 512-bit vectors: where a machine is not measured first.
TYPICAL = {"matmul_gflop_s": 350.0, "matmul_bfloat16_gflop_s": 350.0, "copy_gb_s": 15.0}


@dataclass(frozen=True)
class Cost:
    """What a provider makes of a loss.

    Attributes:
        fixed_ms: Of any call.
        share: Of the rate of a matrix product that its products reach; above 1 where it saves some.
        bytes: Moved per element of its buffers, faults on fresh pages counted as their time.
        cubed_bytes: The same per triple of rows.
    """

    fixed_ms: float
    share: float
    bytes: float
    cubed_bytes: float = 0.0


OURS = {"fused", "auto", "fused-float32"}
NT_XENT = {
    **dict.fromkeys(OURS, Cost(0.08, 1.25, 5)),
    "chunked": Cost(0.3, 0.95, 60),
    "eager": Cost(0.3, 0.95, 115),
    "compile": Cost(0.25, 0.95, 50),
    "pytorch-metric-learning": Cost(1.0, 0.9, 190, cubed_bytes=250),
}
DISTILLATION = {
    **dict.fromkeys(OURS, Cost(0.08, 1.0, 12)),
    "chunked": Cost(0.3, 1.0, 120),
    "eager": Cost(0.3, 1.0, 120),
    "compile": Cost(0.25, 1.0, 60),
}
# A peer that nothing is known of: lightly's.
A_PEER = Cost(0.4, 0.9, 190)

# Of networks, whose convolutions are smaller than the largest product; and of a view's pixels.
NETWORK_SHARE = 0.4
AUGMENT_NS_PER_PIXEL = 300.0

# In each round: the look whether the machine is idle.
IDLE_S = 0.2
# Starting a process and importing; compiling, the first time in a process and then.
START_S, FIRST_COMPILE_S, COMPILE_S = 10.0, 22.0, 4.0
# The truth in float64, which has half the rate, and goes through its blocks many times.
TRUTH_SHARE, TRUTH_BYTES = 0.5, 200.0


def call_ms(cell: Cell, provider: str, ceilings: Mapping[str, float] = TYPICAL) -> float:
    """What one call takes a provider on a machine with these ceilings."""
    work = work_of(cell)
    rate = ceilings["matmul_gflop_s"]
    if not isinstance(cell, LossCell):
        if work is None:
            return cell.images * cell.side**2 * AUGMENT_NS_PER_PIXEL / 1e6
        return work.flops / (NETWORK_SHARE * rate) / 1e6
    assert work is not None
    if cell.dtype != "float32" and provider not in OURS:
        rate = ceilings["matmul_bfloat16_gflop_s"]  # ours converts where it has no instructions
    known, side = (NT_XENT, cell.rows) if cell.loss == "nt_xent" else (DISTILLATION, cell.columns)
    cost = known.get(provider, A_PEER)
    moved = cell.rows * side * (cost.bytes + cell.rows * cost.cubed_bytes)
    return (
        cost.fixed_ms + work.flops / (cost.share * rate) / 1e6 + moved / ceilings["copy_gb_s"] / 1e6
    )


def cell_s(
    cell: Cell, providers: Sequence[str], rounds: int, ceilings: Mapping[str, float] = TYPICAL
) -> float:
    """What racing one cell takes."""
    entering_ms, warm_ms, samples_ms = 0.0, 0.0, 0.0
    for provider in providers:
        ms = call_ms(cell, provider, ceilings)
        calls = max(1.0, min(cpu.MOST_CALLS, 1000 * cpu.SAMPLE_S / ms))
        entering_ms += 3 * ms + 1000 * COMPILE_S * ("compile" in provider)
        warm_ms += ms if ms < cpu.NO_MATTER_MS else 0.0
        samples_ms += calls * ms
    if samples_ms > cpu.SLOW_ROUND_MS:
        rounds = min(rounds, KEPT_AT_LEAST)
    once_ms = entering_ms + _truth_ms(cell, ceilings)
    return (once_ms + rounds * (warm_ms + samples_ms)) / 1000 + rounds * IDLE_S


def _truth_ms(cell: Cell, ceilings: Mapping[str, float]) -> float:
    work = work_of(cell)
    if not isinstance(cell, LossCell) or work is None:
        return 0.0
    elements = cell.rows * (cell.rows if cell.loss == "nt_xent" else cell.columns)
    products = work.flops / (TRUTH_SHARE * ceilings["matmul_gflop_s"])
    return (products + elements * TRUTH_BYTES / ceilings["copy_gb_s"]) / 1e6


def _always(cell: Cell, provider: str) -> bool:
    return True


def estimate_s(
    suites: Sequence[Suite], ceilings: Mapping[str, float] = TYPICAL, runs: Runs = _always
) -> float:
    """What racing all cells of some suites takes in one process, while nobody disturbs it."""
    compiled = any("compile" in name for suite in suites for name in suite.providers)
    return (
        START_S
        + FIRST_COMPILE_S * compiled
        + sum(
            cell_s(cell, [p for p in suite.providers if runs(cell, p)], suite.rounds, ceilings)
            for suite in suites
            for cell in suite.cells
        )
    )


def announcement(
    suites: Sequence[Suite], ceilings: Mapping[str, float] = TYPICAL, runs: Runs = _always
) -> str:
    """What is about to run, and how long it takes: a line."""
    parts = [
        f"{suite.name}: {len(suite.cells)} cells x {len(suite.providers)} providers"
        f" x {suite.rounds} rounds"
        for suite in suites
    ]
    estimate = duration(estimate_s(suites, ceilings, runs))
    return f"{'; '.join(parts)}, {estimate} on this machine"


def duration(seconds: float) -> str:
    """In words, no finer than the estimate is: "about 35 min"."""
    if seconds < 90:
        return f"about {max(10, 10 * round(seconds / 10))} s"
    if seconds < 600:
        return f"about {round(seconds / 60)} min"
    if seconds < 90 * 60:
        return f"about {5 * round(seconds / 300)} min"
    hours = seconds / 3600
    return f"about {hours:.0f} h" if hours >= 10 else f"about {hours:.1f} h"
