"""Instructions of Ampere's tensor cores and what feeds them: ldmatrix, mma.sync, cp.async."""

from collections.abc import Callable

from .asynchronous import copy_bulk
from .memory import memory
from .operation import Operation

_PREFETCH = ("L2::64B", "L2::128B", "L2::256B")


def _load_matrices(op: Operation) -> str:
    for word in ("sync", "aligned", "m8n8", "b16"):
        op.required(word)
    count = {"x1": 1, "x2": 2, "x4": 4}[op.required("x1", "x2", "x4")]
    transposed = "true" if op.flag("trans") else "false"
    if op.space() != "shared":
        raise op.refuse()
    to = op.vector(op.operands[0])
    address = op.address(op.operands[1], "shared")
    statements = [
        f"uint32_t loaded[{count}];",
        f"load_matrices<{count}, {transposed}>"
        f"(self, {op.site}, {address.base} + {address.offset}, loaded);",
    ]
    writes = [op.write(each, f"loaded[{i}]", "u32") for i, each in enumerate(to)]
    return " ".join([*statements, *writes])


# Shapes and element types: C++ type, depth, registers of A and of B.
_PRODUCTS = {
    ("m16n8k16", "bf16"): ("Bfloat16", 16, 4, 2),
    ("m16n8k16", "f16"): ("Half", 16, 4, 2),
    ("m16n8k8", "bf16"): ("Bfloat16", 8, 2, 1),
    ("m16n8k8", "f16"): ("Half", 8, 2, 1),
    ("m16n8k8", "tf32"): ("Tf32", 8, 4, 2),
}


def _multiply_matrices(op: Operation) -> str:
    for word in ("sync", "aligned", "row", "col"):
        op.required(word)
    shape = op.required("m16n8k16", "m16n8k8")
    types, op.modifiers = op.modifiers, []
    if len(types) != 4 or types[1] != types[2] or types[0] != "f32" or types[3] != "f32":
        raise op.refuse()
    if (shape, types[1]) not in _PRODUCTS:
        raise op.refuse()
    element, depth, registers_a, registers_b = _PRODUCTS[shape, types[1]]
    d, a, b, c = (op.vector(operand) for operand in op.operands)
    if (len(d), len(a), len(b), len(c)) != (4, registers_a, registers_b, 4):
        raise op.refuse()
    lists = [
        ", ".join(op.value(each, type) for each in vector)
        for vector, type in ((a, "b32"), (b, "b32"), (c, "f32"))
    ]
    return " ".join(
        [
            f"const uint32_t a[] = {{{lists[0]}}}, b[] = {{{lists[1]}}};",
            f"float d[] = {{{lists[2]}}};",
            f"multiply_matrices<{element}, {depth}>(self, {op.site}, a, b, d);",
            *(op.write(each, f"d[{i}]", "f32") for i, each in enumerate(d)),
        ]
    )


def _copy(op: Operation) -> str:
    """cp.async and its groups."""
    op.required("async")
    if op.flag("bulk"):
        return copy_bulk(op)
    if op.flag("commit_group"):
        return "async_commit(self);"
    if op.flag("wait_all"):
        return "async_commit(self); async_wait(self, 0);"
    if op.flag("wait_group"):
        return f"async_wait(self, {op.value(op.operands[0], 'u32')});"
    caching = op.required("ca", "cg")
    op.choice(*_PREFETCH)
    op.required("shared", "shared::cta")
    op.required("global")
    size = op.operands[2]
    if size not in (("16",) if caching == "cg" else ("4", "8", "16")):
        raise op.refuse()
    to = memory(op, op.operands[0], "shared", int(size))
    source = op.address(op.operands[1], "global")
    read = op.value(op.operands[3], "u32") if len(op.operands) > 3 else size
    return f"async_copy(self, {op.site}, {to}, {source.base} + {source.offset}, {size}, {read});"


TABLE: dict[str, Callable[[Operation], str]] = {
    "cp": _copy,
    "ldmatrix": _load_matrices,
    "mma": _multiply_matrices,
}
