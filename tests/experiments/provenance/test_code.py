"""A change in one kind's code leaves the records of the others valid."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from simclr_bench.experiments.execution.full_size import FEATURE_CODE
from simclr_bench.experiments.provenance import fingerprint
from simclr_bench.experiments.provenance.code import CODE, DATA_CODE


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the package whose files may be changed."""
    package = tmp_path / "simclr_bench"
    shutil.copytree(fingerprint.PACKAGE, package, ignore=shutil.ignore_patterns("*.so", "__pyc*"))
    monkeypatch.setattr(fingerprint, "PACKAGE", package)
    return package


EVERY = {"head", "converged", "student"}


def fingerprints() -> dict[str, str]:
    return {kind: fingerprint.source_fingerprint(*modules) for kind, modules in CODE.items()}


@pytest.mark.parametrize(
    ("path", "changes"),
    [
        ("experiments/execution/head.py", {"head", "student"}),
        ("experiments/execution/converged.py", {"converged"}),
        ("training/converged_probe.py", {"converged"}),
        ("experiments/execution/student.py", {"student"}),
        ("training/dense_student.py", {"student"}),
        ("training/bases.py", set()),  # a base has a key of its own
        ("experiments/execution/kept.py", EVERY),
        ("losses/distillation/chunked.py", {"student"}),
        ("experiments/execution/features.py", EVERY),
        ("experiments/execution/execute.py", set()),
        ("experiments/metrics/head.py", {"head", "converged"}),
        ("experiments/metrics/student.py", {"student"}),
        ("experiments/provenance/code.py", set()),
        ("paper/tables.py", set()),
        ("experiments/execution/stream.py", EVERY),
        ("experiments/execution/ahead.py", EVERY),
        ("experiments/execution/classes.py", EVERY),
        ("data/color.py", EVERY),
        ("data/resample.py", EVERY),
        ("networks/small_residual.py", EVERY),
    ],
)
def test_a_change_concerns_the_kinds_that_run_it(copy: Path, path: str, changes: set) -> None:
    before = fingerprints()
    changed = copy / path
    changed.write_text(changed.read_text() + "\n# changed\n")
    after = fingerprints()
    assert {kind for kind in before if before[kind] != after[kind]} == changes


def followed(names: tuple[str, ...]) -> set[str]:
    """The modules whose source counts."""
    found: set[str] = set()
    pending = list(names)
    while pending:
        name = pending.pop()
        if name not in found:
            found.add(name)
            path = fingerprint._path(name)
            pending += fingerprint._imports(name, path.name == "__init__.py", path.read_bytes())
    return found


@pytest.mark.parametrize("kind", sorted(EVERY))
def test_all_that_a_job_loads_counts_but_what_its_packages_say_of_themselves(kind: str) -> None:
    program = f"import sys, {CODE[kind][0]}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    loaded = {name for name in done.stdout.split() if name.startswith("simclr_bench.")}
    counted = followed(CODE[kind])
    assert CODE[kind][0] in loaded
    # The losses come with the package itself; no probe calls them, and students' are followed. What
    # is compiled is part of the encoder's key, which is an input of every job.
    uncounted = loaded - counted - {"simclr_bench._C"}
    for name in {name for name in uncounted if ".losses" not in name}:
        path = fingerprint._path(name)
        assert path.name == "__init__.py", name
        assert len(ast.parse(path.read_bytes()).body) == 1  # a docstring


@pytest.mark.parametrize("profile", ["embedded", "folder", "paper"])
def test_the_code_of_each_profiles_data_is_there(profile: str) -> None:
    assert len(fingerprint.source_fingerprint(*DATA_CODE[profile])) == 64


@pytest.mark.parametrize(
    ("path", "changed"),
    [
        ("weights/build.py", True),
        ("networks/resnet.py", True),
        ("data/kernels.py", True),
        ("experiments/execution/untrained.py", True),
        ("experiments/execution/extraction.py", True),
        # Weights and pixels have hashes: how they came here is no part of a result.
        ("storage/http.py", False),
        ("weights/install.py", False),
        ("datasets/archives.py", False),
        ("datasets/layouts/dtd.py", False),
    ],
)
def test_features_cost_days_and_outlive_what_only_fetches(
    copy: Path, path: str, changed: bool
) -> None:
    def hashes() -> tuple[str, str]:
        kept = fingerprint.source_fingerprint(*FEATURE_CODE)
        return kept, fingerprint.source_fingerprint(*CODE["head"], *DATA_CODE["paper"])

    before = hashes()
    (copy / path).write_text((copy / path).read_text() + "\n# changed\n")
    for was, now in zip(before, hashes(), strict=True):
        assert (was != now) is changed
