"""Hopper's tensor cores: wgmma, in kernels/warpgroup.cu, against float64.

Operands are laid out here by "canonical layouts" of the PTX manual: in lines of 16, 32, 64 or 128
bytes, eight of which make a core; pieces of 16 bytes within a core change places if it is swizzled.
"""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from .emulator.build import emulate
from .emulator.library import IN_ORDER, SCHEDULES, Argument, EmulationError, Library, Schedule
from .shipped import ELEMENTS, Array

SOURCE = Path(__file__).parent / "kernels" / "warpgroup.cu"
RNG = np.random.default_rng(0)
int32 = np.int32

FORMS = (
    *("straight", "halves", "transposed b", "transposed both"),
    *("tf32", "registers", "registers tf32", "eight columns"),
)
# The number of a swizzle in a descriptor, by the bytes of a line.
KINDS = {16: 0, 32: 3, 64: 2, 128: 1}


@cache
def library() -> Library:
    return emulate(SOURCE, compute="90a")


def laid_out(x: Array, line: int, transposed: bool) -> tuple[Array, int, int]:
    """Bytes of an operand [rows or columns, depth], and the leading and stride distances.

    Lines run along the depth, or along the rows if transposed; eight of them, across, are a core.
    """
    size = x.itemsize
    along = np.ascontiguousarray(x.T if transposed else x)
    per_line = line // size
    # Cores [across / 8, along / line, 8 lines, bytes]
    lines, length = along.shape
    padded = np.zeros((lines, -(-length // per_line) * per_line), x.dtype)
    padded[:, :length] = along
    cores = padded.reshape(lines // 8, 8, -1, per_line).swapaxes(1, 2)
    cores = np.ascontiguousarray(cores).view(np.uint8).reshape(*cores.shape[:2], 8, line)
    step_along, step_across = 8 * line, 8 * line * cores.shape[1]
    pieces = cores.reshape(-1, 8, line // 16, 16)
    placed = pieces.copy()
    for i in range(8):
        for piece in range(line // 16):
            # A row of the pattern has 128 bytes.
            row = i * line // 128
            placed[:, i, piece ^ (row % (line // 16))] = pieces[:, i, piece]
    # Without a swizzle and transposed, the manual has the two distances change roles.
    leading, stride = step_along, step_across
    if transposed and line == 16:
        leading, stride = step_across, step_along
    return placed.reshape(-1), leading, stride


def descriptor(start: int, leading: int, stride: int, line: int) -> np.uint64:
    return np.uint64(start >> 4 | leading >> 4 << 16 | stride >> 4 << 32 | KINDS[line] << 62)


def registers_of(a: Array) -> Array:
    """A [64, depth] as the manual hands it to lanes: [128, 4] registers."""
    out = np.zeros((128, 4), np.uint32)
    for thread in range(128):
        warp, lane = divmod(thread, 32)
        group, member = divmod(lane, 4)
        for r in range(4):
            row = 16 * warp + group + 8 * (r % 2)
            if a.itemsize == 4:
                out[thread, r] = a[row, member + 4 * (r // 2)].view(np.uint32)
            else:
                low, high = a[row, 2 * member + 8 * (r // 2) :][:2].astype(np.uint32)
                out[thread, r] = low | high << 16
    return out


def shape(form: str) -> tuple[int, int]:
    """Columns and depth of the product."""
    return 8 if form == "eight columns" else 64, 8 if "tf32" in form else 16


def arguments(
    form: str, line_a: int, line_b: int, left: Array, right: Array, d: Array, *, accumulate: bool
) -> tuple[Argument, ...]:
    """Of the launcher; `d` [128, 32] is what the registers hold, before and after."""
    element = ELEMENTS[1 if form == "halves" else 0 if "tf32" in form else 2]
    a, b = element.stored(left), element.stored(right)
    both = form == "transposed both"
    image_a, leading_a, stride_a = laid_out(a, line_a, both)
    image_b, leading_b, stride_b = laid_out(b, line_b, both or form == "transposed b")
    image = np.zeros(16384, np.uint8)
    image[: image_a.size], image[8192 : 8192 + image_b.size] = image_a, image_b
    descriptors = (
        descriptor(0, leading_a, stride_a, line_a),
        descriptor(8192, leading_b, stride_b, line_b),
    )
    start = int32(FORMS.index(form)), *descriptors, image, int32(image.size)
    return (*start, registers_of(a), int32(accumulate), d)


def run(
    form: str, line_a: int, line_b: int, schedule: Schedule = IN_ORDER, *, accumulate: bool = True
) -> None:
    """A product of small integers, which has no error at all."""
    columns, depth = shape(form)
    left, right = (RNG.integers(-8, 9, (rows, depth)).astype(np.float32) for rows in (64, columns))
    before = RNG.integers(-100, 101, (64, 64)).astype(np.float32)
    owner = np.array([[place(t, i) for i in range(32)] for t in range(128)])
    d: Array = before[owner[..., 0], owner[..., 1]]
    words = arguments(form, line_a, line_b, left, right, d, accumulate=accumulate)
    library().call("run_product", *words, schedule=schedule)
    sign = -1 if form in {"halves", "transposed both"} else 1
    want: Array = before.astype(np.float64)  # no product: as it was
    want[:, :columns] *= accumulate
    want[:, :columns] += sign * left.astype(np.float64) @ right.T
    assert (d == want[owner[..., 0], owner[..., 1]]).all()


def place(thread: int, i: int) -> tuple[int, int]:
    """Row and column of register i of D, as in the manual's figure."""
    warp, lane = divmod(thread, 32)
    return 16 * warp + lane // 4 + 8 * (i // 2 % 2), 8 * (i // 4) + lane % 4 * 2 + i % 2


@pytest.mark.parametrize("line", KINDS)
@pytest.mark.parametrize("form", FORMS)
def test_products_are_exact(form: str, line: int) -> None:
    run(form, line, line)
    run(form, line, 32, accumulate=False)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_products_in_all_schedules(schedule: Schedule) -> None:
    run("straight", 128, 64, schedule)
    run("registers", 128, 16, schedule)


def test_the_low_bits_of_tf32_are_not_looked_at() -> None:
    a = RNG.standard_normal((64, 8)).astype(np.float32)
    b = RNG.standard_normal((64, 8)).astype(np.float32)
    image = np.zeros(16384, np.uint8)
    image_b, leading, stride = laid_out(b, 32, False)
    image[: image_b.size] = image_b
    d = np.zeros((128, 32), np.float32)
    where = (np.uint64(0), descriptor(0, leading, stride, 32), image, int32(image.size))
    form = int32(FORMS.index("registers tf32"))
    library().call("run_product", form, *where, registers_of(a), int32(0), d)
    left, right = ((x.view(np.uint32) & 0xFFFFE000).view(np.float32) for x in (a, b))
    want = left.astype(np.float64) @ right.T
    for thread in range(128):
        for i in range(32):
            exact = want[place(thread, i)]
            assert abs(d[thread, i] - exact) <= 2.0**-23 * abs(exact)


@pytest.mark.parametrize(
    ("a", "message"),
    [
        (descriptor(16000, 128, 1024, 128), "pattern of its swizzle does not begin there"),
        (descriptor(15360, 128, 1024, 128), "shared memory: 2 bytes at 19456 of 16384"),
        (descriptor(0, 128, 1024, 128) | np.uint64(1 << 49), "base offset"),
    ],
)
def test_descriptors_that_are_refused(a: np.uint64, message: str) -> None:
    image, d = np.zeros(16384, np.uint8), np.zeros((128, 32), np.float32)
    words = (int32(0), a, a, image, int32(image.size), None, int32(1), d)
    with pytest.raises(EmulationError, match=message):
        library().call("run_product", *words)
