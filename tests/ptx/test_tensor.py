"""Ampere's tensor cores: ldmatrix, mma.sync and cp.async, in kernels/tensor.cu."""

import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from .emulator.build import emulate
from .emulator.library import SCHEDULES, Library, Schedule
from .shipped import ELEMENTS, Array, Element, empty

SOURCE = Path(__file__).parent / "kernels" / "tensor.cu"
BUGS = re.findall(r"k\w+", re.findall(r"enum Bug .*\{(.*)\}", SOURCE.read_text())[0])
RNG = np.random.default_rng(0)
HALVES = ELEMENTS[1:]


@cache
def tensor() -> Library:
    return emulate(SOURCE)


def is_right(
    library: Library,
    bug: str,
    schedule: Schedule,
    *,
    element: Element = HALVES[1],
    transposed: bool = False,
) -> bool:
    """Whether a product has no error at all."""
    n = 80
    a, b = (element.stored(RNG.integers(-8, 9, (rows, n)).astype(np.float32)) for rows in (16, 8))
    d = empty(16, 8)
    memory = np.ascontiguousarray(b.T) if transposed else b
    code, half = np.int32(BUGS.index(bug)), element.name == "float16"
    library.call(
        "run_product", code, transposed, half, a, memory, np.int32(n), d, schedule=schedule
    )
    # Small integers: every sum is exact.
    return bool((d == element.exact(a) @ element.exact(b).T).all())


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("element", HALVES, ids=str)
@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_a_product_through_shared_memory(
    schedule: Schedule, element: Element, transposed: bool
) -> None:
    assert is_right(tensor(), "kNone", schedule, element=element, transposed=transposed)


@pytest.mark.parametrize("bug", BUGS[1:-1])
def test_planted_bugs(bug: str) -> None:
    wrong = [not is_right(tensor(), bug, schedule) for schedule in SCHEDULES]
    # One that needs the lanes of a warp to drift apart shows in some orders only.
    assert any(wrong) if bug == "kNoBarrier" else all(wrong)


def bits(x: Array) -> Array:
    return ELEMENTS[2].stored(x).astype(np.uint32)


@pytest.mark.parametrize("tf32", [False, True])
def test_registers_hold_what_the_manual_says(tf32: bool) -> None:
    left = RNG.standard_normal((16, 8)).astype(np.float32)
    right = RNG.standard_normal((8, 8)).astype(np.float32)
    a, b = np.zeros((32, 4), np.uint32), np.zeros((32, 2), np.uint32)
    d = np.ones((32, 4), np.float32)
    for lane in range(32):
        group, member = divmod(lane, 4)
        if tf32:
            for i in range(4):
                a[lane, i] = left[group + 8 * (i % 2), member + 4 * (i // 2)].view(np.uint32)
            b[lane] = right[[member, member + 4], group].view(np.uint32)
        else:
            columns = [2 * member, 2 * member + 1]
            for i in range(2):
                low, high = bits(left[group + 8 * i, columns])
                a[lane, i] = low | high << 16
            low, high = bits(right[columns, group])
            b[lane, 0] = low | high << 16
    tensor().call("run_registers", tf32, a, b, d)
    if tf32:
        rounded = [(x.view(np.uint32) & 0xFFFFE000).view(np.float32) for x in (left, right)]
    else:
        rounded = [ELEMENTS[2].exact(ELEMENTS[2].stored(x)) for x in (left, right)]
    want = rounded[0].astype(np.float64) @ rounded[1] + 1
    for lane in range(32):
        for i in range(4):
            exact = want[lane // 4 + 8 * (i // 2), lane % 4 * 2 + i % 2]
            assert abs(d[lane, i] - exact) <= 2.0**-23 * abs(exact)
