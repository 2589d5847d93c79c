"""Bugs that kernels have, planted one by one in kernels/planted.cu: each must be noticed."""

import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from .emulator.build import emulate
from .emulator.library import SCHEDULES, EmulationError, Library, Schedule
from .shipped import empty

SOURCE = Path(__file__).parent / "kernels" / "planted.cu"
BUGS = re.findall(r"^  (k\w+),$", SOURCE.read_text(), re.MULTILINE)  # the lines of enum Bug
NUMBERS = 200  # three tiles of 64 and a part


@cache
def library() -> Library:
    return emulate(SOURCE)


def verdict(library: Library, bug: str, schedule: Schedule) -> str:
    """ "right", "wrong", "NaN", or the emulator's message."""
    # Small integers: every sum is exact, in whatever order.
    x = np.random.default_rng(0).integers(-4, 5, NUMBERS).astype(np.float32)
    out, total, first = empty(64), np.zeros(1, np.float32), empty(1)
    try:
        library.call(
            "planted", np.int32(BUGS.index(bug)), x, NUMBERS, out, total, first, schedule=schedule
        )
    except EmulationError as error:
        return str(error)
    tiles = np.resize(np.append(x, np.zeros(256 - NUMBERS)), (4, 64))
    weights = np.array([[(s - t) % 64 + 1 for t in range(64)] for s in range(64)])
    want = (tiles @ weights).sum(axis=0)
    if np.isnan(out).any() or np.isnan(first).any():
        return "NaN"
    right = (out == want).all() and first[0] == want[:32].sum() and total[0] == x.sum()
    return "right" if right else "wrong"


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_the_kernel_without_a_bug_is_right(schedule: Schedule) -> None:
    assert verdict(library(), "kNone", schedule) == "right"


# What every schedule must say.
MESSAGES = {
    "kUnwrittenShared": "NaN",
    "kShuffleUnderDivergence": "meet in different operations|does not take part",
    "kBarrierUnderDivergence": "divergent barrier",
    "kSharedTooSmall": r"shared memory: 4 bytes at 2\d\d of 240",
    "kTooManyForBarrier": r"deadlock in block \(0, 0, 0\): threads 0-31 wait in 'bar.sync 1, 64",
    "kMisaligned": "misaligned: 8 bytes",
}
# What orders of events show, as wrong values: in how many of the seven schedules at least.
SCHEDULES_THAT_SEE = {
    "kNoBarrierAfterWriting": 7,
    "kNoBarrierBeforeWriting": 7,
    "kUpdateIsNotAtomic": 3,
}
# What no value shows: see test_sanitizers.py.
INVISIBLE = ("kReadsPastTheEnd", "kBlocksRace")


@pytest.mark.parametrize("bug", MESSAGES)
@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_noticed_in_every_schedule(bug: str, schedule: Schedule) -> None:
    found = verdict(library(), bug, schedule)
    assert re.search(MESSAGES[bug], found), found


@pytest.mark.parametrize("bug", SCHEDULES_THAT_SEE)
def test_noticed_by_wrong_values(bug: str) -> None:
    verdicts = {str(schedule): verdict(library(), bug, schedule) for schedule in SCHEDULES}
    seen = sum(found in ("wrong", "NaN") for found in verdicts.values())
    assert seen >= SCHEDULES_THAT_SEE[bug], verdicts


@pytest.mark.parametrize("bug", INVISIBLE)
def test_not_noticed_by_values(bug: str) -> None:
    assert {verdict(library(), bug, schedule) for schedule in SCHEDULES} == {"right"}


def test_every_bug_is_tried() -> None:
    assert {*MESSAGES, *SCHEDULES_THAT_SEE, *INVISIBLE} == set(BUGS) - {"kNone", "kBugs"}


def test_a_message_names_the_line() -> None:
    lines = SOURCE.read_text().splitlines()
    number = next(i for i, line in enumerate(lines, 1) if "bar.sync 1, 64" in line)
    assert f"planted.cu:{number}" in verdict(library(), "kTooManyForBarrier", SCHEDULES[0])


def test_a_failed_launch_leaves_nothing_behind() -> None:
    assert "divergent" in verdict(library(), "kBarrierUnderDivergence", SCHEDULES[0])
    assert verdict(library(), "kNone", SCHEDULES[0]) == "right"
