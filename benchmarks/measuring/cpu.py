"""How a CPU is timed: by wall, in rounds of which a crowded one can be told from a quiet one."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.measuring import machine

Call = Callable[[], object]

# A sample is the median of the calls that fit in this time: long beside the 10 ms in which
# /proc/stat counts, so that a round of a few samples can be judged.
SAMPLE_S = 0.05
MOST_CALLS = 500
# A training loop calls one loss again and again; here the one before was another's, which has left
# memory to be fetched again from the system. A call that does not count pays for that; it is spared
# where a call takes this long.
NO_MATTER_MS = 1000.0
# Rounds are fewer where one of them takes long.
SLOW_ROUND_MS = 2500.0


@dataclass(frozen=True)
class Sampler:
    """Takes samples of a call: each the median of some calls, in ms."""

    call: Call
    calls: int
    warm_ms: float

    def __call__(self) -> float:
        if self.warm_ms < NO_MATTER_MS:
            _call_ms(self.call)
        return statistics.median(_call_ms(self.call) for _ in range(self.calls))

    @property
    def takes_ms(self) -> float:
        return self.calls * self.warm_ms


def sampler(call: Call) -> Sampler:
    """The sampler of a call that has run before."""
    warm_ms = min(_call_ms(call) for _ in range(2))
    calls = max(1, min(MOST_CALLS, round(1000 * SAMPLE_S / warm_ms)))
    return Sampler(call, calls, warm_ms)


def _call_ms(call: Call) -> float:
    start = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - start)


def peak_mb(call: Call) -> float | None:
    """Unknown here: what is resident is told apart in a fresh process only (memory.py)."""
    return None


def kernels_of(call: Call) -> int | None:
    """A CPU launches none."""
    return None


def wait() -> None:
    """Nothing is left to run when a call returns."""


def release() -> None:
    """Nothing is kept for later."""


def allocator() -> str:
    """How glibc was told to keep memory."""
    return machine.allocator()


def environment() -> dict[str, Any]:
    """What a number of this machine needs beside it."""
    return machine.environment()
