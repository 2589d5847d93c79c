"""PetImages/{Cat,Dog}/<number>.jpg, as Microsoft's zip has it.

TensorFlow Datasets leaves out every file without "JFIF" among its first bytes, 1,738 of 25,000.
Its code asks for ten bytes (`peek(10)`), and Python's zipfile answers with up to 512, so the rule
that gives this number is about 512: the same line on a file that is open for itself sees 4,096 or
8,192 bytes and leaves out 1,590.

Source: https://github.com/tensorflow/datasets, image_classification/cats_vs_dogs.py.
"""

from simclr_bench.datasets.catalog import JFIF_MARK, JFIF_WINDOW, Dataset
from simclr_bench.datasets.contents import Listing, Place
from simclr_bench.datasets.layouts.class_folders import class_folders

TEXTS: tuple[str, ...] = ()


def places(listing: Listing, dataset: Dataset) -> dict[str, Place]:
    """Where each file belongs.

    Raises:
        DataError: The class folders are missing, or there in several places.
    """
    labels = {name.capitalize(): label for label, name in enumerate(dataset.classes)}
    return class_folders(listing, labels, r"\d+\.jpg", dataset.layout)


def left_out(data: bytes) -> str:
    """Why TensorFlow Datasets leaves a file out, or ""."""
    if JFIF_MARK in data[:JFIF_WINDOW]:
        return ""
    return f"no JFIF in its first {JFIF_WINDOW} bytes"
