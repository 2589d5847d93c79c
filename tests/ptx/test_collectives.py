"""What the threads of a warp or a block do together, in every schedule."""

from functools import cache, reduce
from operator import and_, or_, xor
from pathlib import Path

import numpy as np
import pytest

from .emulator.build import emulate
from .emulator.library import SCHEDULES, EmulationError, Library, Schedule
from .shipped import Array

every_schedule = pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
int32 = np.int32


@cache
def collectives() -> Library:
    return emulate(Path(__file__).parent / "kernels" / "collectives.cu")


def numbers(count: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).integers(-3, 8, count).astype(int32)


@every_schedule
@pytest.mark.parametrize("width", [32, 16, 4])
@pytest.mark.parametrize("by", [0, 1, 3, 8])
def test_shuffles(width: int, by: int, schedule: Schedule) -> None:
    x, out = numbers(64), np.zeros((4, 64), int32)
    collectives().call("run_shuffles", int32(width), x, int32(by), out, schedule=schedule)
    lane = np.arange(64)
    first = lane // width * width

    def taken(source: Array) -> Array:
        """From a lane of the same segment, or the own number."""
        same = (source >= first) & (source < first + width)
        return x[np.where(same, source, lane)]

    assert (out[0] == taken(lane - by)).all()
    assert (out[1] == taken(lane + by)).all()
    # xor looks into earlier segments too, but a width of 2^i is never left by less than that.
    assert (out[2] == x[np.where((lane ^ by) < first + width, lane ^ by, lane)]).all()
    assert (out[3] == x[first + by % width]).all()


@every_schedule
@pytest.mark.parametrize("mask", [0xFFFFFFFF, 0x0000FFFF, 0x80000101, 0x10])
def test_votes_and_reductions(mask: int, schedule: Schedule) -> None:
    x, out = numbers(32, mask % 97), np.zeros((9, 32), np.uint32)
    collectives().call("run_votes", x, np.uint32(mask), out, schedule=schedule)
    lanes = [lane for lane in range(32) if mask >> lane & 1]
    mine = [int(x[lane]) for lane in lanes]
    bits = [value % 2**32 for value in mine]
    want = [
        sum(1 << lane for lane in lanes if x[lane] > 0),
        any(value > 2 for value in mine),
        all(value > 0 for value in mine),
        sum(mine) % 2**32,
        min(mine) % 2**32,
        max(bits),
        *(reduce(function, bits) for function in (xor, or_, and_)),
    ]
    assert (out[:, lanes] == np.array(want, np.uint32)[:, None]).all()
    others = [lane for lane in range(32) if lane not in lanes]
    assert (out[:, others] == 0).all()


@every_schedule
def test_two_halves_of_a_warp_shuffle_apart(schedule: Schedule) -> None:
    x, out = numbers(64), np.zeros(64, int32)
    collectives().call("run_halves", x, out, schedule=schedule)
    sums = x.reshape(4, 16).sum(axis=1)
    assert (out.reshape(4, 16) == (sums * [1, -1, 1, -1])[:, None]).all()


@every_schedule
def test_lanes_that_have_returned_are_not_waited_for(schedule: Schedule) -> None:
    x, out = numbers(32), np.zeros(16, int32)
    collectives().call("run_after_return", x, int32(3), out, schedule=schedule)
    assert (out == x[np.arange(16) ^ 3]).all()
    with pytest.raises(EmulationError, match=r"reads lane \d+, which does not take part"):
        collectives().call("run_after_return", x, int32(16), out, schedule=schedule)


@every_schedule
def test_a_lane_must_be_in_its_own_mask(schedule: Schedule) -> None:
    with pytest.raises(EmulationError, match=r"lane \d+ is not in its mask 0000fffe"):
        collectives().call("run_outside_its_mask", numbers(32), numbers(32), schedule=schedule)


@every_schedule
@pytest.mark.parametrize("threads", [64, 100])
def test_barriers(threads: int, schedule: Schedule) -> None:
    for x in (numbers(threads), np.full(threads, 1, int32), np.full(threads, -1, int32)):
        out = np.zeros((4, threads), int32)
        collectives().call("run_barriers", x, int32(threads), out, schedule=schedule)
        assert (out[0] == (x > 0).sum()).all()
        assert (out[1] == (x > 0).all()).all()
        assert (out[2] == (x > 0).any()).all()
        assert (out[3, :64] == np.arange(63, -1, -1)).all()


@every_schedule
def test_a_producer_arrives_without_waiting(schedule: Schedule) -> None:
    x, out = np.array([7], int32), np.zeros(32, int32)
    collectives().call("run_producer", x, out, schedule=schedule)
    assert (out == 7).all()
