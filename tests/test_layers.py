"""Who may import whom. A new arrow is a design decision: it is made here, in a diff."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "simclr_bench"

# Rooms of the package, from the ground up; each imports only what it lists, and itself.
ALLOWED = {
    "errors": set(),
    "losses": {"_C"},
    "paper": set(),
    "storage": {"errors"},
    "results": {"errors", "storage"},
    "data": {"errors"},
    "datasets": {"data", "errors", "storage"},
    "networks": set(),
    "weights": {"errors", "networks", "storage"},
    "training": {"data", "losses", "networks", "errors", "storage", "weights"},
    "experiments": {
        "data",
        "datasets",
        "errors",
        "losses",
        "networks",
        "paper",
        "results",
        "storage",
        "training",
        "weights",
    },
    "verdicts": {"paper"},
    "report": {"errors", "experiments", "paper", "results", "storage", "verdicts"},
    "cli": {
        "data",
        "datasets",
        "errors",
        "experiments",
        "losses",
        "paper",
        "report",
        "results",
        "storage",
        "training",
        "weights",
    },
    "__main__": {"cli"},
}

# Modules that a program without torch can import.
WITHOUT_TORCH = (
    "simclr_bench",
    "simclr_bench.errors",
    "simclr_bench.cli.bench",
    "simclr_bench.paper.tables",
    "simclr_bench.results.store",
    "simclr_bench.results.environment",
    "simclr_bench.storage.download",
    "simclr_bench.storage.pins",
    "simclr_bench.datasets.catalog",
    "simclr_bench.datasets.fetch",
    "simclr_bench.datasets.library",
    "simclr_bench.datasets.shards",
    "simclr_bench.datasets.verifying",
    "simclr_bench.training.encoder_cache",
    "simclr_bench.weights.tensorflow.convert",
    "simclr_bench.weights.catalog",
    "simclr_bench.weights.library",
    "simclr_bench.weights.pins",
    "simclr_bench.experiments.planning.plan",
    "simclr_bench.experiments.settings",
    "simclr_bench.experiments.materials.choose",
    "simclr_bench.experiments.materials.paper",
    "simclr_bench.experiments.running.runner",
    "simclr_bench.experiments.provenance.stale",
    "simclr_bench.experiments.provenance.verification",
    "simclr_bench.verdicts.claims",
    "simclr_bench.report.document",
    "simclr_bench.report.terminal",
    "simclr_bench.report.diff",
    "simclr_bench.cli.main",
    "simclr_bench.cli.arguments",
    "simclr_bench.cli.catalog",
    "simclr_bench.cli.data",
    "simclr_bench.cli.weights",
    "simclr_bench.cli.doctor",
)


def rooms_imported(path: Path) -> set[str]:
    """The rooms of this package that a file names in any import, lazy ones included."""
    package = ("simclr_bench", *path.relative_to(PACKAGE).parts[:-1])
    named = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            named |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*above, *filter(None, [node.module])])
            named |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    known = {*ALLOWED, "_C"}
    parts = [name.split(".") for name in named if name.startswith("simclr_bench.")]
    return {part[1] for part in parts if part[1] in known}


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.name))
def test_a_room_imports_only_the_rooms_below_it(path: Path) -> None:
    room = room_of(path)
    if room == "__init__":
        assert rooms_imported(path) <= {"losses"}
        return
    extra = rooms_imported(path) - ALLOWED[room] - {room}
    assert not extra, f"{path.name} in {room} imports {sorted(extra)}"


def test_the_allowed_arrows_have_no_cycle() -> None:
    order = list(ALLOWED)
    for room, below in ALLOWED.items():
        for other in below - {"_C"}:
            assert order.index(other) < order.index(room)


def test_what_needs_no_torch_does_not_import_it() -> None:
    program = f"import sys\nimport {', '.join(WITHOUT_TORCH)}\nsys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def test_an_arrow_upwards_would_be_seen(tmp_path: Path) -> None:
    assert rooms_imported(PACKAGE / "experiments" / "running" / "workers.py") == {
        "errors",
        "experiments",
    }
    assert "losses" in rooms_imported(PACKAGE / "training" / "pretrain.py")
