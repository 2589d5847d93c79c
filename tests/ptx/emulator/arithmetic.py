"""Instructions that compute a value from values of one type: arithmetic, comparison, bits."""

from collections.abc import Callable

from .operation import Operation, cpp_type, kept_as, kind
from .source import SIZES

_DIRECTIONS = {"rz": "Direction::kZero", "rm": "Direction::kDown", "rp": "Direction::kUp"}
_ROUNDINGS = ("rn", *_DIRECTIONS)


def _inputs(op: Operation, type: str, count: int, *, ftz: bool) -> list[str]:
    values = op.values(type, *range(1, count + 1))
    return [f"flush({value})" for value in values] if ftz else values


def _write_float(op: Operation, expression: str, type: str, *, ftz: bool, sat: bool) -> str:
    if ftz:
        expression = f"flush({expression})"
    if sat:
        expression = f"saturate({expression})"
    return op.write(op.operands[0], expression, type)


def _call(function: str, values: list[str]) -> str:
    """C++ for a function of values, or for a symbol between them."""
    if function in ("+", "-", "*", "/"):
        return f" {function} ".join(values)
    return f"{function}({', '.join(values)})"


def _integer(op: Operation, function: str, count: int, type: str) -> str:
    """C++ for a function of integers, or for the low bits of what a symbol says."""
    wraps = function in ("+", "-", "*")  # in unsigned arithmetic, which overflows as PTX does
    values = op.values(kept_as(type) if wraps else type, *range(1, count + 1))
    if function == "*" and SIZES[type] < 4:
        values.insert(0, "1u")  # they would be multiplied as signed ints
    return _call("divide" if function == "/" else function, values)


def _same_type(function: str, count: int, kinds: str = "fsu") -> Callable[[Operation], str]:
    """`function` of `count` operands of one type; floating point with .ftz, .sat and rounding."""

    def translate(op: Operation) -> str:
        type = op.type(kinds)
        if kind(type) != "f":
            return op.write(op.operands[0], _integer(op, function, count, type), type)
        if SIZES[type] < 4:
            raise op.refuse()
        ftz, sat = op.flag("ftz"), op.flag("sat")
        rounding = op.choice(*_ROUNDINGS)
        name = function
        inputs = _inputs(op, type, count, ftz=ftz)
        if rounding in _DIRECTIONS:
            towards = {"+": "add_towards", "*": "multiply_towards"}.get(function)
            if towards is None or type != "f32":
                raise op.refuse()
            name = towards
            inputs.insert(0, _DIRECTIONS[rounding])
        return _write_float(op, _call(name, inputs), type, ftz=ftz, sat=sat)

    return translate


def _product(op: Operation, part: str, type: str) -> tuple[str, str]:
    """C++ for a part of the product of two integers, and its type."""
    if part == "lo":
        return _integer(op, "*", 2, type), type
    a, b = op.values(type, 1, 2)
    if part == "hi":
        return f"multiply_high({a}, {b})", type
    if SIZES[type] not in (2, 4):
        raise op.refuse()
    wide = f"{type[0]}{16 * SIZES[type]}"
    return f"{cpp_type(wide)}({a}) * {b}", wide


def _multiply(op: Operation) -> str:
    part = op.choice("lo", "hi", "wide")
    if not part:
        return _same_type("*", 2)(op)
    return op.write(op.operands[0], *_product(op, part, op.type("su")))


def _multiply_add(op: Operation) -> str:
    part = op.choice("lo", "hi", "wide")
    if not part:
        return _fma(op)
    product, type = _product(op, part, op.type("su"))
    return op.write(op.operands[0], f"{product} + {op.value(op.operands[3], kept_as(type))}", type)


def _fma(op: Operation) -> str:
    type = op.type("f", (4, 8))
    rounding = op.required(*_ROUNDINGS)
    ftz, sat = op.flag("ftz"), op.flag("sat")
    inputs = ", ".join(_inputs(op, type, 3, ftz=ftz))
    if rounding == "rn":
        expression = f"__builtin_fma{'f' if type == 'f32' else ''}({inputs})"
    elif type == "f32":
        expression = f"fma_towards({_DIRECTIONS[rounding]}, {inputs})"
    else:
        raise op.refuse()
    return _write_float(op, expression, type, ftz=ftz, sat=sat)


def _divide(op: Operation) -> str:
    op.choice("approx", "full")
    return _same_type("/", 2)(op)


def _function(expression: str) -> Callable[[Operation], str]:
    """A function of one float or double, rounded to the nearest or approximate."""

    def translate(op: Operation) -> str:
        type = op.type("f", (4, 8))
        op.required("rn", "approx")
        ftz = op.flag("ftz")
        if type == "f64" and ftz:
            if op.name != "rcp":
                raise op.refuse()
            return op.write(
                op.operands[0], f"reciprocal_of_upper_half({op.values(type, 1)[0]})", type
            )
        (value,) = _inputs(op, type, 1, ftz=ftz)
        return _write_float(op, expression.format(value), type, ftz=ftz, sat=False)

    return translate


def _bits(symbol: str) -> Callable[[Operation], str]:
    """A bitwise operation of two operands, predicates among them."""

    def translate(op: Operation) -> str:
        type = op.type("bp")
        a, b = op.values(type, 1, 2)
        return op.write(op.operands[0], f"{a} {symbol} {b}", type)

    return translate


def _not(op: Operation) -> str:
    type = op.type("bp")
    (a,) = op.values(type, 1)
    return op.write(op.operands[0], f"{'!' if type == 'pred' else '~'}{a}", type)


def _shift(function: str, symbol: str) -> Callable[[Operation], str]:
    def translate(op: Operation) -> str:
        type = op.type("bsu")
        (value,) = op.values(type if symbol == ">>" else kept_as(type), 1)
        by = op.value(op.operands[2], "u32")
        if op.operands[2].isdigit() and int(op.operands[2]) < 8 * SIZES[type]:
            return op.write(op.operands[0], f"{value} {symbol} {by}", type)
        return op.write(op.operands[0], f"{function}({value}, {by})", type)

    return translate


def _funnel(op: Operation) -> str:
    type = op.type("b", (4,))
    name = {"l": "funnel_left", "r": "funnel_right"}[op.required("l", "r")]
    a, b, by = op.values(type, 1, 2, 3)
    by = f"{by} & 31" if op.required("wrap", "clamp") == "wrap" else f"minimum<uint32_t>({by}, 32)"
    return op.write(op.operands[0], f"{name}({a}, {b}, {by})", type)


def _count(function: str) -> Callable[[Operation], str]:
    """A function of bits whose result is a number of 32 bits."""

    def translate(op: Operation) -> str:
        type = op.type("b", (4, 8))
        return op.write(op.operands[0], f"{function}({op.values(type, 1)[0]})", "u32")

    return translate


def _reverse(op: Operation) -> str:
    type = op.type("b", (4, 8))
    return op.write(op.operands[0], f"reverse_bits({op.values(type, 1)[0]})", type)


def _extract(op: Operation) -> str:
    type = op.type("su", (4, 8))
    position, length = op.values("u32", 2, 3)
    value = op.values(type, 1)[0]
    return op.write(op.operands[0], f"extract_bits({value}, {position}, {length})", type)


def _insert(op: Operation) -> str:
    type = op.type("b", (4, 8))
    a, b = op.values(type, 1, 2)
    position, length = op.values("u32", 3, 4)
    return op.write(op.operands[0], f"insert_bits({a}, {b}, {position}, {length})", type)


def _permute(op: Operation) -> str:
    type = op.type("b", (4,))
    return op.write(op.operands[0], f"permute_bytes({', '.join(op.values(type, 1, 2, 3))})", type)


def _lookup(op: Operation) -> str:
    type = op.type("b", (4,))
    return op.write(op.operands[0], f"lookup3({', '.join(op.values(type, 1, 2, 3, 4))})", type)


# Ordered comparisons are false for NaN. The unordered ones ("u" at the end) are true: each is the
# negation of the ordered comparison that it excludes.
_ORDERED = {"eq": "==", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_UNSIGNED = {"lo": "<", "ls": "<=", "hi": ">", "hs": ">="}
_UNORDERED = {"ltu": ">=", "leu": ">", "gtu": "<=", "geu": "<"}


def comparison(relation: str, a: str, b: str, type: str) -> str | None:
    """C++ for a comparison; None if there is no such one for the type."""
    floating = kind(type) == "f"
    if relation in _ORDERED:
        return f"({a} {_ORDERED[relation]} {b})"
    if relation == "ne":
        # For floats: ordered, so that NaN differs from nothing.
        return f"({a} < {b} || {a} > {b})" if floating else f"({a} != {b})"
    if relation in _UNSIGNED and not floating:
        return f"({a} {_UNSIGNED[relation]} {b})"
    if not floating:
        return None
    nan = f"({a} != {a} || {b} != {b})"
    special = {
        "nan": nan,
        "num": f"!{nan}",
        "equ": f"!({a} < {b} || {a} > {b})",
        "neu": f"!({a} == {b})",
    }
    if relation in special:
        return special[relation]
    return f"!({a} {_UNORDERED[relation]} {b})" if relation in _UNORDERED else None


_RELATIONS = (*_ORDERED, "ne", *_UNSIGNED, *_UNORDERED, "nan", "num", "equ", "neu")
_COMBINATIONS = {"and": "&&", "or": "||", "xor": "!="}


def _set_predicate(op: Operation) -> str:
    type = op.type()
    if kind(type) == "f" and SIZES[type] < 4:
        raise op.refuse()
    relation = op.required(*_RELATIONS)
    combination = op.choice(*_COMBINATIONS)
    a, b = _inputs(op, type, 2, ftz=op.flag("ftz"))
    result = comparison(relation, a, b, type)
    if result is None:
        raise op.refuse()
    opposite = f"!{result}"
    if combination:
        other = op.predicate(op.operands[3])
        result = f"({result} {_COMBINATIONS[combination]} {other})"
        opposite = f"({opposite} {_COMBINATIONS[combination]} {other})"
    first, _, second = op.operands[0].partition("|")
    if not second:
        return op.write(first, result, "pred")
    # Both values first: a result may be an operand too.
    writes = op.write(first, "first", "pred") + " " + op.write(second, "second", "pred")
    return f"const bool first = {result}, second = {opposite}; {writes}"


def _select(op: Operation) -> str:
    type = op.type()
    a, b = op.values(type, 1, 2)
    return op.write(op.operands[0], f"{op.predicate(op.operands[3])} ? {a} : {b}", type)


TABLE: dict[str, Callable[[Operation], str]] = {
    "abs": _same_type("absolute", 1, "fs"),
    "add": _same_type("+", 2),
    "and": _bits("&"),
    "bfe": _extract,
    "bfi": _insert,
    "brev": _reverse,
    "clz": _count("leading_zeros"),
    "copysign": _same_type("copy_sign", 2, "f"),
    "cos": _function("std::cos({})"),
    "div": _divide,
    "ex2": _function("std::exp2({})"),
    "fma": _fma,
    "lg2": _function("std::log2({})"),
    "lop3": _lookup,
    "mad": _multiply_add,
    "max": _same_type("maximum", 2),
    "min": _same_type("minimum", 2),
    "mul": _multiply,
    "neg": _same_type("negate", 1, "fs"),
    "not": _not,
    "or": _bits("|"),
    "popc": _count("ones"),
    "prmt": _permute,
    "rcp": _function("1 / {}"),
    "rem": _same_type("remainder", 2, "su"),
    "rsqrt": _function("1 / std::sqrt({})"),
    "selp": _select,
    "setp": _set_predicate,
    "shf": _funnel,
    "shl": _shift("shift_left", "<<"),
    "shr": _shift("shift_right", ">>"),
    "sin": _function("std::sin({})"),
    "sqrt": _function("std::sqrt({})"),
    "sub": _same_type("-", 2),
    "tanh": _function("std::tanh({})"),
    "xor": _bits("^"),
}
