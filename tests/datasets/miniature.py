"""Small data sets in the real formats: archives, folders and prepared TFRecords of each set.

Everything that the real distributions hold beside the images is there: Thumbs.db, licences, the
other nine splits, annotation files. Images are random, of varied sizes.
"""

import io
import json
import random
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from PIL import Image

from simclr_bench.datasets.catalog import DATASETS, Dataset
from tests.datasets.pictures import jpeg, picture, without_jfif
from tests.datasets.written_records import example, record

# What TensorFlow Datasets calls the sets.
TFDS_NAMES = {"cifar_100": "cifar100", "food_101": "food101"}
COARSE_NAMES = tuple(f"coarse_{number}" for number in range(20))


@dataclass(frozen=True, kw_only=True)
class Entry:
    """An image: where it belongs, and where it is.

    Attributes:
        id: Its name within the set.
        label: Its class.
        split: As distributed.
        file: The member with its bytes; for CIFAR-100, the file with its record.
        data: The file's bytes, or for CIFAR-100 the pixels'. [3, 32, 32]
    """

    id: str
    label: int
    split: str
    file: str
    data: bytes


@dataclass(frozen=True, kw_only=True)
class Miniature:
    """A small data set.

    Attributes:
        dataset: The catalog's entry, with the counts and classes that there are.
        entries: Its images.
        rejected: Images that the set's own rule leaves out.
        others: Member -> bytes of what is no image.
        root: The folder that the archive holds.
    """

    dataset: Dataset
    entries: Sequence[Entry]
    rejected: Sequence[Entry] = ()
    others: Mapping[str, bytes] = field(default_factory=dict)
    root: str

    @property
    def files(self) -> dict[str, bytes]:
        """Member -> bytes, images first, as in the real archives."""
        if self.dataset.name == "cifar_100":
            return dict(self.others)
        return {e.file: e.data for e in (*self.entries, *self.rejected)} | dict(self.others)

    def changed(self, file: str, data: bytes | None) -> "Miniature":
        """The same with another content of one file, or without it."""
        entries = [
            e if e.file != file else replace(e, data=data)
            for e in self.entries
            if e.file != file or data is not None
        ]
        others = {
            name: content if name != file else data
            for name, content in self.others.items()
            if name != file or data is not None
        }
        return replace(self, entries=entries, others=others)


def make_miniature(
    name: str,
    *,
    per_class: int = 3,
    classes: Sequence[str] | None = None,
    only: Sequence[str] | None = None,
    sides: tuple[int, int] = (16, 40),
    seed: int = 0,
) -> Miniature:
    """A data set with some images of each class and split.

    Args:
        name: As in the catalog.
        per_class: Images of each class in each split.
        classes: Names of the classes, in label order; all of the set's unless given.
        only: Names of the classes that have images; all of them unless given.
        sides: Shortest and longest side of an image; CIFAR-100's have 32.
        seed: Of sizes and pixels.
    """
    official = DATASETS[name]
    dataset = replace(official, classes=tuple(classes or official.classes))
    filled = tuple(dataset.classes.index(each) for each in only or dataset.classes)
    draw = _Draw(seed, sides, filled)
    make = {
        "cats_vs_dogs": _cats_vs_dogs,
        "tf_flowers": _tf_flowers,
        "dtd": _dtd,
        "cifar_100": _cifar_100,
        "food_101": _food_101,
    }[name]
    made = make(dataset, per_class, draw)
    assert official.decoded_bytes is not None
    room = official.decoded_bytes * made.dataset.images // official.images
    return replace(made, dataset=replace(made.dataset, decoded_bytes=room))


def write_archive(miniature: Miniature, directory: Path, *, order: int | None = None) -> Path:
    """Writes the archive under its real name and in its real format.

    Args:
        miniature: What to write.
        directory: Where.
        order: Seed of another order of members than the usual.
    """
    path = directory / miniature.dataset.archives[0].name
    files = list(miniature.files.items())
    if order is not None:
        random.Random(order).shuffle(files)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in files:
                archive.writestr(name, data)
        return path
    # DTD's is a plain tar, whatever its name says.
    with tarfile.open(path, "w" if miniature.dataset.name == "dtd" else "w:gz") as archive:
        folders = dict.fromkeys(name.rpartition("/")[0] for name, _ in files)
        for folder in folders:
            info = tarfile.TarInfo(folder)
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(info)
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def write_folder(miniature: Miniature, directory: Path) -> Path:
    """Writes what the archive unpacks to; returns `directory`."""
    for name, data in miniature.files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return directory


def write_prepared(
    miniature: Miniature, directory: Path, *, shards: int = 2, named: bool = True
) -> Path:
    """Writes what TensorFlow Datasets prepares; returns the folder with its version.

    Args:
        miniature: What to write.
        directory: The folder with all sets.
        shards: Files of each split.
        named: Whether records say their image's name; those of tf_flowers never do.
    """
    name = miniature.dataset.name
    theirs = TFDS_NAMES.get(name, name)
    folder = directory / theirs / "3.0.1"
    folder.mkdir(parents=True)
    (folder / "label.labels.txt").write_text("\n".join(miniature.dataset.classes) + "\n")
    (folder / "features.json").write_text("{}")
    splits = []
    for split in dict.fromkeys(entry.split for entry in miniature.entries):
        entries = [entry for entry in miniature.entries if entry.split == split]
        random.Random(split).shuffle(entries)
        called = "train" if split == "all" else split
        if name == "food_101" and split == "test":
            called = "validation"
        lengths = []
        for number in range(shards):
            records = entries[number::shards]
            lengths.append(str(len(records)))
            file = folder / f"{theirs}-{called}.tfrecord-{number:05}-of-{shards:05}"
            file.write_bytes(b"".join(record(_tfds_example(name, e, named)) for e in records))
        splits.append({"name": called, "shardLengths": lengths, "numBytes": "0"})
    info = {"name": theirs, "version": "3.0.1", "fileFormat": "tfrecord", "splits": splits}
    (folder / "dataset_info.json").write_text(json.dumps(info))
    return folder


@dataclass(frozen=True)
class _Draw:
    seed: int
    sides: tuple[int, int]
    filled: tuple[int, ...]  # labels of the classes that have images

    def counts(self, dataset: Dataset, per_class: int) -> tuple[int, ...]:
        """Images of each class."""
        return tuple(per_class * (label in self.filled) for label in range(len(dataset.classes)))

    def jpeg(self, number: int) -> bytes:
        draw = np.random.default_rng((self.seed, number))
        width, height = (int(side) for side in draw.integers(self.sides[0], self.sides[1] + 1, 2))
        return jpeg((width, height), self.seed * 1_000_003 + number)


def _cats_vs_dogs(dataset: Dataset, per_class: int, draw: _Draw) -> Miniature:
    entries, rejected, others = [], [], {}
    for label, folder in enumerate(("Cat", "Dog")):
        for number in range(per_class + 2):
            data = draw.jpeg(1000 * label + number)
            if number == per_class:
                data = without_jfif(data)
            elif number == per_class + 1:
                data = b""
            name = f"{folder}/{number}.jpg"
            entry = Entry(id=name, label=label, split="all", file=f"PetImages/{name}", data=data)
            (entries if number < per_class else rejected).append(entry)
        others[f"PetImages/{folder}/Thumbs.db"] = b"\xd0\xcf\x11\xe0" + bytes(500)
    others["readme[1].txt"] = b"Usage of this data set\r\n"
    others["MSR-LA - 3467.docx"] = b"PK\x03\x04 a licence"
    dataset = replace(dataset, counts={"all": (per_class + 2,) * 2}, dropped=len(rejected))
    return Miniature(
        dataset=dataset, entries=entries, rejected=rejected, others=others, root="PetImages"
    )


def _tf_flowers(dataset: Dataset, per_class: int, draw: _Draw) -> Miniature:
    entries = []
    for label in draw.filled:
        name = dataset.classes[label]
        for number in range(per_class):
            file = f"{name}/{100080576 + 97 * number + label}_f52e8ee070_n.jpg"
            data = draw.jpeg(1000 * label + number)
            entries.append(
                Entry(id=file, label=label, split="all", file=f"flower_photos/{file}", data=data)
            )
    return Miniature(
        dataset=replace(dataset, counts={"all": draw.counts(dataset, per_class)}),
        entries=entries,
        others={"flower_photos/LICENSE.txt": b"All images are CC BY 2.0\n"},
        root="flower_photos",
    )


def _dtd(dataset: Dataset, per_class: int, draw: _Draw) -> Miniature:
    splits = {"train": "train", "validation": "val", "test": "test"}
    entries = []
    for label in draw.filled:
        name = dataset.classes[label]
        for number in range(3 * per_class):
            image = f"{name}/{name}_{number + 2:04}.jpg"
            split = tuple(splits)[number % 3]
            data = draw.jpeg(1000 * label + number)
            entries.append(
                Entry(id=image, label=label, split=split, file=f"dtd/images/{image}", data=data)
            )
    others = {"dtd/imdb/imdb.mat": b"MATLAB 5.0 MAT-file" + bytes(400)}
    for fold in range(1, 11):
        # The other nine have other images in each part.
        for place, short in enumerate(splits.values()):
            held = tuple(splits)[(place + fold - 1) % 3]
            lines = sorted(entry.id for entry in entries if entry.split == held)
            others[f"dtd/labels/{short}{fold}.txt"] = "".join(f"{x}\n" for x in lines).encode()
    joint = "".join(f"{e.id} {dataset.classes[e.label]}\n" for e in entries)
    others["dtd/labels/labels_joint_anno.txt"] = joint.encode()
    return Miniature(
        dataset=replace(
            dataset, counts={split: draw.counts(dataset, per_class) for split in splits}
        ),
        entries=entries,
        others=others,
        root="dtd",
    )


def _cifar_100(dataset: Dataset, per_class: int, draw: _Draw) -> Miniature:
    entries, others = [], {}
    for split in ("train", "test"):
        labels = [label for label in draw.filled for _ in range(per_class)]
        random.Random(f"{draw.seed} {split}").shuffle(labels)
        records = b""
        for number, label in enumerate(labels):
            image = picture((32, 32), draw.seed + 7 * number + (split == "test"))
            pixels = np.asarray(image).transpose(2, 0, 1).tobytes()
            records += bytes([label % 20, label]) + pixels
            entries.append(
                Entry(
                    id=f"{split}_{number:05}",
                    label=label,
                    split=split,
                    file=f"cifar-100-binary/{split}.bin",
                    data=pixels,
                )
            )
        others[f"cifar-100-binary/{split}.bin"] = records
    others["cifar-100-binary/fine_label_names.txt"] = ("\n".join(dataset.classes) + "\n\n").encode()
    others["cifar-100-binary/coarse_label_names.txt"] = "\n".join(COARSE_NAMES).encode()
    return Miniature(
        dataset=replace(
            dataset,
            counts={split: draw.counts(dataset, per_class) for split in ("train", "test")},
        ),
        entries=entries,
        others=others,
        root="cifar-100-binary",
    )


def _food_101(dataset: Dataset, per_class: int, draw: _Draw) -> Miniature:
    entries = []
    for label in draw.filled:
        name = dataset.classes[label]
        for number in range(2 * per_class):
            image = f"{name}/{1005649 + 31 * number + label}"
            split = "train" if number % 2 else "test"
            data = draw.jpeg(1000 * label + number)
            file = f"food-101/images/{image}.jpg"
            entries.append(Entry(id=image, label=label, split=split, file=file, data=data))
    others = {
        "food-101/license_agreement.txt": b"The data set comes from foodspotting.com\n",
        "food-101/README.txt": b"Food-101\n",
        "food-101/meta/classes.txt": "".join(f"{x}\n" for x in dataset.classes).encode(),
        "food-101/meta/labels.txt": "".join(
            f"{x.replace('_', ' ').capitalize()}\n" for x in dataset.classes
        ).encode(),
    }
    for split in ("train", "test"):
        ids = [entry.id for entry in entries if entry.split == split]
        by_class: dict[str, list[str]] = {}
        for image in ids:
            by_class.setdefault(image.split("/")[0], []).append(image)
        others[f"food-101/meta/{split}.txt"] = "".join(f"{x}\n" for x in ids).encode()
        others[f"food-101/meta/{split}.json"] = json.dumps(by_class).encode()
    return Miniature(
        dataset=replace(
            dataset,
            counts={split: draw.counts(dataset, per_class) for split in ("train", "test")},
        ),
        entries=entries,
        others=others,
        root="food-101",
    )


def _tfds_example(name: str, entry: Entry, named: bool) -> bytes:
    features: dict[str, bytes | int] = {"image": entry.data, "label": entry.label}
    if name == "cifar_100":
        pixels = np.frombuffer(entry.data, dtype=np.uint8).reshape(3, 32, 32)
        buffer = io.BytesIO()
        Image.fromarray(pixels.transpose(1, 2, 0)).save(buffer, "PNG")
        features |= {"image": buffer.getvalue(), "coarse_label": entry.label % 20}
    feature = {
        "cats_vs_dogs": "image/filename",
        "dtd": "file_name",
        "cifar_100": "id",
        "food_101": "id",
    }.get(name)
    if named and feature:
        text = f"PetImages/{entry.id}" if name == "cats_vs_dogs" else entry.id
        features[feature] = text.encode()
    return example(features)
