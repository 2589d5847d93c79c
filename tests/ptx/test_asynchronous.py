"""mbarrier, bulk copies (TMA), setmaxnreg and elect.sync, in kernels/asynchronous.cu."""

import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from .emulator.build import emulate
from .emulator.library import SCHEDULES, Argument, EmulationError, Library, Schedule
from .shipped import Array

SOURCE = Path(__file__).parent / "kernels" / "asynchronous.cu"
MISUSES = re.findall(r"^  (k\w+),$", SOURCE.read_text(), re.MULTILINE)
RNG = np.random.default_rng(0)
int32 = np.int32
WIDTHS = (0, 32, 64, 128)  # bytes of a line of each swizzle, by the number CUDA gives it


@cache
def library() -> Library:
    return emulate(SOURCE, compute="90a")


def aligned(shape: tuple[int, int], dtype: type) -> Array:
    """Random bits, at an address that is a multiple of 16."""
    count = shape[0] * shape[1]
    memory: Array = RNG.integers(1, 2**15, count + 16).astype(dtype)
    skip = -(memory.ctypes.data // memory.itemsize) % (16 // memory.itemsize)
    return memory[skip : skip + count].reshape(shape)


def swizzled(rows: Array, width: int) -> Array:
    """Bytes [rows, width of a row] as they lie in shared memory: pieces of 16 change places."""
    image = rows.reshape(-1, 16).copy()
    pieces = width // 16
    for i in range(len(image)):
        if width:
            # Rows of 128 bytes count; within one, piece i goes to i xor (row mod pieces).
            image[i ^ (i // 8 % pieces)] = rows.reshape(-1, 16)[i]
    return image.ravel()


@pytest.mark.parametrize("swizzle", range(4))
@pytest.mark.parametrize("dtype", [np.uint16, np.uint32])
@pytest.mark.parametrize("corner", [(0, 0), (24, 9), (-4, -3), (64, 20), (1000, 0)])
def test_a_box_of_a_matrix(corner: tuple[int, int], dtype: type, swizzle: int) -> None:
    size = np.dtype(dtype).itemsize
    columns, rows, box_rows = 40, 21, 16
    box_columns = (WIDTHS[swizzle] or 48) // size
    matrix, copy = aligned((rows, 48), dtype), aligned((rows, 48), dtype)
    image = np.zeros(box_rows * box_columns * size, np.uint8)
    numbers = map(int32, (box_columns, box_rows, swizzle, 0, *corner))
    sizes: list[Argument] = [columns, rows, 48 * size, *numbers]
    big: Array = np.zeros((3 * 1100, 3 * 1100), dtype)  # zeros all around
    big[1100 : 1100 + rows, 1100 : 1100 + columns] = matrix[:, :columns]
    x, y = 1100 + corner[0], 1100 + corner[1]
    box = big[y : y + box_rows, x : x + box_columns].copy()
    want = swizzled(box.view(np.uint8), WIDTHS[swizzle])
    back = np.zeros_like(big)
    back[y : y + box_rows, x : x + box_columns] = box
    for schedule in SCHEDULES[:3]:
        copy[:] = 0
        library().call("run_box", int32(size == 2), matrix, copy, *sizes, image, schedule=schedule)
        assert (image == want).all()
        assert (copy[:, :columns] == back[1100 : 1100 + rows, 1100 : 1100 + columns]).all()
        assert not copy[:, columns:].any()


def test_outside_may_be_nan() -> None:
    matrix, image = aligned((4, 8), np.float32), np.zeros(4 * 4 * 4, np.uint8)
    matrix[:] = 1
    sizes: list[Argument] = [8, 4, 32, *map(int32, (4, 4, 0, 1, 6, 2))]
    library().call("run_box", int32(0), matrix, matrix, *sizes, image)
    values = image.view(np.float32).reshape(4, 4)
    assert (
        (values[:2, :2] == 1).all() and np.isnan(values[2:]).all() and np.isnan(values[:, 2:]).all()
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pitch": 100}, "rows of 100 bytes: not a multiple of 16"),
        ({"box_columns": 10}, "not a multiple of 16 bytes"),
        ({"box_columns": 128, "swizzle": 3}, "longer than the swizzle"),
        ({"box_rows": 257}, "a box of 257"),
    ],
)
def test_a_map_that_a_driver_refuses(change: dict[str, int], message: str) -> None:
    box = {"box_columns": 16, "box_rows": 8, "swizzle": 0, "fill": 0, "column": 0, "row": 0}
    matrix, image = aligned((9, 128), np.uint16), np.zeros(1 << 16, np.uint8)
    values = [int32(change.get(name, value)) for name, value in box.items()]
    numbers: list[Argument] = [128, 9, change.get("pitch", 256), *values]
    with pytest.raises(EmulationError, match=message):
        library().call("run_box", int32(1), matrix, matrix, *numbers, image)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_rows_come_and_go(schedule: Schedule) -> None:
    x, out = aligned((5, 32), int32), aligned((5, 32), int32)
    library().call("run_rows", True, x, int32(160), out, schedule=schedule)
    assert (out == x + 1).all()
    with pytest.raises(EmulationError, match=r"hopper.cuh:\d+: .*no fence.proxy.async since"):
        library().call("run_rows", False, x, int32(160), out, schedule=schedule)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_registers_change_hands_and_a_lane_is_elected(schedule: Schedule) -> None:
    out = np.zeros((12, 32), np.uint32)
    library().call("run_registers", False, out, schedule=schedule)
    assert (out.sum(axis=1) == 1).all() and (out == out[0]).all()
    with pytest.raises(EmulationError, match=r"deadlock .* wait in 'setmaxnreg.inc"):
        library().call("run_registers", True, out, schedule=schedule)


MESSAGES = {
    "kNotInitialised": "no mbarrier at",
    "kTooManyArrivals": "more arrivals than the 1 that were announced|that expects 0",
    "kNeverFull": r"deadlock in block \(0, 0, 0\): threads 0-31 wait in 'mbarrier.try_wait",
    "kWrittenOver": "no mbarrier at",
    "kCopyNotAwaited": "the block ends while this copy is under way",
    "kInitialisedTwice": "there is an mbarrier at",
}


@pytest.mark.parametrize("misuse", MISUSES)
def test_misuse_is_noticed(misuse: str) -> None:
    x = aligned((1, 32), int32)
    verdicts = []
    for schedule in SCHEDULES:
        out = np.zeros(32, int32)
        try:
            library().call("run_misuse", int32(MISUSES.index(misuse)), x, out, schedule=schedule)
            verdicts.append("right" if (out == x).all() else "wrong")
        except EmulationError as error:
            verdicts.append(str(error))
    if misuse == "kOneTry":
        assert verdicts[0] != "right" and verdicts.count("right") <= 4, verdicts
    elif misuse == "kCopyNotAwaited":
        assert re.search(MESSAGES[misuse], verdicts[0]), verdicts
    else:
        assert all(re.search(MESSAGES[misuse], verdict) for verdict in verdicts), verdicts
