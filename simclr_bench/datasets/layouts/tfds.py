"""What TensorFlow Datasets prepared: DIR/NAME/VERSION with TFRecord files and their description.

    dataset_info.json               name, version, splits with the number of records in each file
    label.labels.txt                class names in label order
    NAME-SPLIT.tfrecord-I-of-N      tf.train.Example: image (a file's bytes), label, mostly a name

Each image has the same name within its set as when it is read from the archive, if the records say
it; tf_flowers and food101 2.0.0 have none there, and their images are named by their SHA-256.

Source: https://github.com/tensorflow/datasets, core/{dataset_info,splits,naming}.py.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simclr_bench.datasets.archives import LIMITS, Limits, printable
from simclr_bench.datasets.catalog import Dataset
from simclr_bench.datasets.contents import Contents, Example, Listing, Place, count
from simclr_bench.datasets.folders import read_file
from simclr_bench.datasets.layouts.lists import require_classes
from simclr_bench.datasets.tfrecords import parse_example, read_records
from simclr_bench.errors import DataError

INFO = "dataset_info.json"
LABELS = "label.labels.txt"


@dataclass(frozen=True, kw_only=True)
class Naming:
    """What TensorFlow Datasets calls a set and the parts of it.

    Attributes:
        name: The set.
        splits: Its splits -> ours.
        id_feature: The feature that has an image's name.
        id_parts: How many of that name's last parts are its name within the set.
    """

    name: str
    splits: dict[str, str]
    id_feature: str = ""
    id_parts: int = 2


NAMINGS = {
    "cats_vs_dogs": Naming(
        name="cats_vs_dogs", splits={"train": "all"}, id_feature="image/filename"
    ),
    "tf_flowers": Naming(name="tf_flowers", splits={"train": "all"}),
    "dtd": Naming(
        name="dtd",
        splits={"train": "train", "validation": "validation", "test": "test"},
        id_feature="file_name",
    ),
    "cifar_100": Naming(
        name="cifar100",
        splits={"train": "train", "test": "test"},
        id_feature="id",
        id_parts=1,
    ),
    "food_101": Naming(
        name="food101", splits={"train": "train", "validation": "test"}, id_feature="id"
    ),
}


def find_prepared(path: Path, dataset: Dataset) -> Path | None:
    """The folder of a prepared set, or None if `path` leads to none.

    Args:
        path: That folder, or one above it: the set's, or the one with all sets.
        dataset: Which set.

    Raises:
        DataError: There are several versions, or it is another set.
    """
    name = NAMINGS[dataset.name].name
    if (path / INFO).is_file():
        found = [path]
    else:
        found = sorted({info.parent for at in (path, path / name) for info in at.glob(f"*/{INFO}")})
        found = [folder for folder in found if _info(folder).get("name") == name]
    if not found:
        return None
    if len(found) > 1:
        raise DataError(
            f"{path}: holds {len(found)} versions of {name} ({', '.join(f.name for f in found)});"
            " name the folder of one"
        )
    if _info(found[0]).get("name") != name:
        raise DataError(f"{found[0] / INFO}: is of {_info(found[0]).get('name')}, wanted is {name}")
    return found[0]


def contents(path: Path, dataset: Dataset, limits: Limits = LIMITS) -> Contents:
    """What a prepared set holds.

    Raises:
        DataError: A file is missing, damaged or of another length than its description says, or
            the classes are not the set's.
    """
    naming = NAMINGS[dataset.name]
    listing = Listing(
        path=path, names=(), texts={LABELS: read_file(path / LABELS).decode("utf-8", "replace")}
    )
    require_classes(listing, LABELS, dataset)
    files = list(_files(path, naming))

    def examples() -> Iterator[Example]:
        unnamed: Counter[str] = Counter()
        for file, split, records in files:
            number = -1
            for number, record in enumerate(read_records(file, limits)):
                where = f"{file.name} record {number}"
                yield _example(record, f"{path}: {where}", where, split, dataset, unnamed)
            if number + 1 != records:
                raise DataError(
                    f"{file}: holds {number + 1} records, wanted are {records} ({INFO})"
                )

    places = [Place(id=e.id, label=e.label, split=e.split) for e in examples()]
    return Contents(
        kind="tfds",
        counts=count(places, len(dataset.classes)),
        examples=examples,
        rule_applied=True,
    )


def _files(path: Path, naming: Naming) -> Iterator[tuple[Path, str, int]]:
    """Each TFRecord file, our split, and the number of its records."""
    info = _info(path)
    if info.get("fileFormat", "tfrecord") != "tfrecord":
        raise DataError(f"{path / INFO}: its format is {info['fileFormat']}, wanted is tfrecord")
    try:
        lengths = {
            split["name"]: [int(length) for length in split["shardLengths"]]
            for split in info["splits"]
        }
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path / INFO}: states no splits with shardLengths") from error
    for theirs, ours in naming.splits.items():
        if theirs not in lengths:
            raise DataError(f"{path / INFO}: has no split {theirs}")
        total = len(lengths[theirs])
        for number, records in enumerate(lengths[theirs]):
            file = path / f"{naming.name}-{theirs}.tfrecord-{number:05}-of-{total:05}"
            if not file.is_file():
                raise DataError(f"{file}: is missing")
            yield file, ours, records


def _example(
    record: bytes, where: str, file: str, split: str, dataset: Dataset, unnamed: Counter[str]
) -> Example:
    naming = NAMINGS[dataset.name]
    try:
        features = parse_example(record)
        (image,), (label,) = features["image"], features["label"]
        named = features.get(naming.id_feature, [])
    except (ValueError, KeyError) as error:
        raise DataError(f"{where}: is no example with one image and one label") from error
    if not isinstance(image, bytes) or not isinstance(label, int):
        raise DataError(f"{where}: its image is no bytes or its label no number")
    if not 0 <= label < len(dataset.classes):
        raise DataError(f"{where}: has label {label} of {len(dataset.classes)} classes")
    if named and isinstance(named[0], bytes):
        parts = printable(named[0].decode("utf-8", "replace")).split("/")
        name = "/".join(parts[-naming.id_parts :])
    else:
        name = f"{dataset.classes[label]}/sha256-{hashlib.sha256(image).hexdigest()[:32]}"
        unnamed[name] += 1
        if unnamed[name] > 1:  # the same file twice in one class
            name += f"-{unnamed[name]}"
    return Example(id=name, file=file, label=label, split=split, data=image)


def _info(folder: Path) -> dict[str, Any]:
    try:
        info = json.loads(read_file(folder / INFO))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{folder / INFO}: does not parse") from error
    if not isinstance(info, dict):
        raise DataError(f"{folder / INFO}: does not parse")
    return info
