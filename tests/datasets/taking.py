"""Importing small sets, in tests."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from simclr_bench.cli.progress import SilentProgress
from simclr_bench.datasets.catalog import Dataset
from simclr_bench.datasets.library import (
    Manifest,
    dataset_directory,
    import_dataset,
)
from tests.datasets.miniature import Entry, Miniature, make_miniature

CLASSES = {
    "food_101": ("baklava", "cheesecake", "cheese_plate"),
    "dtd": ("banded", "polka-dotted"),
    "cifar_100": ("apple", "bear", "fox"),
}
PROGRESS = SilentProgress()


def small(name: str, **options: object) -> Miniature:
    """A small set, with few classes."""
    return make_miniature(name, classes=CLASSES.get(name), **options)  # type: ignore[arg-type]


def take(dataset: Dataset, path: Path, **options: object) -> Manifest:
    """Imports it in silence."""
    return import_dataset(dataset, path, progress=PROGRESS, **options)  # type: ignore[arg-type]


def expected(entry: Entry) -> np.ndarray:
    """The pixels by another decoder, [3, H, W]."""
    if entry.file.endswith(".bin"):
        return np.frombuffer(entry.data, dtype=np.uint8).reshape(3, 32, 32)
    return np.asarray(Image.open(io.BytesIO(entry.data)).convert("RGB")).transpose(2, 0, 1)


def ids_of(manifest: Manifest) -> dict[str, list[str]]:
    """The names of the images of each part, in order."""
    with np.load(dataset_directory(manifest.name) / manifest.index["file"]) as index:
        names = index["ids"].tobytes().decode().split("\0")
        held = index["heldout"].tolist()
    parts: dict[str, list[str]] = {"train": [], "heldout": []}
    for name, heldout in zip(names, held, strict=True):
        parts["heldout" if heldout else "train"].append(name)
    return parts
