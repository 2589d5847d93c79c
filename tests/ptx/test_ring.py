"""A kernel for Hopper with TMA, an mbarrier ring and wgmma, and the bugs of such kernels."""

import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from .emulator.build import emulate
from .emulator.library import SCHEDULES, EmulationError, Library, Schedule
from .shipped import ELEMENTS, Array, empty

SOURCE = Path(__file__).parent / "kernels" / "ring.cu"
BUGS = re.findall(r"^  (k\w+),$", SOURCE.read_text(), re.MULTILINE)  # the lines of enum Bug
BFLOAT16 = ELEMENTS[2]


@cache
def ring() -> Library:
    return emulate(SOURCE, compute="90a")


def aligned(x: Array) -> Array:
    """A copy of 16-bit elements at an address that is a multiple of 16."""
    memory = np.zeros(x.size + 8, x.dtype)
    skip = -(memory.ctypes.data // 2) % 8
    memory[skip : skip + x.size] = x.ravel()
    return memory[skip : skip + x.size].reshape(x.shape)


def verdict(library: Library, bug: str, schedule: Schedule, n: int = 320) -> str:
    """ "right", "wrong", "NaN", or the emulator's message."""
    rng = np.random.default_rng(0)
    # Small integers: every sum is exact.
    a, b = (rng.integers(-8, 9, (64, n)).astype(np.float32) for _ in range(2))
    stored = [aligned(BFLOAT16.stored(x)) for x in (a, b)]
    d = empty(64, 64)
    try:
        number = np.int32(BUGS.index(bug))
        library.call("run_ring", number, *stored, np.int32(n), d, schedule=schedule)
    except EmulationError as error:
        return str(error)
    if np.isnan(d).any():
        return "NaN"
    return "right" if (d == a.astype(np.float64) @ b.T).all() else "wrong"


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
@pytest.mark.parametrize("n", [64, 128, 320])
def test_the_kernel_without_a_bug_is_right(n: int, schedule: Schedule) -> None:
    assert verdict(ring(), "kNone", schedule, n) == "right"


# What a schedule says of a bug, if it notices it.
MESSAGES = {
    "kProducerDoesNotWait": "more arrivals than|while wgmma",
    "kWrongBytes": "8192 bytes arrive in a phase that expects 4096",
    "kWrongAdvance": "wrong",
    "kGivenBackEarly": "is written while wgmma or a bulk copy reads it",
    "kOverwritten": "is written while wgmma or a bulk copy reads it",
    "kNoProxyFence": "no fence.proxy.async since",
    "kEarlyProxyFence": "no fence.proxy.async since",
    "kNoProductsFence": "no wgmma.fence since",
    "kNotAwaited": "is written while wgmma or a bulk copy reads it",
    "kThreeWarps": "warps 0 and 3 of a warpgroup have not started the same wgmma",
    "kSharedTooSmall": r"shared memory: 8 bytes at \d+ of \d+",
}
# Bugs that take luck: in how many of the seven schedules they show at least.
SCHEDULES_THAT_SEE = {"kGivenBackEarly": 5}


@pytest.mark.parametrize("bug", MESSAGES)
def test_planted_bugs(bug: str) -> None:
    verdicts = {str(schedule): verdict(ring(), bug, schedule) for schedule in SCHEDULES}
    seen = [found for found in verdicts.values() if found != "right"]
    assert len(seen) >= SCHEDULES_THAT_SEE.get(bug, len(SCHEDULES)), verdicts
    assert all(re.search(MESSAGES[bug], found) for found in seen), verdicts


def test_every_bug_is_tried() -> None:
    assert {*MESSAGES, "kNone", "kBugs"} == set(BUGS)
