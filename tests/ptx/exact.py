"""References for single instructions: integers without end, and floats rounded from fractions."""

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np

from .shipped import Array


def signed(value: int, bits: int) -> int:
    """The low bits of a number, as a signed one."""
    value %= 1 << bits
    return value - (1 << bits) if value >> (bits - 1) else value


def elementwise(function: Callable[..., int], bits: int, *operands: Array) -> Array:
    """A function of Python integers, on unsigned arrays; the result wraps to `bits`."""
    columns = [operand.tolist() for operand in operands]
    values = [function(*row) % (1 << bits) for row in zip(*columns, strict=True)]
    return np.array(values, dtype=f"uint{bits}")


def float32_towards(direction: str, exact: Fraction) -> np.float32:
    """The float32 next to a number that is not 0: "rn", or the one towards 0, down or up."""
    infinity = np.float32(np.inf)
    if direction == "rz":
        direction = "rm" if exact > 0 else "rp"
    with np.errstate(over="ignore", under="ignore"):
        below = np.float32(float(exact))
        if below == infinity:
            below = np.finfo(np.float32).max
        while below != -infinity and Fraction(float(below)) > exact:
            below = np.nextafter(below, -infinity)
        above = below
        if below == -infinity or Fraction(float(below)) != exact:
            above = np.nextafter(below, infinity)
    if direction != "rn":
        return below if direction == "rm" else above
    # Beyond the largest number, the nearest is decided as if exponents had no end.
    low, high = (_unbounded(each) for each in (below, above))
    if exact - low == high - exact:
        return below if below.view(np.uint32) % 2 == 0 else above
    return below if exact - low < high - exact else above


def _unbounded(value: np.float32) -> Fraction:
    if np.isinf(value):
        return Fraction(2) ** 128 * (1 if value > 0 else -1)
    return Fraction(float(value))


def fma_towards(direction: str, a: Array, b: Array, c: Array) -> Array:
    """a·b + c of float32 arrays, rounded once. The sign of a zero is that of "rn"."""
    results = []
    with np.errstate(all="ignore"):
        for x, y, z in zip(a.tolist(), b.tolist(), c.tolist(), strict=True):
            if not all(map(math.isfinite, (x, y, z))):
                results.append(np.float32(np.float64(x) * y + z))
                continue
            exact = Fraction(x) * Fraction(y) + Fraction(z)
            results.append(float32_towards(direction, exact) if exact else np.float32(x * y + z))
    return np.array(results, dtype=np.float32)


def flush(x: Array) -> Array:
    """Subnormal numbers to zeros of their sign."""
    return np.where(np.abs(x) < np.finfo(x.dtype).tiny, np.copysign(x.dtype.type(0), x), x)
