"""How a GPU is timed, and what it can do: events, a flushed cache, launches queued ahead."""

import functools
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from benchmarks.measuring import machine

Call = Callable[[], object]

# A pause that is longer than launching takes, so that no gap between launches is timed.
PAUSE = 1.5
COPY_BYTES = 2**31

SAMPLE_MS = 20.0
MOST_CALLS = 50
# Rounds are fewer where one of them takes long.
SLOW_ROUND_MS = 300.0


@dataclass(frozen=True)
class Sampler:
    """Takes samples of a call: each the median of some calls, in ms."""

    call: Call
    calls: int
    warm_ms: float
    pause_ms: float

    def __call__(self) -> float:
        return statistics.median(times_ms(self.call, self.calls, pause_ms=self.pause_ms))

    @property
    def takes_ms(self) -> float:
        return self.calls * self.warm_ms


def sampler(call: Call) -> Sampler:
    """The sampler of a call that has run before."""
    pause_ms = PAUSE * min(launch_ms(call) for _ in range(3))
    warm_ms = min(times_ms(call, 3, pause_ms=pause_ms))
    calls = max(1, min(MOST_CALLS, round(SAMPLE_MS / warm_ms)))
    return Sampler(call, calls, warm_ms, pause_ms)


@functools.cache
def _flushed() -> Tensor:
    """A buffer larger than the second-level cache."""
    size = 2 * torch.cuda.get_device_properties(0).L2_cache_size
    return torch.empty(max(size, 2**20), dtype=torch.int8, device="cuda")


@functools.cache
def _cycles_per_ms() -> float:
    """Of the clock that a pause is counted in."""
    torch.cuda._sleep(1000)
    cycles = 10_000_000
    return cycles / statistics.median(times_ms(lambda: torch.cuda._sleep(cycles), 3, pause_ms=0))


def wait() -> None:
    """Until the device has done all that was launched."""
    torch.cuda.synchronize()


def release() -> None:
    """Gives unused memory back to the device."""
    torch.cuda.empty_cache()


def launch_ms(call: Call) -> float:
    """How long the processor needs to launch what a call consists of."""
    wait()
    start = time.perf_counter()
    call()
    spent = 1000 * (time.perf_counter() - start)
    wait()
    return spent


def times_ms(call: Call, calls: int, *, pause_ms: float) -> list[float]:
    """Milliseconds of the device for each call, with a cold cache.

    Args:
        call: What is timed.
        calls: How often.
        pause_ms: How long the device waits before each call, while the processor launches it.
    """
    pause = round(pause_ms * _cycles_per_ms()) if pause_ms else 0
    events = []
    for _ in range(calls):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        _flushed().zero_()
        if pause:
            torch.cuda._sleep(pause)
        start.record()
        call()
        end.record()
        events.append((start, end))
    wait()
    return [start.elapsed_time(end) for start, end in events]


def peak_mb(call: Call) -> float:
    """The most that one call holds above what is allocated before it."""
    wait()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    call()
    wait()
    return (torch.cuda.max_memory_allocated() - before) / 1e6


def kernels_of(call: Call) -> int:
    """Kernels that a call launches; the first profile of a process sees none of them."""
    activities = [torch.profiler.ProfilerActivity.CUDA]
    for _ in range(2):
        with torch.profiler.profile(activities=activities) as profile:
            call()
            wait()
    kinds = torch.autograd.DeviceType.CUDA
    found = [event for event in profile.events() if event.device_type == kinds]
    return sum(not event.name.startswith(("Memcpy", "Memset")) for event in found)


@functools.cache
def copy_gb_s() -> float:
    """Bytes read and written by a large copy within the device, in 10^9 a second."""
    source = torch.empty(COPY_BYTES, dtype=torch.int8, device="cuda").random_()
    target = torch.empty_like(source)
    times = times_ms(lambda: target.copy_(source), 20, pause_ms=0.1)
    return 2 * COPY_BYTES / statistics.median(times) / 1e6


def allocator() -> str:
    """torch's own."""
    return "default"


@functools.cache
def environment() -> dict[str, Any]:
    """What a number of this device needs beside it."""
    properties = torch.cuda.get_device_properties(0)
    return {
        **machine.environment(),
        "cuda": torch.version.cuda,
        "capability": [properties.major, properties.minor],
        "gpu_memory_mib": properties.total_memory // 2**20,
        "multiprocessors": properties.multi_processor_count,
        "copy_gb_s": copy_gb_s(),
    }
