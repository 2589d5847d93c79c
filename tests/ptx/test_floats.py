"""Single floating-point instructions against numpy and fractions."""

from collections.abc import Callable

import numpy as np
import pytest

from .exact import flush, fma_towards
from .instructions import assert_same, f32, f64, instructions, run, u16, u32, u64
from .shipped import Array

Reference = Callable[[Array, Array, Array], Array]


def minimum(a: Array, b: Array) -> Array:
    """fmin, with -0 below +0."""
    least = np.fmin(a, b)
    zeros = (a == 0) & (b == 0)
    return np.where(zeros & (np.signbit(a) | np.signbit(b)), least.dtype.type(-0.0), least)


def as_integer(low: int, high: int, nan: int, dtype: type) -> Callable[[Array], Array]:
    """Rounded numbers to integers, which stop at the ends."""

    def convert(rounded: Array) -> Array:
        inside = [nan if x != x else int(min(max(x, low), high)) for x in rounded.tolist()]
        return np.array([x % (1 << 8 * np.dtype(dtype).itemsize) for x in inside], dtype)

    return convert


s32_of, u32_of = as_integer(-(2**31), 2**31 - 1, 0, u32), as_integer(0, 2**32 - 1, 0, u32)
s64_of = as_integer(-(2**63), 2**63 - 1, 1 << 63, u64)
s32_of_f64 = as_integer(-(2**31), 2**31 - 1, 1 << 31, u32)


def saturated(x: Array) -> Array:
    return np.where(x > 0, np.minimum(x, x.dtype.type(1)), x.dtype.type(0))


def bfloat16(a: Array) -> Array:
    """Bits of the nearest bfloat16: found among the neighbours, by their distance."""
    down = (a.view(u32) >> 16).astype(u16)
    up = np.minimum(down.astype(np.int64) + 1, 0xFFFF).astype(u16)
    values = [(bits.astype(u32) << 16).view(f32).astype(f64) for bits in (down, up)]
    # One step above the largest number lies infinity, which here counts as 2^128.
    values = [np.where(np.isinf(v), np.copysign(2.0**128, v), v) for v in values]
    exact = np.where(np.isinf(a), np.copysign(2.0**128, a), a.astype(f64))
    nearer = np.abs(values[1] - exact) < np.abs(values[0] - exact)
    tie = np.abs(values[1] - exact) == np.abs(values[0] - exact)
    return np.where(np.isnan(a), u16(0x7FFF), np.where(nearer | tie & (down % 2 == 1), up, down))


def float16(a: Array) -> Array:
    bits = a.astype(np.float16).view(u16)
    return np.where(np.isnan(a), u16(0x7FFF), bits)


def joined(upper: Array, lower: Array) -> Array:
    return upper.astype(u32) << 16 | lower


def unsigned_towards(direction: str, a: Array) -> Array:
    """Integers in float32: exact as 2^16 times the upper half, plus the lower one."""
    upper, lower = (a >> 16).astype(f32), (a & 0xFFFF).astype(f32)
    return fma_towards(direction, upper, np.full(a.shape, 65536, f32), lower)


def directed(direction: str) -> Reference:
    return lambda a, b, c: fma_towards(direction, a, b, c)


ones = np.ones_like
FLOATS: dict[str, tuple[type, type, type, Reference]] = {
    "add_f32": (f32, f32, f32, lambda a, b, c: a + b),
    "add_ftz_f32": (f32, f32, f32, lambda a, b, c: flush(flush(a) + flush(b))),
    "add_sat_f32": (f32, f32, f32, lambda a, b, c: saturated(a + b)),
    "add_rm_f32": (f32, f32, f32, lambda a, b, c: fma_towards("rm", a, ones(a), b)),
    "sub_f64": (f64, f64, f64, lambda a, b, c: a - b),
    "mul_f32": (f32, f32, f32, lambda a, b, c: a * b),
    "mul_ftz_f32": (f32, f32, f32, lambda a, b, c: flush(flush(a) * flush(b))),
    "mul_rp_f32": (f32, f32, f32, lambda a, b, c: fma_towards("rp", a, b, np.zeros_like(a))),
    "fma_rn_f32": (f32, f32, f32, directed("rn")),
    "fma_rm_f32": (f32, f32, f32, directed("rm")),
    "fma_rp_f32": (f32, f32, f32, directed("rp")),
    "fma_rz_f32": (f32, f32, f32, directed("rz")),
    "div_rn_f32": (f32, f32, f32, lambda a, b, c: a / b),
    "div_rn_f64": (f64, f64, f64, lambda a, b, c: a / b),
    "rcp_rn_f32": (f32, f32, f32, lambda a, b, c: f32(1) / a),
    "sqrt_rn_f32": (f32, f32, f32, lambda a, b, c: np.sqrt(a)),
    "min_f32": (f32, f32, f32, lambda a, b, c: minimum(a, b)),
    "max_f32": (f32, f32, f32, lambda a, b, c: -minimum(-a, -b)),
    "max_f64": (f64, f64, f64, lambda a, b, c: -minimum(-a, -b)),
    "abs_f32": (f32, f32, f32, lambda a, b, c: np.abs(a)),
    "neg_f64": (f64, f64, f64, lambda a, b, c: -a),
    "copysign_f32": (f32, f32, f32, lambda a, b, c: np.copysign(b, a)),
    "setp_eq_f32": (u32, f32, u32, lambda a, b, c: (a == b).astype(u32)),
    "setp_ne_f32": (u32, f32, u32, lambda a, b, c: ((a < b) | (a > b)).astype(u32)),
    "setp_le_f32": (u32, f32, u32, lambda a, b, c: (a <= b).astype(u32)),
    "setp_gt_f64": (u32, f64, u32, lambda a, b, c: (a > b).astype(u32)),
    "setp_equ_f32": (u32, f32, u32, lambda a, b, c: (~((a < b) | (a > b))).astype(u32)),
    "setp_neu_f32": (u32, f32, u32, lambda a, b, c: (a != b).astype(u32)),
    "setp_ltu_f32": (u32, f32, u32, lambda a, b, c: (~(a >= b)).astype(u32)),
    "setp_geu_f32": (u32, f32, u32, lambda a, b, c: (~(a < b)).astype(u32)),
    "setp_nan_f32": (u32, f32, u32, lambda a, b, c: (np.isnan(a) | np.isnan(b)).astype(u32)),
    "setp_num_f32": (u32, f32, u32, lambda a, b, c: (~(np.isnan(a) | np.isnan(b))).astype(u32)),
    "setp_lt_and": (u32, f32, u32, lambda a, b, c: ((a < b) & (c != 0)).astype(u32)),
    "setp_lt_and_q": (u32, f32, u32, lambda a, b, c: (~(a < b) & (c != 0)).astype(u32)),
    "selp_f32": (f32, f32, u32, lambda a, b, c: np.where(c != 0, a, b)),
    "cvt_s32_f32": (u32, f32, f32, lambda a, b, c: s32_of(np.trunc(a))),
    "cvt_rni_s32_f32": (u32, f32, f32, lambda a, b, c: s32_of(np.rint(a))),
    "cvt_u32_f32": (u32, f32, f32, lambda a, b, c: u32_of(np.trunc(a))),
    "cvt_s64_f32": (u64, f32, f32, lambda a, b, c: s64_of(np.trunc(a))),
    "cvt_s32_f64": (u32, f64, f64, lambda a, b, c: s32_of_f64(np.floor(a))),
    "cvt_f32_s32": (f32, u32, u32, lambda a, b, c: a.view(np.int32).astype(f32)),
    "cvt_rm_f32_u32": (f32, u32, u32, lambda a, b, c: unsigned_towards("rm", a)),
    "cvt_f32_s64": (f32, u64, u64, lambda a, b, c: a.view(np.int64).astype(f32)),
    "cvt_f64_u64": (f64, u64, u64, lambda a, b, c: a.astype(f64)),
    "cvt_f32_f64": (f32, f64, f64, lambda a, b, c: a.astype(f32)),
    "cvt_f64_f32": (f64, f32, f32, lambda a, b, c: a.astype(f64)),
    "cvt_rni_f32": (f32, f32, f32, lambda a, b, c: np.rint(a)),
    "cvt_rpi_f32": (f32, f32, f32, lambda a, b, c: np.ceil(a)),
    "cvt_sat_f32": (f32, f32, f32, lambda a, b, c: saturated(a)),
    "cvt_f16_f32": (u16, f32, f32, lambda a, b, c: float16(a)),
    "cvt_f32_f16": (f32, u16, u16, lambda a, b, c: a.view(np.float16).astype(f32)),
    "cvt_bf16_f32": (u16, f32, f32, lambda a, b, c: bfloat16(a)),
    "cvt_bf16x2_f32": (u32, f32, f32, lambda a, b, c: joined(bfloat16(a), bfloat16(b))),
    "cvt_f16x2_f32": (u32, f32, f32, lambda a, b, c: joined(float16(a), float16(b))),
}


@pytest.mark.parametrize("name", FLOATS)
def test_floating_point(name: str) -> None:
    out, in_, third, function = FLOATS[name]
    result, a, b, c = run(name, out, in_, third)
    with np.errstate(all="ignore"):
        want = function(a, b, c)
    # The sign of an exact zero depends on the direction: see the test below.
    assert_same(result, want, signs=not any(f"_{way}" in name for way in ("rm", "rp", "rz")))


def test_an_exact_zero_is_negative_only_when_rounding_down() -> None:
    for name, negative in (("fma_rm_f32", True), ("fma_rp_f32", False), ("fma_rz_f32", False)):
        result = np.ones(1, f32)
        operands = np.array([[2.0], [3.0], [-6.0]], f32)
        instructions().call(name, *operands, result, 1)
        assert result[0] == 0 and np.signbit(result[0]) == negative, name


# Instructions with a test of their own.
ALONE = ("cvt_rz_f32_f64", "rcp_ftz_f64")


def test_doubles_are_cut_towards_zero() -> None:
    result, a, _, _ = run("cvt_rz_f32_f64", f32, f64, f64)
    with np.errstate(all="ignore"):
        nearest = a.astype(f32)
        too_large = np.abs(nearest.astype(f64)) > np.abs(a)
        want = np.where(too_large, np.nextafter(nearest, f32(0)), nearest)
    assert_same(result, want)


# Approximate on a device; here the exact result, rounded by the host's library: two ulps at most.
APPROXIMATE: dict[str, tuple[type, Callable[[Array], Array]]] = {
    "ex2_f32": (f32, np.exp2),
    "ex2_ftz_f32": (f32, np.exp2),
    "lg2_f32": (f32, np.log2),
    "rcp_f32": (f32, lambda x: 1 / x),
    "rsqrt_f32": (f32, lambda x: 1 / np.sqrt(x)),
    "tanh_f32": (f32, np.tanh),
}


@pytest.mark.parametrize("name", APPROXIMATE)
def test_functions(name: str) -> None:
    in_, function = APPROXIMATE[name]
    result, a, _, _ = run(name, in_, in_, in_)
    with np.errstate(all="ignore"):
        exact = function(flush(a).astype(f64) if "ftz" in name else a.astype(f64))
        want = exact.astype(f32)
        want = flush(want) if "ftz" in name else want
    finite = np.isfinite(want)
    assert_same(result[~finite], want[~finite])
    off = np.abs(result[finite].astype(f64) - want[finite])
    assert (off <= 2 * np.spacing(np.abs(want[finite]))).all()


def test_the_reciprocal_of_a_double_has_an_empty_lower_half() -> None:
    result, a, _, _ = run("rcp_ftz_f64", f64, f64, f64)
    with np.errstate(all="ignore"):
        exact = 1 / flush(a)
    assert (result[~np.isnan(exact)].view(u64) % 2**32 == 0).all()
    normal = np.isfinite(exact) & (np.abs(exact) >= np.finfo(f64).tiny) & (exact != 0)
    # 20 bits of fraction are left; an input loses as many.
    assert (np.abs(result[normal] / exact[normal] - 1) < 2.0**-18).all()
