"""A library of data sets that decodes nothing: fetching and the command line are tested on it.

An archive's text says what is in it: "right" has the counts of its set, everything else has not.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from simclr_bench.datasets.catalog import Archive, Dataset
from simclr_bench.errors import DataError
from simclr_bench.storage.cache import cache_directory
from simclr_bench.storage.files import file_sha256, write_atomically
from simclr_bench.storage.progress import Progress

RIGHT = b"right" * 1000


@dataclass(frozen=True, kw_only=True)
class Manifest:
    name: str
    counts: dict[str, list[int]]
    source: dict[str, Any]
    dropped: list[dict[str, str]]
    shards: list[dict[str, Any]]
    skip_corrupt: bool


def dataset_directory(name: str) -> Path:
    return cache_directory() / "datasets" / name


def read_manifest(name: str) -> Manifest | None:
    try:
        return Manifest(**json.loads((dataset_directory(name) / "manifest.json").read_bytes()))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise DataError(f"{name}: the manifest is corrupt") from error


def import_dataset(
    dataset: Dataset,
    path: Path,
    *,
    unofficial: bool = False,
    url: str | None = None,
    skip_corrupt: bool = False,
    progress: Progress,
) -> Manifest:
    right = path.is_file() and path.read_bytes().startswith(b"right")
    if not right and not unofficial:
        raise DataError(f"{path}: wanted 4 images, got 3")
    sha256 = file_sha256(path) if path.is_file() else None
    official = sha256 is not None and sha256 in {archive.sha256 for archive in dataset.archives}
    made = {
        "name": dataset.name,
        "counts": {"train": [1, 1], "heldout": [1, 1]},
        "source": {
            "kind": "archive",
            "path": str(path),
            "sha256": sha256,
            "official": official,
            "url": url,
        },
        "dropped": [],
        "shards": [{"file": "0", "bytes": 3_000_000, "sha256": "0"}],
        "skip_corrupt": skip_corrupt,
    }
    dataset_directory(dataset.name).mkdir(parents=True, exist_ok=True)
    text = json.dumps(made).encode()
    write_atomically(dataset_directory(dataset.name) / "manifest.json", text)
    return Manifest(**made)


def verify_dataset(name: str, progress: Progress) -> list[str]:
    manifest = read_manifest(name)
    return size_faults(manifest) if manifest else []


def size_faults(manifest: Manifest) -> list[str]:
    damage = dataset_directory(manifest.name) / "damage"
    return damage.read_text().splitlines() if damage.exists() else []


def install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes the place of `simclr_bench.datasets.library`."""
    module = ModuleType("simclr_bench.datasets.library")
    for known in (
        Manifest,
        dataset_directory,
        read_manifest,
        import_dataset,
        verify_dataset,
        size_faults,
    ):
        setattr(module, known.__name__, known)
    monkeypatch.setitem(sys.modules, module.__name__, module)


def small_set(name: str, *archives: Archive) -> Dataset:
    """A data set of four images."""
    return Dataset(
        name=name,
        title="Small",
        homepage="https://example.org",
        licence="none",
        citation="nobody",
        archives=archives,
        layout="one file",
        classes=("a", "b"),
        counts={"all": (2, 2)},
        heldout="",
        heldout_fraction=0.5,
        decoded_bytes=48_000,
    )
