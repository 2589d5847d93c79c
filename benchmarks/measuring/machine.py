"""The machine: is anybody else using it, and what is it. Linux; elsewhere nothing looks foreign."""

import functools
import importlib
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Above this share of the machine, other processes are taken to have slowed a round down.
FOREIGN_LIMIT = 0.06

# What changes times and is set outside the program.
VARIABLES = ("OMP_PROC_BIND", "OMP_NUM_THREADS", "GOMP_SPINCOUNT", "GLIBC_TUNABLES", "MKL_CBWR")

# Memory once taken is never given back: no page of a fresh N x N buffer is new to the process.
TUNED_ALLOCATOR = "glibc.malloc.mmap_threshold=4294967296:glibc.malloc.trim_threshold=17179869184"


def _busy_s() -> float:
    """CPU seconds of the whole machine that were not idle, since boot."""
    try:
        with Path("/proc/stat").open() as file:
            fields = [int(word) for word in file.readline().split()[1:9]]
    except OSError:
        return time.process_time()
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Clock:
    """A moment: wall, this process, the whole machine; all in seconds."""

    wall_s: float
    own_s: float
    busy_s: float

    @classmethod
    def now(cls) -> "Clock":
        return cls(time.perf_counter(), time.process_time(), _busy_s())


def foreign_share(start: Clock, end: Clock) -> float:
    """The share of the machine's CPU that other processes used between two moments, 0 to 1."""
    cores = os.cpu_count() or 1
    foreign = (end.busy_s - start.busy_s) - (end.own_s - start.own_s)
    return min(1.0, max(0.0, foreign / (cores * max(end.wall_s - start.wall_s, 1e-9))))


def wait_until_idle(limit_s: float, window_s: float = 0.2) -> float:
    """Waits until others leave the machine alone, or the limit is over; returns what it took."""
    start = time.perf_counter()
    while (waited := time.perf_counter() - start) < limit_s:
        before = Clock.now()
        time.sleep(window_s)
        if foreign_share(before, Clock.now()) <= FOREIGN_LIMIT:
            break
    return waited


def start_unbound() -> None:
    """For a process that starts others: leaves all cores to them. Before torch is loaded.

    OpenMP binds the main thread to one core as soon as it is loaded, and a process inherits the
    cores of the thread that starts it, however many threads it will have.
    """
    bound = os.environ.pop("OMP_PROC_BIND", None)
    if bound is not None:
        importlib.import_module("torch")
        os.environ["OMP_PROC_BIND"] = bound


def allocator() -> str:
    """ "tuned" where memory is never given back, "default" where glibc is left alone."""
    setting = os.environ.get("GLIBC_TUNABLES")
    return "default" if setting is None else "tuned" if setting == TUNED_ALLOCATOR else setting


@functools.cache
def environment() -> dict[str, Any]:
    """What a number needs beside it."""
    from simclr_bench.losses import compiled_extension
    from simclr_bench.results.environment import describe_environment

    extension = compiled_extension()
    return {
        **describe_environment(extension.build_info),
        "kernels": extension.cpu_capability,
        "variables": {name: os.environ.get(name) for name in VARIABLES},
    }
