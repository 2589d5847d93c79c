"""`make benchmarks`: writes BENCHMARKS.md from the raw records under results/.

    python -m benchmarks.page.page

The page holds nothing that a record does not; tests/test_benchmarks_page.py fails when it is stale.
"""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.gpu.stages import Outcome, read_outcomes
from benchmarks.gpu.targets import judge_all
from benchmarks.grid import CPU_SUITES, GPU_SUITES, cuda
from benchmarks.grid.losses import ACCURACY, MEMORY
from benchmarks.page import table
from benchmarks.records.record import Record, latest, read

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "BENCHMARKS.md"

HEAD = """\
<!-- Written by `make benchmarks` from the records under results/; never edited by hand. -->
# Benchmarks

`make bench` (`pytest --benchmark-only`) races a quick grid on your own machine: both losses, ours
against plain PyTorch and what else is installed, with the gradient's error beside the time.
`pytest benchmarks -k "nt_xent and cpu" --benchmark-only` races the grid below, and
`python -m benchmarks.run` what is no matter of time. `make gpu` tests and measures on a GPU, and
adds its records to `results/gpu/`.

One time is the loss and its gradients from raw inputs: to both views for NT-Xent, to the student
for distillation (T = 4, alpha = 0.7). Every provider runs once a round, in rotating order, in one
process; a ratio is a provider's time over ours in the same round, given as the median over rounds
with its 95 % interval (order statistics). A turn begins with a call that does not count, unless one
takes a second: it pays for the memory that the provider before has given back. Rounds in which
others used more than 6 % of the machine are discarded as long as 7 are left; "disturbed" counts
those that had to be kept. Errors are relative, by norms, against float64.
"""

NOTHING = """
No records of a CPU have been committed yet.
"""

GPU = """\
What the CUDA operators have to reach, judged by the records under `results/gpu/`: correctness (4),
NT-Xent (5), distillation (6). Times are the device's, by events, forward and backward if not said
otherwise, with a cold cache and with launches queued ahead, so that no gap between them counts; a
ratio is as above. An error is a norm over rows, against float64, beside that of the plain formula
in the same precision. A bandwidth counts each logit read once and the student's gradient written
once, over what a copy moves on the same device. Of several cells the worst is shown."""

ALLOCATORS = {
    "default": (
        "glibc's own settings: what users get. They flatter us: every fresh N x N buffer costs "
        "PyTorch a page fault per 4 kB, and we make no such buffer."
    ),
    "tuned": (
        "The other side: `GLIBC_TUNABLES` set so that the process never gives memory back, which "
        "spares eager those page faults."
    ),
}


def _machine(record: Record) -> str:
    facts = record.environment
    if record.cell.device == "cuda":
        return f"{facts['gpu']}, CUDA {facts['cuda']}, {_software(record)}"
    kernels = facts.get("kernels") or "no compiled"
    return f"{facts['cpu']}, {record.cell.threads} threads, {kernels} kernels, {_software(record)}"


def _software(record: Record) -> str:
    facts = record.environment
    return (
        f"torch {facts['packages']['torch']}, Python {facts['python']},"
        f" commit {(facts['commit'] or '?')[:12]}{' (modified)' if facts['dirty'] else ''}"
    )


def _section(title: str, text: str, rows: table.Rows, records: Sequence[Record]) -> list[str]:
    if not rows:
        return []
    machines = dict.fromkeys(_machine(record) for record in records)
    peers = dict.fromkeys(r.package for r in records if not r.not_run)
    notes = [f"Measured on: {'; '.join(machines)}.", f"Versions: {', '.join(peers)}."]
    left_out = [f"- {line}" for line in table.left_out(records)]
    body = ["", f"## {title}", "", *([text, ""] if text else []), *table.markdown(rows), ""]
    return body + notes + (["", *left_out] if left_out else [])


def render_cpu(records: Sequence[Record]) -> list[str]:
    """The sections of the CPU: a table per suite and allocator."""
    records = latest(records)
    lines: list[str] = []
    for name, work in dict.fromkeys((suite.name, suite.work) for suite in CPU_SUITES):
        for allocator, text in ALLOCATORS.items():
            found = [
                r for r in records if (r.suite, r.cell.work, r.allocator) == (name, work, allocator)
            ]
            title = f"{work} on a CPU, {name}, {allocator} allocator"
            lines += _section(title, text, table.races(found), found)
    for suite, title, show in (
        (ACCURACY, "Gradient error by temperature", table.accuracies),
        (MEMORY, "Peak memory above the inputs", table.peaks),
    ):
        found = [r for r in records if r.suite == suite.name]
        lines += _section(title, "", show(found), found)
    return lines


def render_gpu(outcomes: Sequence[Outcome], records: Sequence[Record]) -> list[str]:
    """The sections of the GPU: the targets, measured or not, then a table per suite and loss."""
    rows = [["line", "target", "bound", "verdict", "measured", "n", "on"]]
    rows += [
        [
            *(str(judged.line), judged.text, judged.bound, judged.verdict, judged.value),
            *("" if judged.n is None else str(judged.n), judged.device),
        ]
        for judged in judge_all(outcomes, records)
    ]
    lines = ["", "## GPU", "", *GPU.splitlines(), "", *table.markdown(rows)]
    records = latest(records)
    for name, loss in dict.fromkeys((s.name, s.work) for s in (*cuda.ACCURACY, *GPU_SUITES)):
        found = [r for r in records if (r.suite, r.cell.work) == (name, loss)]
        show = table.errors if name == "gpu_accuracy" else table.races
        lines += _section(f"{loss} on a GPU, {name}", "", show(found), found)
    return lines


def render(results: Path) -> str:
    """The page of a results directory."""
    machines = sorted(path for path in (results / "cpu").glob("*") if path.is_dir())
    cpu, gpu = [read(path) for path in machines], results / "gpu"
    lines = [
        *([line for records in cpu for line in render_cpu(records)] or NOTHING.splitlines()),
        *render_gpu(read_outcomes(gpu), read(gpu)),
    ]
    return HEAD + "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(render(ROOT / "results"))
