"""cifar-100-binary/{train,test}.bin: records of a coarse label, a fine label, and 3,072 pixels.

The distribution for Python holds the same images in a pickle, a program that would have to be run:
it is refused.

Source: https://www.cs.toronto.edu/~kriz/cifar.html, "Binary version".
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from simclr_bench.datasets.archives import LIMITS, Limits, printable
from simclr_bench.datasets.catalog import Dataset
from simclr_bench.datasets.contents import Contents, Example, Listing, Place, count, members, survey
from simclr_bench.datasets.layouts.lists import require_classes
from simclr_bench.errors import DataError

RECORD = 2 + 3 * 32 * 32
FILES = {"train": "train.bin", "test": "test.bin"}
NAMES = "fine_label_names.txt"
COARSE_CLASSES = 20


def contents(path: Path, dataset: Dataset, limits: Limits = LIMITS) -> Contents:
    """What an archive or folder holds.

    Raises:
        DataError: It is the pickled distribution, a file is missing or of an odd length, the
            classes are not the set's, or a label is none of them.
    """
    listing = survey(path, (NAMES,), limits)
    _refuse_pickle(listing, dataset)
    root = listing.root_of(FILES["train"], dataset.layout)
    require_classes(listing, f"{root}{NAMES}", dataset)
    files = {f"{root}{file}": split for split, file in FILES.items()}
    for name in files.keys() - set(listing.names):
        raise DataError(f"{path}: {printable(name)} is missing")

    def examples() -> Iterator[Example]:
        for member in members(path, limits):
            if member.name in files:
                where = f"{path}: {printable(member.name)}"
                yield from _examples(member.read(), where, files[member.name], dataset)

    places = [Place(id=e.id, label=e.label, split=e.split) for e in examples()]
    kind = "folder" if path.is_dir() else "archive"
    return Contents(
        kind=kind,  # type: ignore[arg-type]
        counts=count(places, len(dataset.classes)),
        examples=examples,
    )


def _examples(data: bytes, where: str, split: str, dataset: Dataset) -> Iterator[Example]:
    if len(data) % RECORD:
        raise DataError(f"{where}: {len(data):,} bytes are not a whole number of {RECORD:,}")
    records = np.frombuffer(data, dtype=np.uint8).reshape(-1, RECORD)
    odd = (records[:, 0] >= COARSE_CLASSES) | (records[:, 1] >= len(dataset.classes))
    if odd.any():
        number = int(np.argmax(odd))
        coarse, fine = records[number, :2].tolist()
        raise DataError(f"{where}: record {number} has labels {coarse} (coarse) and {fine} (fine)")
    for number, record in enumerate(records):
        name = f"{split}_{number:05}"
        yield Example(
            id=name,
            file=f"record {number} of {FILES[split]}",
            label=int(record[1]),
            split=split,
            data=record[2:].reshape(3, 32, 32),
        )


def _refuse_pickle(listing: Listing, dataset: Dataset) -> None:
    if any(f"/{name}".endswith("/cifar-100-python/train") for name in listing.names) or {
        "train",
        "test",
        "meta",
    } <= set(listing.names):
        archive = dataset.archives[0]
        raise DataError(
            f"{listing.path}: is CIFAR-100's distribution for Python, a pickle, which can run any"
            f" code when it is read; get {archive.name} ({archive.urls[0]})"
        )
