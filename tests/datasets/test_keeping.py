"""What was imported stays what it was, or says so: flips, cuts, kills."""

import hashlib
import os
import pickle
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from simclr_bench.cli.progress import SilentProgress
from simclr_bench.datasets import build, shards
from simclr_bench.datasets.library import (
    Manifest,
    dataset_directory,
    import_dataset,
    open_dataset,
    read_manifest,
    verify_dataset,
)
from simclr_bench.datasets.manifest import manifest_path
from simclr_bench.errors import DataError
from tests.datasets.miniature import make_miniature, write_archive

PROGRESS = SilentProgress()
NAME = "tf_flowers"


@pytest.fixture
def imported(tmp_path: Path) -> Manifest:
    miniature = make_miniature(NAME)
    return import_dataset(miniature.dataset, write_archive(miniature, tmp_path), progress=PROGRESS)


def paths(manifest: Manifest) -> dict[str, Path]:
    directory = dataset_directory(manifest.name)
    return {
        "archive": Path(manifest.source["path"]),
        "index": directory / manifest.index["file"],
        "shard": directory / manifest.shards[0]["file"],
        "manifest": manifest_path(manifest.name),
    }


def places(size: int) -> list[int]:
    return sorted({0, size - 1, *random.Random(size).sample(range(size), 25)})


def notices(file: str, path: Path) -> None:
    """Verifying has to name the file, by a fault or by an error."""
    try:
        faults = verify_dataset(NAME, PROGRESS)
    except DataError as error:
        assert file == "manifest"
        faults = [str(error)]
    assert faults and faults[0].startswith(f"{path}: "), faults
    assert all("\n" not in fault for fault in faults)


@pytest.mark.parametrize("file", ["archive", "index", "shard", "manifest"])
def test_a_flipped_bit_anywhere_is_found_by_name(imported: Manifest, file: str) -> None:
    path = paths(imported)[file]
    whole = path.read_bytes()
    assert verify_dataset(NAME, PROGRESS) == []
    for at in places(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :])
        notices(file, path)
        if file in ("index", "manifest"):
            with pytest.raises(DataError, match=str(path)):
                open_dataset(NAME)
        elif file == "shard":
            opened = open_dataset(NAME)
            with pytest.raises(DataError, match=rf"{path}: image .* is corrupt \(its CRC-32"):
                for images in (opened.train.images, opened.heldout.images):
                    list(images)
    path.write_bytes(whole)
    assert verify_dataset(NAME, PROGRESS) == []


@pytest.mark.parametrize("file", ["archive", "index", "shard", "manifest"])
def test_a_cut_anywhere_is_found_by_name(imported: Manifest, file: str) -> None:
    path = paths(imported)[file]
    whole = path.read_bytes()
    for size in places(len(whole)):
        path.write_bytes(whole[:size])
        notices(file, path)
        if file != "archive":
            with pytest.raises(DataError, match=str(path)):
                open_dataset(NAME)


@pytest.mark.parametrize("file", ["index", "shard"])
def test_a_missing_file_is_found_by_name(imported: Manifest, file: str) -> None:
    path = paths(imported)[file]
    path.unlink()
    notices(file, path)
    with pytest.raises(DataError, match=str(path)):
        open_dataset(NAME)


def test_the_archive_may_go_and_a_set_that_never_came_is_said(imported: Manifest) -> None:
    paths(imported)["archive"].unlink()
    assert verify_dataset(NAME, PROGRESS) == []
    assert read_manifest("dtd") is None
    for ask in (open_dataset, lambda name: verify_dataset(name, PROGRESS)):
        with pytest.raises(DataError, match="dtd is not imported; `simclr-bench data fetch dtd`"):
            ask("dtd")


def test_a_damaged_shard_names_its_images(imported: Manifest) -> None:
    path = paths(imported)["shard"]
    data = bytearray(path.read_bytes())
    for at in range(0, len(data), 500):
        data[at] ^= 1
    path.write_bytes(data)
    faults = verify_dataset(NAME, PROGRESS)
    assert faults[0].startswith(f"{path}: SHA-256 is ")
    assert all("is corrupt (its CRC-32 differs)" in fault for fault in faults[1:4])
    total = sum(map(sum, imported.counts.values()))
    assert faults[4:] == [f"{total - 3} more images are damaged"]


def test_a_shard_that_is_cut_while_it_is_read_kills_nothing(imported: Manifest) -> None:
    images = open_dataset(NAME).train.images
    os.truncate(paths(imported)["shard"], 100)
    with pytest.raises(DataError, match="is cut short; import the set again"):
        list(images)


def test_a_corrupt_manifest_gives_way_to_a_new_import(imported: Manifest, tmp_path: Path) -> None:
    manifest_path(NAME).write_bytes(b"{}")
    miniature = make_miniature(NAME)
    again = import_dataset(miniature.dataset, write_archive(miniature, tmp_path), progress=PROGRESS)
    assert again.content_sha256 == imported.content_sha256
    assert len(list(dataset_directory(NAME).glob("data-*"))) == 1


def test_a_manifest_of_another_version_is_said(imported: Manifest) -> None:
    body = manifest_path(NAME).read_bytes().split(b"\n", 1)[1]
    body = b"{\n" + body.replace(b'"schema_version": 1', b'"schema_version": 2')
    checksum = hashlib.sha256(body).hexdigest().encode()
    manifest_path(NAME).write_bytes(b'{"sha256": "' + checksum + b'",\n' + body[2:])
    with pytest.raises(DataError, match="written with manifest schema 2, this version knows 1"):
        read_manifest(NAME)


def test_images_are_spread_over_shards_and_can_be_sent_to_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards.ShardWriter.__init__, "__defaults__", (6000,))
    miniature = make_miniature(NAME)
    archive = write_archive(miniature, tmp_path)
    manifest = import_dataset(miniature.dataset, archive, progress=PROGRESS)
    assert len(manifest.shards) > 3
    assert all(shard["bytes"] <= 6000 for shard in manifest.shards)
    assert verify_dataset(NAME, PROGRESS) == []
    images = open_dataset(NAME).train.images
    first = [image.clone() for image in images]
    sent = pickle.loads(pickle.dumps(images))
    assert all(torch.equal(a, b) for a, b in zip(first, sent, strict=True))
    assert torch.equal(images[-1], first[-1]) and len(images[2:5]) == 3
    assert torch.equal(images[2:5][0], first[2])
    with pytest.raises(IndexError):
        images[len(images)]
    monkeypatch.undo()
    monkeypatch.setenv("SIMCLR_BENCH_CACHE", str(tmp_path / "cache"))
    one = import_dataset(miniature.dataset, archive, progress=PROGRESS)
    assert len(one.shards) == 1 and one.content_sha256 == manifest.content_sha256


def test_the_index_has_every_byte_of_the_shards_once(imported: Manifest) -> None:
    with np.load(paths(imported)["index"]) as index:
        sizes = 3 * index["height"] * index["width"]
        order = np.argsort(index["offset"])
        assert index["offset"][order].tolist() == [0, *np.cumsum(sizes[order])[:-1].tolist()]
        assert sizes.sum() == imported.shards[0]["bytes"]


def test_the_hash_of_the_content_sees_labels_splits_and_names() -> None:
    row = build._Row(
        id="a", label=0, split="all", shard=0, offset=0, height=1, width=2, crc32=0, sha256="00"
    )
    hashes = {
        build._content_hash([changed], [heldout])
        for changed in (
            row,
            replace(row, id="b"),
            replace(row, label=1),
            replace(row, height=2, width=1),
            replace(row, sha256="01"),
        )
        for heldout in (False, True)
    }
    assert len(hashes) == 10
    moved = replace(row, shard=3, offset=9, crc32=1)
    assert build._content_hash([moved], [False]) == build._content_hash([row], [False])


Importer = Callable[[int, Path, Path], int]


@pytest.fixture(scope="module")
def importer() -> Iterator[Importer]:
    """Imports an archive into a cache, is killed at a moment, and returns how it ended."""
    command = [sys.executable, "-m", "tests.datasets.importer", NAME]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin and process.stdout
        asked, answered = process.stdin, process.stdout

        def ask(fatal: int, archive: Path, cache: Path) -> int:
            print(fatal, archive, cache, sep="\t", file=asked, flush=True)
            return int(answered.readline())

        yield ask
        asked.close()


def test_a_kill_at_any_time_leaves_the_old_set_or_the_new_one(
    tmp_path: Path, cache: Path, importer: Importer
) -> None:
    old, new = (make_miniature(NAME, per_class=2, seed=seed) for seed in (0, 1))
    before = import_dataset(old.dataset, write_archive(old, tmp_path / "old"), progress=PROGRESS)
    archive = write_archive(new, tmp_path / "new")
    start = tmp_path / "start"
    shutil.copytree(cache, start)
    moments = importer(-1, archive, cache) - 100
    after = read_manifest(NAME)
    assert after is not None and after.content_sha256 != before.content_sha256
    left = []
    for fatal in range(moments):
        shutil.rmtree(cache)
        shutil.copytree(start, cache)
        assert importer(fatal, archive, cache) == -9
        manifest = read_manifest(NAME)
        assert manifest is not None
        left.append(manifest.content_sha256)
        assert verify_dataset(NAME, PROGRESS) == []
    # The old set up to one moment, the new one from there on.
    turned = left.index(after.content_sha256)
    assert left == [before.content_sha256] * turned + [after.content_sha256] * (moments - turned)
    assert turned > len(new.entries)
    again = import_dataset(new.dataset, archive, progress=PROGRESS)
    assert again.content_sha256 == after.content_sha256
    assert len(list(dataset_directory(NAME).glob("data-*"))) == 1


def test_a_kill_of_the_first_import_leaves_nothing_that_is_taken_for_a_set(
    tmp_path: Path, cache: Path, importer: Importer
) -> None:
    miniature = make_miniature(NAME, per_class=2, seed=1)
    archive = write_archive(miniature, tmp_path)
    assert importer(len(miniature.entries), archive, cache) == -9
    assert read_manifest(NAME) is None
    assert list(dataset_directory(NAME).glob("data-*")) != []
    import_dataset(miniature.dataset, archive, progress=PROGRESS)
    assert len(list(dataset_directory(NAME).glob("data-*"))) == 1
