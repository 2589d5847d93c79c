"""Instructions of Hopper's tensor cores: wgmma."""

import re
from collections.abc import Callable

from .operation import Operation

# Element types: the C++ one and the depth of a product.
_ELEMENTS = {"bf16": ("Bfloat16", 16), "f16": ("Half", 16), "tf32": ("Tf32", 8)}


def _warpgroup(op: Operation) -> str:
    if op.flag("mma_async"):
        return _multiply(op)
    what = op.required("fence", "commit_group", "wait_group")
    for word in ("sync", "aligned"):
        op.required(word)
    if what == "fence":
        return "warpgroup_fence(self);"
    if what == "commit_group":
        return "warpgroup_commit(self);"
    return f"warpgroup_wait(self, {op.site}, {op.value(op.operands[0], 'u32')});"


def _multiply(op: Operation) -> str:
    for word in ("sync", "aligned"):
        op.required(word)
    (shape, result, type, type_b), op.modifiers = op.modifiers, []
    element, depth = _ELEMENTS.get(type, ("", 0))
    match = re.fullmatch(rf"m64n(\d+)k{depth}", shape)
    if not element or match is None or type_b != type or result != "f32":
        raise op.refuse()
    columns = int(match[1])
    d, a, b, accumulate, *immediates = op.operands
    to = op.vector(d)
    if columns % 8 or not 8 <= columns <= 256 or len(to) != columns // 2:
        raise op.refuse()
    signs = [int(each) for each in immediates[:2]]
    from_registers = a.startswith("{")
    # Of A, unless it lies in registers, and of B; tf32 has none.
    transposed = [each != "0" for each in immediates[2:]]
    if len(transposed) != (0 if element == "Tf32" else 1 if from_registers else 2):
        raise op.refuse()
    transposed = [False] * (2 - len(transposed)) + transposed
    if from_registers:
        registers = ", ".join(op.value(each, "b32") for each in op.vector(a))
        declaration, pointer, descriptor = f"const uint32_t a[4] = {{{registers}}};", "a", "0"
    else:
        declaration, pointer, descriptor = "", "nullptr", op.value(a, "u64")
    fields = [
        *(pointer, descriptor, op.value(b, "u64"), op.predicate(accumulate)),
        *map(str, signs),
        *(str(each).lower() for each in transposed),
    ]
    values = ", ".join(op.value(each, "f32") for each in to)
    return " ".join(
        [
            declaration,
            f"float d[] = {{{values}}};",
            f"const WarpgroupOperands operands{{{', '.join(fields)}}};",
            f"warpgroup_multiply<{element}, {columns}>(self, {op.site}, operands, d);",
            *(op.write(each, f"d[{i}]", "f32") for i, each in enumerate(to)),
        ]
    )


TABLE: dict[str, Callable[[Operation], str]] = {"wgmma": _warpgroup}
