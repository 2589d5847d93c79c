"""Texts that say which image is of which split, and in which order the classes are."""

from collections.abc import Mapping

from simclr_bench.datasets.archives import printable
from simclr_bench.datasets.catalog import Dataset
from simclr_bench.datasets.contents import Listing, Place
from simclr_bench.errors import DataError


def listed_places(
    listing: Listing, dataset: Dataset, lists: Mapping[str, str], folder: str, suffix: str
) -> dict[str, Place]:
    """Where the images belong that lists of CLASS/NAME name.

    Args:
        listing: The source.
        dataset: Its classes.
        lists: Split -> name of its list in the source.
        folder: What stands before a listed name in the source.
        suffix: What stands behind it.

    Raises:
        DataError: A list is missing, or names an unknown class, a missing file or one file twice.
    """
    labels = {name: label for label, name in enumerate(dataset.classes)}
    there = set(listing.names)
    places: dict[str, Place] = {}
    for split, text in lists.items():
        for line in listing.lines(text):
            where = f"{listing.path}: {printable(text)} names {printable(line)}"
            name = f"{folder}{line}{suffix}"
            label = labels.get(line.split("/")[0])
            if label is None:
                raise DataError(f"{where}, which is of no class of {dataset.name}")
            if name in places:
                raise DataError(f"{where}, which is in {places[name].split} already")
            if name not in there:
                raise DataError(f"{where}, but there is no {printable(name)}")
            places[name] = Place(id=line, label=label, split=split)
    return places


def require_classes(listing: Listing, text: str, dataset: Dataset) -> None:
    """Makes sure that a source's classes are the set's, in its order.

    Raises:
        DataError: They are not.
    """
    found = listing.lines(text)
    for label, (got, wanted) in enumerate(zip(found, dataset.classes, strict=False)):
        if got != wanted:
            raise DataError(
                f"{listing.path}: {printable(text)}: class {label} is {printable(got)}, wanted is"
                f" {wanted}"
            )
    if len(found) != len(dataset.classes):
        raise DataError(
            f"{listing.path}: {printable(text)} names {len(found)} classes, wanted are"
            f" {len(dataset.classes)}"
        )
