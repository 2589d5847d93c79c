"""flower_photos/{daisy,dandelion,roses,sunflowers,tulips}/*.jpg.

Labels are those of TensorFlow Datasets (dandelion 0, daisy 1), not the alphabet's.

Source: https://github.com/tensorflow/datasets, image_classification/flowers.py.
"""

from simclr_bench.datasets.catalog import Dataset
from simclr_bench.datasets.contents import Listing, Place
from simclr_bench.datasets.layouts.class_folders import class_folders

TEXTS: tuple[str, ...] = ()


def places(listing: Listing, dataset: Dataset) -> dict[str, Place]:
    """Where each file belongs.

    Raises:
        DataError: The class folders are missing, or there in several places.
    """
    labels = {name: label for label, name in enumerate(dataset.classes)}
    return class_folders(listing, labels, r"[^/]+\.jpg", dataset.layout)
