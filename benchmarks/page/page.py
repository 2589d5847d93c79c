"""`make benchmarks`: writes BENCHMARKS.md and its plots from the raw records under results/.

    python -m benchmarks.page

The page holds nothing that a record does not; tests/test_benchmarks_page.py fails when it is stale.
"""

from pathlib import Path

from benchmarks.gpu.stages import read_outcomes
from benchmarks.page import gpu, plots, proofs, sections, summary
from benchmarks.page.machines import machines
from benchmarks.page.words import BOUNDS, exponent
from benchmarks.records.record import read
from simclr_bench.storage.files import write_atomically

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "BENCHMARKS.md"
RESULTS = ROOT / "results"
# Below the folder of results, which the page links to.
PLOTS = "plots"

HEAD = """\
<!-- Written by `make benchmarks` from the records under results/; never edited by hand. -->
# Benchmarks
"""

NOTHING = "No records of a CPU have been committed yet."

METHOD = f"""\
## How it is measured

One time is the loss and its gradients from raw inputs: to both views for NT-Xent, to the student
for distillation (T = 4, alpha = 0.7). Every provider has a turn a round, in rotating order, in one
process; its time in the round is the median of the calls of its turn. A ratio is a provider's time
over ours in the same round, given as the median over rounds with its 95 % interval (order
statistics). A turn begins with a call that does not count, unless one takes a second: it pays for
the memory that the provider before has given back. Rounds in which
others used more than 6 % of the machine are discarded as long as 7 are left; "rounds" counts kept
and discarded ones, and "disturbed" those that had to be kept.

Errors are relative, by norms, against float64. A gradient is marked ✗ if its error is above
{exponent(BOUNDS["float32"])} in float32, or {exponent(BOUNDS["bfloat16"])} in bfloat16, float16 and
float32 that is multiplied with fewer digits. A column holds one precision class; one that is not
the table's is named in its heading; a blank is a size that a provider is not asked for. GFLOP/s and
GB/s are what the formula asks for over our time, whatever is computed again or spared: three
products of all rows with all, each logit read and each gradient written once. Their share is of
what torch's matrix product and a copy reached in the same process; symmetry, other instructions and
caches can take it above 100 %."""


def render(results: Path) -> str:
    """The page of a results directory: with a folder per machine in cpu/, and gpu/."""
    found = machines(results / "cpu")
    on_gpu = read_outcomes(results / "gpu"), read(results / "gpu")
    lines = summary.render(found[0]) if found else [NOTHING, ""]
    lines += gpu.line(*on_gpu)
    for machine in found[1:]:
        lines += ["", *summary.other_machine(machine)]
    lines += ["", *METHOD.splitlines()]
    for machine in found:
        pictures = plots.links(machine, f"{results.name}/{PLOTS}")
        lines += sections.of_machine(machine, pictures)
        lines += proofs.section(results / "cpu" / machine.name)
    lines += gpu.section(*on_gpu)
    return HEAD + "\n" + "\n".join(lines) + "\n"


def draw(results: Path) -> dict[str, bytes]:
    """The plots of a results directory, by the name of their file."""
    return {
        name: svg
        for machine in machines(results / "cpu")
        for name, svg in plots.draw(machine).items()
    }


def main() -> int:
    drawn, folder = draw(RESULTS), RESULTS / PLOTS
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("*.svg"):
        if path.name not in drawn:
            path.unlink()
    for name, svg in drawn.items():
        write_atomically(folder / name, svg)
    write_atomically(PAGE, render(RESULTS).encode())
    return 0
