"""Memory of this process: what is resident, how far a call lets it rise, and a limit. Linux."""

import ctypes
import resource
from collections.abc import Callable
from pathlib import Path


def status_mb(field: str) -> float:
    """A size that the system knows of this process, such as VmRSS, in 10^6 bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith(f"{field}:")]
    return int(line.split()[1]) * 1024 / 1e6


def rise_mb(call: Callable[[], object]) -> float:
    """The most that a call holds above what is resident before it."""
    ctypes.CDLL(None).malloc_trim(0)
    before = status_mb("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # sets the high-water mark back to now
    call()
    return status_mb("VmHWM") - before


def available_bytes() -> int:
    """Memory that can be had without swapping, in this container if it is one."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("MemAvailable:")]
    limits = [int(line.split()[1]) * 1024]
    for path in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            limits.append(int((Path("/sys/fs/cgroup") / path).read_text()))
        except (OSError, ValueError):  # there is none, or it says "max"
            continue
    return min(limits)


def limit(allowance: int) -> None:
    """Lets this process and its children map that many bytes more each, resident or not.

    What asks for more is refused, instead of driving the machine into its swap.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    most = int(status_mb("VmData") * 1e6) + allowance
    resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
