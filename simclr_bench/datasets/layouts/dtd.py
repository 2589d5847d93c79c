"""dtd/images/<class>/<class>_NNNN.jpg; dtd/labels/{train,val,test}1.txt are the first of 10 splits.

Source: https://github.com/tensorflow/datasets, image_classification/dtd.py.
"""

from simclr_bench.datasets.catalog import Dataset
from simclr_bench.datasets.contents import Listing, Place
from simclr_bench.datasets.layouts.lists import listed_places

SPLITS = {"train": "train1.txt", "validation": "val1.txt", "test": "test1.txt"}
TEXTS = tuple(f"labels/{file}" for file in SPLITS.values())


def places(listing: Listing, dataset: Dataset) -> dict[str, Place]:
    """Where each file belongs.

    Raises:
        DataError: A list is missing, or names an unknown class, a missing file or one file twice.
    """
    root = listing.root_of(TEXTS[0], dataset.layout)
    lists = {split: f"{root}labels/{file}" for split, file in SPLITS.items()}
    return listed_places(listing, dataset, lists, f"{root}images/", "")
