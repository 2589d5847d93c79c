"""Runs kernels/instructions.cu on random operands and on the edges of every type."""

from functools import cache
from pathlib import Path

import numpy as np

from .emulator.build import emulate
from .emulator.library import Library
from .shipped import Array

SOURCE = Path(__file__).parent / "kernels" / "instructions.cu"


@cache
def instructions() -> Library:
    return emulate(SOURCE)


INTEGER_EDGES = (0, 1, 2, 3, 7, 31, 32, 33, 63, 64, 127, 128, 255, 256, 0x7FFF, 0x8000, 0xFFFF)
FLOAT_EDGES = [0.0, 0.5, 1.0, 1 + 2.0**-23, 1.5, 2.5, 3.0, 1e-45, 1e-39, 2.0**-126, 2.0**-25]
FLOAT_EDGES += [2.0**-14, 6.1e-5, 65504.0, 65519.0, 65520.0, 2.0**31, 2.0**32, 2.0**63, 3.3e38]
FLOAT_EDGES += [float(np.finfo(np.float32).max), np.inf, np.nan]


def operands(dtype: type, rng: np.random.Generator) -> list[Array]:
    """Two arrays: every edge with every edge, random bits, random numbers of like size."""
    width = 8 * np.dtype(dtype).itemsize
    edges: Array
    bits: Array = rng.integers(0, 1 << width, (2, 500), f"uint{width}")
    numbers: Array = rng.integers(0, 256, (2, 500), f"uint{width}")
    if np.issubdtype(dtype, np.floating):
        edges = np.array(FLOAT_EDGES, dtype)
        edges = np.concatenate([edges, -edges])
        bits, numbers = bits.view(dtype), rng.normal(0, 1, (2, 500)).astype(dtype)
    else:
        top = [1 << (width - 1), (1 << (width - 1)) - 1, (1 << width) - 1, (1 << width) - 2]
        edges = np.array([e for e in (*INTEGER_EDGES, *top) if e < 1 << width], dtype)
    pairs = np.stack([grid.ravel() for grid in np.meshgrid(edges, edges)])
    joined = np.concatenate([pairs, bits, numbers], axis=1)
    return [np.ascontiguousarray(row) for row in joined]


def run(name: str, out: type, in_: type, third: type, *, small_third: bool = False) -> list[Array]:
    """What an instruction makes of the operands: [result, a, b, c]."""
    rng = np.random.default_rng(len(name))
    a, b = operands(in_, rng)
    c = operands(third, rng)[1]
    c = np.resize(rng.permutation(c), a.shape)
    if small_third:
        c = rng.integers(0, 70, a.shape).astype(third)
    result: Array = np.zeros(a.shape, out)
    instructions().call(name, a, b, c, result, a.size)
    return [result, a, b, c]


def assert_same(result: Array, want: Array, *, signs: bool = True) -> None:
    """Equal in every bit, but for the bits of a NaN."""
    assert result.dtype == want.dtype
    nan = np.isnan(want) if np.issubdtype(want.dtype, np.floating) else np.zeros(want.shape, bool)
    if nan.any():
        assert np.isnan(result[nan]).all()
    assert (result[~nan] == want[~nan]).all()
    if signs and np.issubdtype(want.dtype, np.floating):
        assert (np.signbit(result[~nan]) == np.signbit(want[~nan])).all()


u16, u32, u64, f32, f64 = np.uint16, np.uint32, np.uint64, np.float32, np.float64
