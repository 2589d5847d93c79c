"""An import is whole, official or not, alone, and has room; or it never was."""

import fcntl
import hashlib
import os
import resource
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from simclr_bench.datasets import build, shards
from simclr_bench.datasets.catalog import DATASETS
from simclr_bench.datasets.library import (
    dataset_directory,
    open_dataset,
    read_manifest,
    verify_dataset,
)
from simclr_bench.datasets.manifest import manifest_path
from simclr_bench.errors import DataError, StoreError
from tests.datasets.miniature import make_miniature, write_archive
from tests.datasets.taking import PROGRESS, small, take


def test_a_directory_is_only_replaced_by_a_whole_one(tmp_path: Path) -> None:
    first, second = small("tf_flowers"), small("tf_flowers", seed=1)
    one = take(first.dataset, write_archive(first, tmp_path / "one"))
    opened = open_dataset("tf_flowers")
    image = opened.train.images[0]
    broken = second.changed(second.entries[-1].file, b"no image")
    with pytest.raises(DataError, match="does not decode"):
        take(second.dataset, write_archive(broken, tmp_path / "broken"))
    assert read_manifest("tf_flowers") == one
    assert len(list(dataset_directory("tf_flowers").glob("data-*"))) == 1
    two = take(second.dataset, write_archive(second, tmp_path / "two"))
    assert two.content_sha256 != one.content_sha256
    assert len(list(dataset_directory("tf_flowers").glob("data-*"))) == 1
    assert torch.equal(opened.train.images[0], image)  # whoever reads the old one still can


@pytest.mark.parametrize("name", DATASETS)
def test_counts_that_differ_are_refused_unless_they_are_wanted(tmp_path: Path, name: str) -> None:
    miniature = small(name, per_class=2)
    archive = write_archive(miniature, tmp_path)
    split = next(iter(miniature.dataset.counts))
    counts = {**miniature.dataset.counts, split: (9, *miniature.dataset.counts[split][1:])}
    asked = replace(miniature.dataset, counts=counts)
    got = miniature.dataset.counts[split][0]
    words = f"{split}: class {asked.classes[0]}: wanted 9 images, got {got}"
    with pytest.raises(DataError, match=f"{archive}: {words}; .*--unofficial"):
        take(asked, archive)
    assert read_manifest(name) is None
    manifest = take(asked, archive, unofficial=True)
    assert manifest.deviations == [words] and not manifest.source["official"]
    assert open_dataset(name).description["source"]["deviations"] == [words]


def test_an_archive_is_official_by_its_hash(tmp_path: Path) -> None:
    miniature = small("dtd")
    path = write_archive(miniature, tmp_path)
    archive = replace(
        miniature.dataset.archives[0],
        size=path.stat().st_size,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
    )
    dataset = replace(miniature.dataset, archives=(archive,))
    manifest = take(dataset, path, url="https://example.org/dtd")
    assert manifest.source == {
        "kind": "archive",
        "path": str(path),
        "sha256": archive.sha256,
        "official": True,
        "url": "https://example.org/dtd",
    }
    assert "path" not in open_dataset("dtd").description["source"]
    # A byte of padding, which neither tar nor a decoder would miss.
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"has the size of dtd-r1\.0\.1\.tar\.gz but not its bytes"):
        take(dataset, path)
    assert not take(dataset, path, unofficial=True).source["official"]
    assert read_manifest("dtd") is not None


def test_an_official_archive_that_was_not_taken_whole_is_not_official(tmp_path: Path) -> None:
    whole = small("dtd")
    hurt = whole.entries[0]
    path = write_archive(whole.changed(hurt.file, hurt.data[: len(hurt.data) // 2]), tmp_path)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    archive = replace(whole.dataset.archives[0], size=None, sha256=sha256)
    dataset = replace(whole.dataset, archives=(archive,))
    with pytest.raises(DataError, match=f"{hurt.file}: does not decode"):
        take(dataset, path)
    manifest = take(dataset, path, skip_corrupt=True)
    assert manifest.source["sha256"] == sha256 and not manifest.source["official"]
    assert manifest.deviations == ["1 images left out that do not decode"]
    assert open_dataset("dtd").description["source"]["deviations"] == manifest.deviations


def test_one_importer_at_a_time_and_enough_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    miniature = small("tf_flowers")
    archive = write_archive(miniature, tmp_path)
    take(miniature.dataset, archive)
    with (dataset_directory("tf_flowers") / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(StoreError, match="another process is importing"):
            take(miniature.dataset, archive)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(DataError, match=r"tf_flowers takes up to 0\.0 GB; set SIMCLR_BENCH_CACHE"):
        take(miniature.dataset, archive)


def test_a_full_disk_leaves_the_old_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    miniature = small("tf_flowers")
    archive = write_archive(miniature, tmp_path)
    before = take(miniature.dataset, archive)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shards.os, "fsync", full)
    with pytest.raises(DataError, match="cannot be written"):
        take(miniature.dataset, archive)
    monkeypatch.undo()
    monkeypatch.setenv("SIMCLR_BENCH_CACHE", str(tmp_path / "cache"))
    assert read_manifest("tf_flowers") == before
    assert verify_dataset("tf_flowers", PROGRESS) == []
    assert len(list(dataset_directory("tf_flowers").glob("data-*"))) == 1


def test_a_disk_that_fills_up_is_named_however_small_the_images(tmp_path: Path) -> None:
    # Images that fit the file's buffer: closing it, the disk refuses once more.
    miniature = small("cifar_100", per_class=20)
    archive = write_archive(miniature, tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(DataError, match=r"data-\w+: cannot be written .*SIMCLR_BENCH_CACHE"):
            take(miniature.dataset, archive)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in dataset_directory("cifar_100").iterdir()] == ["lock"]


def test_a_source_that_changes_meanwhile_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    miniature = small("tf_flowers")
    archive = write_archive(miniature, tmp_path)
    split = build.hash_split

    def meddle(*arguments: object) -> list[bool]:
        os.utime(archive, (1, 1))
        return split(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(build, "hash_split", meddle)
    with pytest.raises(DataError, match="changed while it was read"):
        take(miniature.dataset, archive)
    assert not manifest_path("tf_flowers").exists()


def test_classes_without_images_are_taken_if_that_is_wanted(tmp_path: Path) -> None:
    miniature = make_miniature("dtd", per_class=1, only=("banded", "zigzagged"))
    archive = write_archive(miniature, tmp_path)
    words = "train: no image of blotchy, braided, bubbly and 42 more classes"
    with pytest.raises(DataError, match=f"{archive}: {words}; heldout: no image .*--unofficial"):
        take(miniature.dataset, archive)
    assert read_manifest("dtd") is None
    manifest = take(miniature.dataset, archive, unofficial=True)
    assert manifest.deviations == [words, words.replace("train", "heldout")]
    assert manifest.classes == DATASETS["dtd"].classes
    assert manifest.counts["train"] == [1, *[0] * 45, 1]
    assert open_dataset("dtd").train.labels.tolist() == [0, 46]
    assert verify_dataset("dtd", PROGRESS) == []

    untested = write_archive(miniature.changed("dtd/labels/test1.txt", b""), tmp_path / "untested")
    with pytest.raises(DataError, match="no class has an image for heldout"):
        take(miniature.dataset, untested, unofficial=True)
    assert read_manifest("dtd") == manifest
