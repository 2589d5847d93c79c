"""What this machine reaches in the operations that a loss is made of, measured in this process.

A ceiling is the best of several calls at the best of several sizes: what the machine can do, where
a median would say what it usually does. Rates of cells are held against them (grid/work.py).
"""

import functools
import math
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

# Milliseconds of each of some calls.
Timer = Callable[[Callable[[], object], int], list[float]]
# From a size to the call that is timed, and the operations (or bytes) of one.
Build = Callable[[int], tuple[Callable[[], object], float]]

CALLS = 5
# A size is not tried where the last one lets expect that it takes longer: on CPUs without bfloat16
# instructions, a product of 2048 x 2048 takes 10 s.
LONGEST_MS = 150.0
MATRICES = {"cpu": (256, 512, 1024, 2048), "cuda": (2048, 4096, 8192)}
# Beyond the caches of any machine: 256 MB read, 256 MB written.
COPY_ELEMENTS = 2**26
# Per thread, from what a core's own caches hold to what those that cores share do.
EXP_ELEMENTS = (2**15, 2**17, 2**19)
EXP_ELEMENTS_CUDA = (2**20, 2**22)
EXP_REPEATS = 20


def best_rate(build: Build, sizes: Sequence[int], timer: Timer) -> float:
    """The best rate over sizes, in 10^9 operations a second.

    Args:
        build: What is timed at a size.
        sizes: Ascending.
        timer: How.
    """
    best, last = 0.0, math.inf
    for size in sizes:
        call, work = build(size)
        if work / 1e6 > LONGEST_MS * last:
            break
        timer(call, 1)
        rate = max(work / ms / 1e6 for ms in timer(call, CALLS))
        best, last = max(best, rate), rate
    return best


def matrix_product(dtype: torch.dtype, device: str) -> Build:
    """Square matrices; a multiply-add counts as two operations."""

    def build(size: int) -> tuple[Callable[[], object], float]:
        a, b = (_random((size, size), device).to(dtype) for _ in range(2))
        out = torch.empty_like(a)
        return lambda: torch.mm(a, b, out=out), 2.0 * size**3

    return build


def copy(device: str) -> Build:
    """Bytes read and bytes written."""

    def build(elements: int) -> tuple[Callable[[], object], float]:
        source = torch.ones(elements, device=device)
        target = torch.empty_like(source)
        return lambda: target.copy_(source), 2.0 * 4 * elements

    return build


def exponentials(device: str) -> Build:
    """`torch.exp` in float32, again and again on the same buffer, which stays in a cache.

    On a GPU too the caches' bandwidth is what bounds it: a kernel that keeps its numbers in
    registers can do more, and a share of this ceiling can be above 1.
    """

    def build(elements: int) -> tuple[Callable[[], object], float]:
        x = _random((elements,), device)
        out = torch.empty_like(x)

        def call() -> None:
            for _ in range(EXP_REPEATS):
                torch.exp(x, out=out)

        return call, float(EXP_REPEATS * elements)

    return build


def _random(shape: tuple[int, ...], device: str) -> Tensor:
    return torch.rand(shape, device=device)


def processor_timer(call: Callable[[], object], calls: int) -> list[float]:
    times = []
    for _ in range(calls):
        start = time.perf_counter()
        call()
        times.append(1000 * (time.perf_counter() - start))
    return times


def device_timer(call: Callable[[], object], calls: int) -> list[float]:
    from benchmarks.measuring import cuda

    return cuda.times_ms(call, calls, pause_ms=cuda.PAUSE * cuda.launch_ms(call))


@functools.cache
def ceilings(device: str, threads: int) -> dict[str, float]:
    """All ceilings of a device, measured once a process, in about 2 s on a CPU.

    Args:
        device: "cpu" or "cuda".
        threads: CPU threads; without effect on "cuda".

    Returns:
        matmul_gflop_s, matmul_bfloat16_gflop_s, copy_gb_s, exp_g_s.
    """
    timer = processor_timer if device == "cpu" else device_timer
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.no_grad():
            found = {
                "matmul_gflop_s": best_rate(
                    matrix_product(torch.float32, device), MATRICES[device], timer
                ),
                "matmul_bfloat16_gflop_s": best_rate(
                    matrix_product(torch.bfloat16, device), MATRICES[device], timer
                ),
                "copy_gb_s": _copy_gb_s(device, timer),
                "exp_g_s": best_rate(exponentials(device), _exp_sizes(device, threads), timer),
            }
    finally:
        torch.set_num_threads(before)
        if device != "cpu":
            torch.cuda.empty_cache()
    return {key: float(f"{value:.4g}") for key, value in found.items()}


def reached(device: str, threads: int) -> dict[str, Any]:
    """What a record's environment says of the machine's speed: ceilings, and its clock if told."""
    clock = clock_mhz(device)
    found: dict[str, Any] = {"ceilings": ceilings(device, threads)}
    return found if clock is None else {**found, "clock_mhz": clock}


def _copy_gb_s(device: str, timer: Timer) -> float:
    if device == "cpu":
        return best_rate(copy(device), (COPY_ELEMENTS,), timer)
    from benchmarks.measuring import cuda

    return cuda.copy_gb_s()


def _exp_sizes(device: str, threads: int) -> tuple[int, ...]:
    if device == "cpu":
        return tuple(threads * elements for elements in EXP_ELEMENTS)
    return EXP_ELEMENTS_CUDA


def clock_mhz(device: str = "cpu") -> float | None:
    """The clock at this moment, the median over cores; None where nothing tells it."""
    return _device_mhz() if device == "cuda" else _cores_mhz(Path("/proc/cpuinfo"))


def _cores_mhz(path: Path) -> float | None:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return None
    clocks = [float(line.split(":")[1]) for line in lines if line.startswith("cpu MHz")]
    return statistics.median(clocks) if clocks else None


def _device_mhz() -> float | None:
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    query = [program, "--query-gpu=clocks.sm", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True)
        return float(done.stdout.splitlines()[0])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None
