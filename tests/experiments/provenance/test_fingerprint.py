"""The code hash follows imports, and only code that runs."""

import shutil
from pathlib import Path

import pytest

from simclr_bench.experiments.provenance import fingerprint


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the package whose files may be changed."""
    package = tmp_path / "simclr_bench"
    shutil.copytree(fingerprint.PACKAGE, package, ignore=shutil.ignore_patterns("*.so", "__pyc*"))
    monkeypatch.setattr(fingerprint, "PACKAGE", package)
    return package


def touch(path: Path) -> None:
    path.write_text(path.read_text() + "\n# changed\n")


HEAD = "simclr_bench.experiments.execution.head"


def test_a_change_in_an_imported_module_changes_the_hash(copy: Path) -> None:
    before = fingerprint.source_fingerprint(HEAD)
    touch(copy / "data" / "randomness.py")
    assert fingerprint.source_fingerprint(HEAD) != before


@pytest.mark.parametrize("path", ["cli/main.py", "report/stored.py", "paper/tables.py"])
def test_a_change_in_what_no_job_executes_does_not(copy: Path, path: str) -> None:
    before = fingerprint.source_fingerprint(HEAD)
    touch(copy / path)
    assert fingerprint.source_fingerprint(HEAD) == before


def test_the_losses_determine_the_encoder(copy: Path) -> None:
    before = fingerprint.source_fingerprint("simclr_bench.training.pretrain")
    touch(copy / "losses" / "contrastive" / "chunked.py")
    assert fingerprint.source_fingerprint("simclr_bench.training.pretrain") != before


def test_a_missing_module_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no module simclr_bench.nothing"):
        fingerprint.source_fingerprint("simclr_bench.nothing")


def test_relative_imports_are_followed() -> None:
    source = b"from . import spec\nfrom .spec import Table\nfrom ..errors import DataError\n"
    assert fingerprint._imports("simclr_bench.paper.tables", False, source) == [
        "simclr_bench.errors",
        "simclr_bench.paper",
        "simclr_bench.paper.spec",
    ]
