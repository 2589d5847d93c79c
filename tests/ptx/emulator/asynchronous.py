"""Instructions of Hopper that work beside threads: mbarrier, cp.async.bulk and its tensor form."""

from collections.abc import Callable

from .operation import Operation
from .source import split


def _shared(op: Operation, operand: str) -> str:
    """C++ for a shared address."""
    address = op.address(operand, "shared")
    return f"{address.base} + {address.offset}"


def _global(op: Operation, operand: str) -> str:
    address = op.address(operand, "global")
    return f"{address.base} + {address.offset}"


def _barrier(op: Operation) -> str:
    action = op.required("init", "inval", "arrive", "expect_tx", "try_wait")
    expects = action == "expect_tx" or op.flag("expect_tx")
    has_parity = op.flag("parity")
    op.choice("release", "acquire", "relaxed")
    op.choice("cta", "cluster")
    op.required("shared", "shared::cta")
    op.type("b", (8,))
    to, operands = "_", list(op.operands)
    if action in ("arrive", "try_wait"):
        to, *operands = op.operands
    where = f"self, {op.site}, {_shared(op, operands[0])}"
    number = op.value(operands[1], "u32") if len(operands) > 1 else "1"
    if action == "init":
        return f"mbarrier_init({where}, {number});"
    if action == "inval":
        return f"mbarrier_invalidate({where});"
    if action == "try_wait":
        # A state is the number of its phase.
        parity = number if has_parity else f"uint32_t({op.value(operands[1], 'u64')} & 1)"
        return op.write(to, f"mbarrier_try_wait({where}, {parity})", "pred")
    counts = f"{int(action == 'arrive')}, {number}" if expects else f"{number}, 0"
    return op.write(to, f"mbarrier_arrive({where}, {counts})", "u64")


def copy_bulk(op: Operation) -> str:
    """cp.async.bulk, after these words."""
    if op.flag("commit_group"):
        return "commit_bulk(self);"
    if op.flag("wait_group"):
        op.flag("read")
        return f"wait_for_bulk(self, {op.site}, {op.value(op.operands[0], 'u32')});"
    is_box = op.flag("tensor")
    if is_box:
        op.required("2d")
        op.flag("tile")
    op.required("global")
    to_global = op.flag("bulk_group")
    if to_global:
        op.required("shared::cta")
        remote, local, *rest = op.operands
    else:
        op.required("shared::cluster", "shared::cta")
        op.required("mbarrier::complete_tx::bytes")
        local, remote, *rest = op.operands
    if is_box:
        map_, coordinates = split(remote[1:-1])
        column, row = (op.value(each, "s32") for each in op.vector(coordinates))
        matrix = _global(op, f"[{map_}]")
        copy = f"bulk_box(self, {op.site}, {_shared(op, local)}, {matrix}, {column}, {row})"
    else:
        size, *rest = rest
        where = f"{_shared(op, local)}, {_global(op, remote)}"
        copy = f"bulk_row(self, {op.site}, {where}, {op.value(size, 'u32')})"
    if len(rest) != (0 if to_global else 1):
        raise op.refuse()
    if to_global:
        return f"bulk_store(self, {op.site}, {copy});"
    return f"bulk_load(self, {op.site}, {copy}, {_shared(op, rest[0])});"


def _prefetch(op: Operation) -> str:
    op.required("tensormap")
    return ";"


TABLE: dict[str, Callable[[Operation], str]] = {
    "mbarrier": _barrier,
    "prefetch": _prefetch,
}
