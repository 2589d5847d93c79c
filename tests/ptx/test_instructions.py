"""Single instructions against numpy: random operands, and the edges of every type."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from .emulator.build import emulate
from .emulator.library import Library
from .exact import elementwise, flush, fma_towards, signed
from .shipped import Array

KERNELS = Path(__file__).parent / "kernels"
Reference = Callable[[Array, Array, Array], Array]


@cache
def instructions() -> Library:
    return emulate(KERNELS / "instructions.cu")


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


def s(value: int, bits: int = 32) -> int:
    return signed(value, bits)


def divided(a: int, b: int) -> int:
    """Towards zero."""
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def permuted(a: int, b: int, c: int) -> int:
    data = (a | b << 32).to_bytes(8, "little")
    chosen = [(data[c >> 4 * i & 7], c >> 4 * i & 8) for i in range(4)]
    return int.from_bytes(bytes(0xFF * (x >> 7) if sign else x for x, sign in chosen), "little")


def extracted(a: int, position: int, length: int) -> int:
    """Bits of a signed number without end: past the highest come its copies."""
    return signed(s(a) >> min(position, 32), length) if length else 0


# Name: types of result, first two and third operand; the function of Python integers.
INTEGERS: dict[str, tuple[type, type, type, Callable[[int, int, int], int]]] = {
    "add_s32": (u32, u32, u32, lambda a, b, c: a + b),
    "add_u64": (u64, u64, u64, lambda a, b, c: a + b),
    "add_s16": (u16, u16, u16, lambda a, b, c: a + b),
    "sub_s32": (u32, u32, u32, lambda a, b, c: a - b),
    "sub_s64": (u64, u64, u64, lambda a, b, c: a - b),
    "mul_lo_s32": (u32, u32, u32, lambda a, b, c: a * b),
    "mul_lo_u16": (u16, u16, u16, lambda a, b, c: a * b),
    "mul_lo_s64": (u64, u64, u64, lambda a, b, c: a * b),
    "mul_hi_s32": (u32, u32, u32, lambda a, b, c: s(a) * s(b) >> 32),
    "mul_hi_u32": (u32, u32, u32, lambda a, b, c: a * b >> 32),
    "mul_hi_u64": (u64, u64, u64, lambda a, b, c: a * b >> 64),
    "mul_wide_s32": (u64, u32, u32, lambda a, b, c: s(a) * s(b)),
    "mul_wide_u32": (u64, u32, u32, lambda a, b, c: a * b),
    "mul_wide_s16": (u32, u16, u16, lambda a, b, c: s(a, 16) * s(b, 16)),
    "mad_lo_s32": (u32, u32, u32, lambda a, b, c: a * b + c),
    "mad_wide_u32": (u64, u32, u64, lambda a, b, c: a * b + c),
    "div_s32": (u32, u32, u32, lambda a, b, c: divided(s(a), s(b)) if b else -1),
    "div_u64": (u64, u64, u64, lambda a, b, c: a // b if b else -1),
    "rem_s32": (u32, u32, u32, lambda a, b, c: s(a) - s(b) * divided(s(a), s(b)) if b else a),
    "rem_u32": (u32, u32, u32, lambda a, b, c: a % b if b else a),
    "min_s32": (u32, u32, u32, lambda a, b, c: min(s(a), s(b))),
    "max_u32": (u32, u32, u32, lambda a, b, c: max(a, b)),
    "max_s64": (u64, u64, u64, lambda a, b, c: max(s(a, 64), s(b, 64))),
    "abs_s32": (u32, u32, u32, lambda a, b, c: abs(s(a))),
    "neg_s32": (u32, u32, u32, lambda a, b, c: -a),
    "neg_s64": (u64, u64, u64, lambda a, b, c: -a),
    "and_b32": (u32, u32, u32, lambda a, b, c: a & b),
    "or_b64": (u64, u64, u64, lambda a, b, c: a | b),
    "xor_b16": (u16, u16, u16, lambda a, b, c: a ^ b),
    "not_b32": (u32, u32, u32, lambda a, b, c: ~a),
    "shl_b32": (u32, u32, u32, lambda a, b, c: a << min(c, 64)),
    "shl_b64": (u64, u64, u32, lambda a, b, c: a << min(c, 64)),
    "shr_u32": (u32, u32, u32, lambda a, b, c: a >> c),
    "shr_s32": (u32, u32, u32, lambda a, b, c: s(a) >> c),
    "shr_s64": (u64, u64, u32, lambda a, b, c: s(a, 64) >> c),
    "shf_l_wrap": (u32, u32, u32, lambda a, b, c: (b << 32 | a) << c % 32 >> 32),
    "shf_r_clamp": (u32, u32, u32, lambda a, b, c: (b << 32 | a) >> min(c, 32)),
    "popc_b64": (u32, u64, u64, lambda a, b, c: a.bit_count()),
    "clz_b32": (u32, u32, u32, lambda a, b, c: 32 - a.bit_length()),
    "clz_b64": (u32, u64, u64, lambda a, b, c: 64 - a.bit_length()),
    "brev_b32": (u32, u32, u32, lambda a, b, c: int(f"{a:032b}"[::-1], 2)),
    "bfe_u32": (u32, u32, u32, lambda a, b, c: (a >> 5) % (1 << c)),
    "bfe_s32": (u32, u32, u32, lambda a, b, c: extracted(a, c, 11)),
    "bfi_b32": (
        u32, u32, u32,
        lambda a, b, c: b & ~(0x1FF << c) | (a & 0x1FF) << c,
    ),
    "prmt_b32": (u32, u32, u32, permuted),
    "lop3_b32": (u32, u32, u32, lambda a, b, c: a & b | ~a & c),
    "pack_b64": (u64, u32, u32, lambda a, b, c: b << 32 | a),
    "pack_b32": (u32, u16, u16, lambda a, b, c: b << 16 | a),
    "unpack_b64": (u32, u64, u64, lambda a, b, c: a >> 32),
    "setp_lt_s32": (u32, u32, u32, lambda a, b, c: s(a) < s(b)),
    "setp_lt_u32": (u32, u32, u32, lambda a, b, c: a < b),
    "setp_hs_u64": (u32, u64, u32, lambda a, b, c: a >= b),
    "setp_gt_or": (u32, u32, u32, lambda a, b, c: s(a) > s(b) or c == 0),
    "cvt_s64_s32": (u64, u32, u32, lambda a, b, c: s(a)),
    "cvt_u32_u64": (u32, u64, u64, lambda a, b, c: a),
    "cvt_s32_s8": (u32, u32, u32, lambda a, b, c: s(a, 8)),
    "cvt_u32_u8": (u32, u32, u32, lambda a, b, c: a % 256),
    "cvt_sat_s32_s64": (u32, u64, u64, lambda a, b, c: min(max(s(a, 64), -(2**31)), 2**31 - 1)),
}  # fmt: skip
# Instructions whose third operand counts bits.
COUNTS = ("shl", "shr", "shf", "bfe", "bfi")


@pytest.mark.parametrize("name", INTEGERS)
def test_integers(name: str) -> None:
    out, in_, third, function = INTEGERS[name]
    result, a, b, c = run(name, out, in_, third, small_third=name.startswith(COUNTS))
    assert_same(result, elementwise(function, 8 * result.itemsize, a, b, c))


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
