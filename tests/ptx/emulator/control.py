"""Instructions by which threads branch, wait for each other and exchange values in a warp."""

from collections.abc import Callable

from .operation import Operation, cpp_type


def _branch(op: Operation) -> str:
    op.flag("uni")
    return f"goto {op.label(op.operands[0])};"


def _return(op: Operation) -> str:
    op.flag("uni")
    return "return;"


def _fence(op: Operation) -> str:
    """Threads see each other's accesses at once; what works beside them does not see theirs."""
    if op.flag("proxy"):
        op.required("async")
        op.choice("global", "shared::cta", "shared::cluster")
        return "proxy_fence(self);"
    op.choice("mbarrier_init")
    op.choice("sc", "acq_rel", "acquire", "release")
    op.choice("cta", "cluster", "gpu", "sys", "gl")
    return ";"


def _elect(op: Operation) -> str:
    op.required("sync")
    to, _, predicate = op.operands[0].partition("|")
    mask = op.value(op.operands[1], "u32")
    writes = op.write(to, "lane", "u32") + " " + op.write(predicate, "lane == self.lane", "pred")
    return f"const uint32_t lane = elect(self, {op.site}, {mask}); {writes}"


def _set_registers(op: Operation) -> str:
    more = "true" if op.required("inc", "dec") == "inc" else "false"
    for word in ("sync", "aligned"):
        op.required(word)
    op.type("u", (4,))
    return f"set_registers(self, {op.site}, {op.value(op.operands[0], 'u32')}, {more});"


def _trap(op: Operation) -> str:
    return f'fail(self, {op.site}, "trap");'


def _barrier(op: Operation) -> str:
    """bar and barrier, of a warp and of a block."""
    if op.flag("warp"):
        op.required("sync")
        return f"warp_sync(self, {op.site}, {op.value(op.operands[0], 'u32')});"
    if op.flag("cluster"):
        raise op.refuse()
    op.flag("cta")
    what = op.required("sync", "red", "arrive")
    # A warp's lanes may come one by one; "aligned" promises that they do not.
    op.flag("aligned")
    if what == "red":
        return _barrier_reduction(op)
    threads = op.value(op.operands[1], "u32") if len(op.operands) > 1 else "0"
    name = "block_barrier" if what == "sync" else "block_arrive"
    return f"{name}(self, {op.site}, {op.value(op.operands[0], 'u32')}, {threads});"


def _barrier_reduction(op: Operation) -> str:
    reduction = op.required("popc", "and", "or")
    type = op.type("p" if reduction != "popc" else "u")
    to, number, *threads, predicate = op.operands
    count = op.value(threads[0], "u32") if threads else "0"
    kind = {"popc": "kCount", "and": "kAnd", "or": "kOr"}[reduction]
    call = (
        f"block_barrier(self, {op.site}, {op.value(number, 'u32')}, {count}, "
        f"Reduction::{kind}, {op.predicate(predicate)})"
    )
    return op.write(to, call, type)


_SHUFFLES = {"up": "kUp", "down": "kDown", "bfly": "kButterfly", "idx": "kIndex"}


def _shuffle(op: Operation) -> str:
    op.required("sync")
    type = op.type("b", (4,))
    mode = _SHUFFLES[op.required(*_SHUFFLES)]
    to, _, inside = op.operands[0].partition("|")
    operands = ", ".join(op.values("u32", 1, 2, 3, 4))
    statements = [
        "bool inside;",
        f"const auto value = shuffle(self, {op.site}, ShuffleMode::{mode}, {operands}, inside);",
        op.write(to, "value", type),
    ]
    if inside:
        statements.append(op.write(inside, "inside", "pred"))
    return " ".join(statements)


_VOTES = {
    "all": "result.ballot == result.everybody",
    "any": "result.ballot != 0",
    "uni": "result.ballot == 0 || result.ballot == result.everybody",
}


def _vote(op: Operation) -> str:
    op.required("sync")
    to, predicate, mask = op.operands
    arguments = f"{op.predicate(predicate)}, {op.value(mask, 'u32')}"
    statement = f"const Vote result = vote(self, {op.site}, {arguments});"
    if op.flag("ballot"):
        return f"{statement} {op.write(to, 'result.ballot', op.type('b', (4,)))}"
    result = _VOTES[op.required(*_VOTES)]
    return f"{statement} {op.write(to, result, op.type('p'))}"


_REDUCTIONS = {
    "add": "add",
    "min": "minimum",
    "max": "maximum",
    "and": "bits_and",
    "or": "bits_or",
    "xor": "bits_xor",
}


def _warp_reduction(op: Operation) -> str:
    op.required("sync")
    type = op.type("bsu", (4,))
    function = _REDUCTIONS[op.required(*_REDUCTIONS)]
    cpp = cpp_type(type)
    arguments = f"{op.value(op.operands[1], type)}, {op.value(op.operands[2], 'u32')}"
    call = f"warp_reduce<{cpp}, {function}<{cpp}>>(self, {op.site}, {arguments})"
    return op.write(op.operands[0], call, type)


TABLE: dict[str, Callable[[Operation], str]] = {
    "bar": _barrier,
    "barrier": _barrier,
    "bra": _branch,
    "elect": _elect,
    "exit": _return,
    "fence": _fence,
    "membar": _fence,
    "redux": _warp_reduction,
    "ret": _return,
    "setmaxnreg": _set_registers,
    "shfl": _shuffle,
    "trap": _trap,
    "vote": _vote,
}
