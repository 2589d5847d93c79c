"""The full grids: for each machine a table per work, suite, allocator and precision class."""

from collections.abc import Sequence

from benchmarks.grid.cells import LossCell
from benchmarks.page import table, words
from benchmarks.page.curves import curves
from benchmarks.page.machines import Grid, Machine, grids
from benchmarks.records.record import Record

ALLOCATORS = {
    "default": "glibc's own settings: what users get. They flatter us: every fresh N x N buffer "
    "costs PyTorch a page fault per 4 kB, and we make no such buffer.",
    "tuned": "The other side: `GLIBC_TUNABLES` set so that the process never gives memory back, "
    "which spares the others those page faults.",
}
SCALING = (
    "A process for each point. An exponent is the p of N^p, with its 95 % interval and the sizes "
    "that it was fitted to."
)
CEILINGS = {
    "matmul_gflop_s": ("matrix product", "GFLOP/s"),
    "matmul_bfloat16_gflop_s": ("in bfloat16", "GFLOP/s"),
    "copy_gb_s": ("copy", "GB/s"),
    "exp_g_s": ("exp", "10^9/s"),
}
# Longer tables are folded up.
LONG = 24


def of_machine(machine: Machine, pictures: Sequence[str] = ()) -> list[str]:
    """All sections of a machine, behind its plots."""
    lines = ["", f"## {machine.title}", "", *_software(machine), *_ceilings(machine), *pictures]
    for grid in grids(machine.records):
        lines += of_grid(grid, machine.threads)
    for loss in ("nt_xent", "distillation"):
        found = [r for r in machine.records if (r.suite, r.cell.work) == ("scaling", loss)]
        title = f"{words.name_of(loss)}: time and memory as its rows double"
        lines += _section(title, [SCALING], curves(found), found)
    for suite, title, show in (
        ("accuracy", "Gradient error by temperature", table.accuracies),
        ("gpu_accuracy", "Errors beside the plain formula's", table.errors),
        ("memory", "Peak memory of a step above its inputs", table.peaks),
    ):
        found = [record for record in machine.records if record.suite == suite]
        lines += _section(title, [], show(found), found)
    return lines


def of_grid(grid: Grid, threads: int) -> list[str]:
    """The section of one grid; nothing where ours did not run.

    Args:
        grid: The races.
        threads: Of the machine: others are named in the heading.
    """
    suite = f"{grid.suite}, {grid.allocator} allocator"
    # What an allocator does is a matter of losses on a CPU.
    of_memory = isinstance(grid.records[0].cell, LossCell) and grid.records[0].cell.device == "cpu"
    title = f"{words.name_of(grid.work)}, {grid.kind}: {suite if of_memory else grid.suite}"
    own = grid.records[0].cell.threads
    title += f", {own} thread{'' if own == 1 else 's'}" if own != threads else ""
    text = [ALLOCATORS[grid.allocator]] if of_memory and grid.allocator in ALLOCATORS else []
    return _section(title, text, table.grid(grid), grid.records)


def _section(title: str, text: list[str], rows: table.Rows, records: Sequence[Record]) -> list[str]:
    if not rows:
        return []
    body = table.markdown(rows)
    if len(rows) > LONG:
        sizes = f"{len(rows) - 1} cells"
        body = ["<details>", f"<summary>{sizes}</summary>", "", *body, "", "</details>"]
    lines = ["", f"### {title}", "", *(part for line in text for part in (line, "")), *body]
    notes = _notes(records)
    return lines + (["", *notes] if notes else [])


def _notes(records: Sequence[Record]) -> list[str]:
    """Versions, then what a reader of the table has to know: who is absent, wrong or different."""
    versions = dict.fromkeys(r.package for r in records if not r.not_run and r.package)
    notes = [f"- versions: {', '.join(versions)}"] if versions else []
    notes += [f"- {line}" for line in table.left_out(records)]
    notes += [f"- {line}" for line in table.differences(records)]
    wrong = dict.fromkeys(record.provider for record in records if words.is_wrong(record))
    if wrong:
        bounds = {words.class_of(r): words.bound_of(r) for r in records if words.is_wrong(r)}
        texts = ", ".join(f"{words.exponent(bound)} for {kind}" for kind, bound in bounds.items())
        notes.append(f"- ✗ {', '.join(wrong)}: a gradient further off than {texts}")
    return notes


def _software(machine: Machine) -> list[str]:
    return [f"{'; '.join(machine.software)}."]


def _ceilings(machine: Machine) -> list[str]:
    """What the machine was measured to do, of the newest record that has it."""
    ordered = sorted(machine.records, key=lambda record: record.finished, reverse=True)
    known = [r.environment["ceilings"] for r in ordered if r.environment.get("ceilings")]
    found = known[0] if known else {}
    texts = [
        f"{name} {words.number(found[key])} {unit}"
        for key, (name, unit) in CEILINGS.items()
        if found.get(key)
    ]
    return ["", f"Ceilings measured in the same process: {', '.join(texts)}."] if texts else []
