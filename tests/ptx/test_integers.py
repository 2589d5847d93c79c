"""Single integer instructions against Python's integers."""

import re
from collections.abc import Callable

import pytest

from . import test_floats
from .exact import elementwise, signed
from .instructions import SOURCE, assert_same, run, u16, u32, u64


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
    "mad_lo_u16": (u16, u16, u16, lambda a, b, c: a * b + c),
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
    "shl_b32_by_31": (u32, u32, u32, lambda a, b, c: a << 31),
    "shl_b32_by_32": (u32, u32, u32, lambda a, b, c: 0),
    "shl_b16_by_15": (u16, u16, u16, lambda a, b, c: a << 15),
    "shr_s16_by_3": (u16, u16, u16, lambda a, b, c: s(a, 16) >> 3),
    "shr_s32_by_31": (u32, u32, u32, lambda a, b, c: s(a) >> 31),
    "shr_s32_by_40": (u32, u32, u32, lambda a, b, c: s(a) >> 40),
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


def test_every_instruction_of_the_source_is_tried() -> None:
    names = re.findall(r"^(?:FUNCTION|PREDICATE)\((\w+)", SOURCE.read_text(), re.MULTILINE)
    assert {*names} == {
        *INTEGERS,
        *test_floats.FLOATS,
        *test_floats.APPROXIMATE,
        *test_floats.ALONE,
    }
