"""Where in a source each image of a data set is; one module a set, and one for TFDS's own files.

A source is an archive, or a folder: an unpacked archive, torchvision's root, a folder below
TensorFlow Datasets' downloads/extracted, or one that it prepared. The set's own folders are looked
for by name anywhere in it.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from simclr_bench.datasets.archives import LIMITS, Limits
from simclr_bench.datasets.catalog import Dataset
from simclr_bench.datasets.contents import (
    Contents,
    Example,
    Listing,
    Place,
    count,
    members,
    survey,
)
from simclr_bench.datasets.layouts import (
    cats_vs_dogs,
    cifar100,
    dtd,
    food101,
    tf_flowers,
    tfds,
)
from simclr_bench.errors import DataError

Places = Callable[[Listing, Dataset], dict[str, Place]]

OF_FILES: Mapping[str, tuple[tuple[str, ...], Places]] = {
    "cats_vs_dogs": (cats_vs_dogs.TEXTS, cats_vs_dogs.places),
    "tf_flowers": (tf_flowers.TEXTS, tf_flowers.places),
    "dtd": (dtd.TEXTS, dtd.places),
    "food_101": (food101.TEXTS, food101.places),
}


def read_contents(path: Path, dataset: Dataset, limits: Limits = LIMITS) -> Contents:
    """Finds out what a source holds of a data set, by its names and lists alone.

    Raises:
        DataError: It does not exist, is refused, or is not laid out as the set is.
    """
    if path.is_dir():
        prepared = tfds.find_prepared(path, dataset)
        if prepared is not None:
            return tfds.contents(prepared, dataset, limits)
    elif not path.is_file():
        what = "is no file and no folder" if path.exists() else "does not exist"
        raise DataError(f"{path}: {what}; name the archive or the folder it was unpacked to")
    if dataset.name == "cifar_100":
        return cifar100.contents(path, dataset, limits)
    texts, places_of = OF_FILES[dataset.name]
    places = places_of(survey(path, texts, limits), dataset)

    def examples() -> Iterator[Example]:
        for member in members(path, limits):
            if (place := places.get(member.name)) is not None:
                data = member.read()
                rule = cats_vs_dogs.left_out(data) if dataset.name == "cats_vs_dogs" else ""
                yield Example(
                    id=place.id,
                    file=member.name,
                    label=place.label,
                    split=place.split,
                    data=data,
                    left_out=rule,
                )

    return Contents(
        kind="folder" if path.is_dir() else "archive",
        counts=count(places, len(dataset.classes)),
        examples=examples,
    )
