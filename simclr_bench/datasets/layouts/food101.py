"""food-101/images/<class>/<id>.jpg; food-101/meta has the classes in their order, and the splits.

The order is not the alphabet's: cheesecake is 16 and cheese_plate 17, which torchvision's loader,
sorting folders, has the other way round.

Source: https://github.com/tensorflow/datasets, image_classification/food101.py.
"""

from simclr_bench.datasets.catalog import Dataset
from simclr_bench.datasets.contents import Listing, Place
from simclr_bench.datasets.layouts.lists import listed_places, require_classes

SPLITS = {"train": "train.txt", "test": "test.txt"}
TEXTS = ("meta/classes.txt", *(f"meta/{file}" for file in SPLITS.values()))


def places(listing: Listing, dataset: Dataset) -> dict[str, Place]:
    """Where each file belongs.

    Raises:
        DataError: A list is missing, or names other classes, a missing file or one file twice.
    """
    root = listing.root_of(TEXTS[0], dataset.layout)
    require_classes(listing, f"{root}{TEXTS[0]}", dataset)
    lists = {split: f"{root}meta/{file}" for split, file in SPLITS.items()}
    return listed_places(listing, dataset, lists, f"{root}images/", ".jpg")
