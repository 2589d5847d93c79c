"""Every set from every kind of source, and sources that are not what they should be."""

import json
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.io import ImageReadMode, decode_image

from simclr_bench.datasets.catalog import DATASETS
from simclr_bench.datasets.library import (
    open_dataset,
    read_manifest,
    verify_dataset,
)
from simclr_bench.errors import DataError
from tests.datasets.conftest import nothing_new
from tests.datasets.miniature import write_archive, write_folder, write_prepared
from tests.datasets.pictures import jpeg
from tests.datasets.taking import PROGRESS, expected, ids_of, small, take


@pytest.mark.parametrize("name", DATASETS)
def test_pixels_labels_and_splits_are_those_that_were_written(tmp_path: Path, name: str) -> None:
    miniature = small(name, per_class=5)
    archive = write_archive(miniature, tmp_path)
    with nothing_new(tmp_path, but=tmp_path / "cache"):
        manifest = take(miniature.dataset, archive)
    opened = open_dataset(name)
    of_part = {"train": opened.train, "heldout": opened.heldout}
    ids = ids_of(manifest)
    seen = set()
    for part, images in of_part.items():
        assert images.classes == miniature.dataset.classes
        assert len(images) == len(images.labels) == sum(manifest.counts[part])
        by_id = {entry.id: entry for entry in miniature.entries}
        for at, image in enumerate(images.images):
            entry = by_id[ids[part][at]]
            seen.add(entry.id)
            assert int(images.labels[at]) == entry.label
            assert entry.split in ("all", "test" if part == "heldout" else "train")
            wanted = expected(entry)
            assert image.dtype == torch.uint8 and image.shape == wanted.shape
            difference = np.abs(image.numpy().astype(int) - wanted)
            assert difference.max() <= (0 if name == "cifar_100" else 2)
            if name != "cifar_100":
                file = torch.frombuffer(bytearray(entry.data), dtype=torch.uint8)
                assert torch.equal(image, decode_image(file, ImageReadMode.RGB))
    assert seen == {e.id for e in miniature.entries if e.split != "validation"}
    assert verify_dataset(name, PROGRESS) == []
    assert manifest == read_manifest(name)
    assert manifest.source["kind"] == "archive" and not manifest.source["official"]
    assert opened.description["train_images"] == len(opened.train)


@pytest.mark.parametrize("name", DATASETS)
def test_every_source_gives_the_same_content(tmp_path: Path, name: str) -> None:
    miniature = small(name)
    folder = write_folder(miniature, tmp_path / "folder")
    prepared = write_prepared(miniature, tmp_path / "tensorflow_datasets")
    extracted = tmp_path / "downloads" / "extracted" / "TAR_GZ.some_url_Xy-12"
    nested = tmp_path / "torchvision" / name
    for copy in (extracted, nested):
        shutil.copytree(folder, copy)
    sources = {
        write_archive(miniature, tmp_path / "one"): "archive",
        write_archive(miniature, tmp_path / "two", order=1): "archive",
        folder: "folder",
        folder / miniature.root: "folder",
        nested.parent: "folder",
        extracted.parents[1]: "folder",
        prepared: "tfds",
        prepared.parents[1]: "tfds",
    }
    found = {}
    for path, kind in sources.items():
        manifest = take(miniature.dataset, path)
        assert manifest.source["kind"] == kind
        found[str(path)] = manifest.content_sha256
    if name == "tf_flowers":  # its records have no names
        unnamed = [found.pop(str(path)) for path in (prepared, prepared.parents[1])]
        assert unnamed[0] == unnamed[1] != next(iter(found.values()))
    assert len(set(found.values())) == 1


def test_cheesecake_comes_before_cheese_plate(tmp_path: Path) -> None:
    official = DATASETS["food_101"].classes
    assert (official.index("cheesecake"), official.index("cheese_plate")) == (16, 17)
    miniature = small("food_101")
    take(miniature.dataset, write_archive(miniature, tmp_path))
    assert open_dataset("food_101").train.labels.tolist().count(1) == 3
    alphabetical = replace(miniature.dataset, classes=("baklava", "cheese_plate", "cheesecake"))
    with pytest.raises(
        DataError, match=r"classes\.txt: class 1 is cheesecake, wanted is cheese_pl"
    ):
        take(alphabetical, tmp_path / "food-101.tar.gz")


def test_the_rule_of_cats_vs_dogs_is_that_of_tensorflow_datasets(tmp_path: Path) -> None:
    """Its peek(10) into a member of a zip file gives 512 bytes, by Python's zipfile itself."""

    def late_mark(offset: int) -> bytes:
        """A JPEG file whose JFIF segment follows a comment."""
        data = jpeg((20, 20))
        comment = b"\xff\xfe" + offset.to_bytes(2, "big") + bytes(offset - 2)
        return data[:2] + comment + data[2:]

    miniature = small("cats_vs_dogs", per_class=4)
    for entry, offset in zip(miniature.entries[:4], (12, 400, 700, 3000), strict=True):
        miniature = miniature.changed(entry.file, late_mark(offset))
    archive = write_archive(miniature, tmp_path)
    with zipfile.ZipFile(archive) as opened:
        peeked = {
            info.filename: b"JFIF" in opened.open(info).peek(10)  # type: ignore[attr-defined]
            for info in opened.infolist()
            if info.filename.endswith(".jpg")
        }
    rejected = sorted(name for name, kept in peeked.items() if not kept)
    assert len(rejected) == 6  # two of late marks, four without any
    dataset = replace(miniature.dataset, dropped=6)
    manifest = take(dataset, archive)
    assert [each["file"] for each in manifest.dropped] == rejected
    assert {each["reason"] for each in manifest.dropped} == {"no JFIF in its first 512 bytes"}
    assert manifest.corrupt == []
    with pytest.raises(DataError, match="6 images left out by the set's rule, wanted are 4"):
        take(miniature.dataset, archive)


def test_dtd_takes_the_first_of_its_ten_splits(tmp_path: Path) -> None:
    miniature = small("dtd")
    manifest = take(miniature.dataset, write_archive(miniature, tmp_path))
    assert ids_of(manifest)["heldout"] == sorted(
        e.id for e in miniature.entries if e.split == "test"
    )
    assert manifest.counts["validation"] == [3, 3]
    assert manifest.split == "the set's own test"


def test_cifar_100_for_python_is_refused_for_the_binary_one(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    for name in ("train", "test", "meta"):
        (folder / name).write_bytes(b"\x80\x02}q\x01.")
    for path in (tmp_path, folder):
        with pytest.raises(DataError, match=r"a pickle, which can run any code.*cifar-100-binary"):
            take(DATASETS["cifar_100"], path)


def test_other_sets_and_wrong_folders_are_told_apart(tmp_path: Path) -> None:
    flowers = small("tf_flowers")
    archive = write_archive(flowers, tmp_path)
    prepared = write_prepared(flowers, tmp_path / "prepared")
    with pytest.raises(DataError, match=r"flower_photos\.tgz: holds no labels/train1\.txt; wanted"):
        take(DATASETS["dtd"], archive)
    with pytest.raises(DataError, match="is of tf_flowers, wanted is dtd"):
        take(DATASETS["dtd"], prepared)
    with pytest.raises(DataError, match=r"nothing: .*name the archive or the folder"):
        take(DATASETS["dtd"], tmp_path / "nothing")
    for copy in ("a", "b"):
        write_folder(flowers, tmp_path / "both" / copy)
    with pytest.raises(DataError, match="in 2 places"):
        take(flowers.dataset, tmp_path / "both")


def test_lists_and_files_have_to_agree(tmp_path: Path) -> None:
    miniature = small("dtd")
    entry, text = miniature.entries[0], "dtd/labels/train1.txt"
    listed = miniature.others[text].decode()
    cases = {
        f"names {entry.id}, but there is no {entry.file}": miniature.changed(entry.file, None),
        "test1.txt is missing": miniature.changed("dtd/labels/test1.txt", None),
        "names nothing/x.jpg, which is of no class": miniature.changed(
            text, f"{listed}nothing/x.jpg\n".encode()
        ),
        "which is in train already": miniature.changed(
            "dtd/labels/val1.txt", miniature.others["dtd/labels/val1.txt"] + entry.id.encode()
        ),
        "is no text in UTF-8": miniature.changed(text, b"\xff\xfe"),
    }
    for number, (words, changed) in enumerate(cases.items()):
        with pytest.raises(DataError, match=words):
            take(miniature.dataset, write_archive(changed, tmp_path / str(number)))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (bytes(3073), "3,073 bytes are not a whole number of 3,074"),
        (bytes([20, 0]) + bytes(3072), "record 0 has labels 20 .* and 0 "),
        (bytes(3074) + bytes([0, 100]) + bytes(3072), "record 1 has labels 0 .* and 100 "),
    ],
)
def test_records_of_cifar_100_are_checked(tmp_path: Path, data: bytes, words: str) -> None:
    miniature = small("cifar_100", per_class=1).changed("cifar-100-binary/test.bin", data)
    with pytest.raises(DataError, match=rf"test\.bin: {words}"):
        take(miniature.dataset, write_archive(miniature, tmp_path))


def test_prepared_sets_have_to_be_whole(tmp_path: Path) -> None:
    miniature = small("cats_vs_dogs")
    folder = write_prepared(miniature, tmp_path / "sets")
    shard = folder / "cats_vs_dogs-train.tfrecord-00001-of-00002"
    whole = shard.read_bytes()
    for data, words in (
        (whole[:-1], "record 2 is cut short"),
        (whole[:100] + b"?" + whole[101:], "checksum"),
        (b"", "holds 0 records, wanted are 3"),
    ):
        shard.write_bytes(data)
        with pytest.raises(DataError, match=f"{shard}.*{words}"):
            take(miniature.dataset, folder)
    shard.unlink()
    with pytest.raises(DataError, match=f"{shard}: is missing"):
        take(miniature.dataset, folder)
    shard.write_bytes(whole)
    info = json.loads((folder / "dataset_info.json").read_text())
    (folder / "dataset_info.json").write_text(json.dumps(info | {"fileFormat": "array_record"}))
    with pytest.raises(DataError, match="its format is array_record"):
        take(miniature.dataset, folder)
    (folder / "dataset_info.json").write_text(json.dumps(info))
    (folder / "label.labels.txt").write_text("dog\ncat\n")
    with pytest.raises(DataError, match="class 0 is dog, wanted is cat"):
        take(miniature.dataset, folder)
    shutil.copytree(folder, folder.with_name("4.0.0"))
    with pytest.raises(DataError, match=r"2 versions of cats_vs_dogs \(3\.0\.1, 4\.0\.0\)"):
        take(miniature.dataset, tmp_path / "sets")
