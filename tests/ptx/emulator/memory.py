"""Instructions that touch memory: ld, st, atom, red."""

from collections.abc import Callable

from .operation import Address, Operation, cpp_type, kept_as
from .source import SIZES

# Caching and ordering, which change nothing here: a thread's accesses happen in its order, at once.
_CACHING = (
    "ca", "cg", "cs", "lu", "cv", "wb", "wt", "nc", "L1::no_allocate", "L1::evict_last",
    "L1::evict_first", "L1::evict_normal", "L1::evict_unchanged", "L2::64B", "L2::128B", "L2::256B",
)  # fmt: skip
_ORDER = ("weak", "volatile", "relaxed", "acquire", "release", "acq_rel")
_SCOPES = ("cta", "cluster", "gpu", "sys")


def _take_what_changes_nothing(op: Operation) -> str:
    """The order, which only the thread sanitizer is told of; empty: none."""
    for names in (_CACHING, _CACHING, _CACHING, _SCOPES):
        op.choice(*names)
    return op.choice(*_ORDER)


def memory(op: Operation, operand: str, space: str, size: int) -> str:
    """C++ for the host address of `size` bytes; checks them."""
    address: Address = op.address(operand, space)
    function = "shared" if space == "shared" else "generic"
    where = f"{address.base} + {address.offset}" if address.offset else address.base
    return f"{function}(self, {op.site}, {where}, {size})"


def _access(op: Operation, operand: str) -> tuple[str, str, list[str]]:
    """Of ld and st: the type, the address space, and the registers or values of the operand."""
    type = op.type()
    count = {"v2": 2, "v4": 4, "": 1}[op.choice("v2", "v4")]
    space = op.space()
    _take_what_changes_nothing(op)
    elements = op.vector(operand)
    if len(elements) != count:
        raise op.refuse()
    return type, space, elements


def _load(op: Operation) -> str:
    type, space, to = _access(op, op.operands[0])
    count = len(to)
    cpp = cpp_type(type)
    if space == "param":
        address = op.address(op.operands[1], space)
        offsets = [address.offset + i * SIZES[type] for i in range(count)]
        loads = [f"parameter<{cpp}>({address.base} + {offset})" for offset in offsets]
        return " ".join(op.write(*each, type) for each in zip(to, loads, strict=True))
    where = memory(op, op.operands[1], space, count * SIZES[type])
    # volatile: one access each, which the compiler neither moves nor drops.
    read_as = type if type[0] == "s" else kept_as(type)
    word = f"const volatile {cpp_type(read_as)}*"
    if count == 1:
        return op.write(to[0], f"*reinterpret_cast<{word}>({where})", read_as)
    writes = [op.write(each, f"from[{i}]", read_as) for i, each in enumerate(to)]
    return f"const auto from = reinterpret_cast<{word}>({where}); {' '.join(writes)}"


def _store(op: Operation) -> str:
    type, space, values = _access(op, op.operands[1])
    where = memory(op, op.operands[0], space, len(values) * SIZES[type])
    word = f"volatile {cpp_type(kept_as(type))}*"
    stores = [f"words[{i}] = {op.value(each, kept_as(type))};" for i, each in enumerate(values)]
    statement = f"const auto words = reinterpret_cast<{word}>(to); {' '.join(stores)}"
    return _written(op, where, space, len(values) * SIZES[type], statement)


def _written(op: Operation, where: str, space: str, size: int, statement: str) -> str:
    """A statement that writes `to`, with what must be noted of shared memory."""
    note = f"generic_write(self, {op.site}, to, {size}); " if space in ("shared", "") else ""
    return f"unsigned char* const to = {where}; {note}{statement}"


# The new value, of the old one x and the operands a and b; and the types that have it.
_UPDATES = {
    "add": ("add(x, a)", "fsu"),
    "and": ("x & a", "b"),
    "cas": ("x == a ? b : x", "b"),
    "dec": ("wrapping_decrement(x, a)", "u"),
    "exch": ("a", "b"),
    "inc": ("wrapping_increment(x, a)", "u"),
    "max": ("maximum(x, a)", "su"),
    "min": ("minimum(x, a)", "su"),
    "or": ("x | a", "b"),
    "xor": ("x ^ a", "b"),
}


def _atomic(op: Operation) -> str:
    """atom, and red, which returns nothing."""
    operands = op.operands if op.name == "atom" else ("_", *op.operands)
    update, kinds = _UPDATES[op.required(*_UPDATES)]
    type = op.type(kinds, (4, 8))
    space = op.space()
    ordered = _take_what_changes_nothing(op) == "acq_rel"
    cpp = cpp_type(type)
    where = memory(op, operands[1], space, SIZES[type])
    statements = [f"const {cpp} a = {op.value(operands[2], type)};"]
    captures = "a"
    if len(operands) > 3:
        statements.append(f"const {cpp} b = {op.value(operands[3], type)};")
        captures = "a, b"
    function = f"atomic<{cpp}{', true' if ordered else ''}>"
    call = f"{function}(to, [{captures}]({cpp} x) -> {cpp} {{ return {update}; }})"
    write = op.write(operands[0], call, type)
    return " ".join([*statements, _written(op, where, space, SIZES[type], write)])


TABLE: dict[str, Callable[[Operation], str]] = {
    "atom": _atomic,
    "ld": _load,
    "red": _atomic,
    "st": _store,
}
