"""Instructions that move values and change their types: mov, cvt, cvta."""

from collections.abc import Callable

from .operation import Operation, cpp_type, kept_as, kind
from .source import SIZES

_INTEGER_ROUNDINGS = {
    "rni": "std::rint",
    "rzi": "std::trunc",
    "rmi": "std::floor",
    "rpi": "std::ceil",
}
_DIRECTIONS = {"rz": "Direction::kZero", "rm": "Direction::kDown", "rp": "Direction::kUp"}
_HALVES = {"f16": "half_of", "bf16": "bfloat16_of"}


def _move(op: Operation) -> str:
    type = op.type("bfsup")
    to, value = op.operands
    if to.startswith("{"):
        return _unpack(op, type)
    if value.startswith("{"):
        return _pack(op, type)
    as_bits = type if kind(type) == "s" else kept_as(type)
    return op.write(to, op.value(value, as_bits), as_bits)


def _unpack(op: Operation, type: str) -> str:
    parts = op.vector(op.operands[0])
    bits = 8 * SIZES[type] // len(parts)
    part = f"u{bits}"
    statements = [f"const auto whole = {op.value(op.operands[1], f'u{8 * SIZES[type]}')};"]
    for i, each in enumerate(parts):
        if each != "_":
            statements.append(op.write(each, f"whole >> {bits * i}", part))
    return " ".join(statements)


def _pack(op: Operation, type: str) -> str:
    parts = op.vector(op.operands[1])
    bits = 8 * SIZES[type] // len(parts)
    whole = f"u{8 * SIZES[type]}"
    terms = [
        f"{cpp_type(whole)}({op.value(each, f'u{bits}')}) << {bits * i}"
        for i, each in enumerate(parts)
    ]
    return op.write(op.operands[0], " | ".join(terms), whole)


def _convert(op: Operation) -> str:
    if op.modifiers and op.modifiers[-2:-1] in (["bf16x2"], ["f16x2"]):
        return _convert_pair(op)
    source, target = op.type("fsu"), op.type("fsu")
    sat, ftz = op.flag("sat"), op.flag("ftz")
    rounding = op.choice("rn", *_DIRECTIONS, *_INTEGER_ROUNDINGS)
    value = op.value(op.operands[1], source)
    if kind(source) == "f":
        if source in _HALVES:
            value, source = f"float_of({value})", "f32"
        elif ftz and source == "f32":
            value = f"flush({value})"
        if rounding in _INTEGER_ROUNDINGS:
            value = f"{_INTEGER_ROUNDINGS[rounding]}({value})"
        elif kind(target) != "f":
            raise op.refuse()
    if kind(target) == "f":
        value = _to_float(op, value, source, target, _DIRECTIONS.get(rounding))
        if ftz and target == "f32":
            value = f"flush({value})"
        if sat:
            if target in _HALVES:
                raise op.refuse()
            value = f"saturate({value})"
    elif kind(source) == "f":
        value = f"integer_of<{cpp_type(target)}>({value})"
    elif sat:
        value = f"clamped<{cpp_type(target)}>({value})"
    return op.write(op.operands[0], value, target)


def _to_float(op: Operation, value: str, source: str, target: str, direction: str | None) -> str:
    """C++ for a number of a type as floating point."""
    if target in _HALVES:
        if source != "f32" or direction:
            raise op.refuse()
        return f"{_HALVES[target]}({value})"
    if direction is None or SIZES[target] > SIZES[source]:
        return f"static_cast<{cpp_type(target)}>({value})"
    if target == "f32" and (source == "f64" or SIZES[source] == 4):
        return f"float_towards({direction}, {value})"  # a double holds any source exactly
    raise op.refuse()


def _convert_pair(op: Operation) -> str:
    """Two floats to halves in one register, the first one in its upper half."""
    op.required("f32")
    target = op.required("bf16x2", "f16x2")
    op.required("rn")
    upper, lower = (f"{_HALVES[target[:-2]]}({v}).bits" for v in op.values("f32", 1, 2))
    return op.write(op.operands[0], f"static_cast<uint32_t>({upper}) << 16 | {lower}", "u32")


def _convert_address(op: Operation) -> str:
    """Shared addresses are offsets into the arena; all others are addresses of the host."""
    type = op.type("u", (4, 8))
    to_space = op.flag("to")
    space = op.space()
    value = op.value(op.operands[1], type)
    if space == "shared":
        arena = "reinterpret_cast<uint64_t>(arena)"
        value = f"{value} - {arena}" if to_space else f"{arena} + {value}"
    return op.write(op.operands[0], value, type)


TABLE: dict[str, Callable[[Operation], str]] = {
    "cvt": _convert,
    "cvta": _convert_address,
    "mov": _move,
}
