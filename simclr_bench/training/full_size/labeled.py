"""The images of a folder of class folders, split, and left on disk."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from simclr_bench.data.folder import FolderListing, list_folder, stratified_split
from simclr_bench.data.image_files import ImageFiles
from simclr_bench.errors import DataError


@dataclass(frozen=True, kw_only=True)
class LabeledImages:
    """Images with labels, in two parts.

    Attributes:
        train: What is trained on.
        train_labels: Index into `classes`. [n]
        heldout: What is not seen before it is scored.
        heldout_labels: [m]
        classes: Names of the class folders.
        split: How the two were told apart, in words.
    """

    train: ImageFiles
    train_labels: NDArray[np.int64]
    heldout: ImageFiles
    heldout_labels: NDArray[np.int64]
    classes: tuple[str, ...]
    split: str


def class_labels(directory: Path, images: ImageFiles) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """The class of each image of a folder of class folders, [n], and the classes' names.

    Raises:
        DataError: There are no class folders, or an image is in none.
    """
    listing = list_folder(directory)
    return _labels(images, listing), listing.classes


def _labels(images: ImageFiles, listing: FolderListing) -> NDArray[np.int64]:
    labels = {path: label for files in listing.splits.values() for path, label in files}
    for path in images.files:
        if path not in labels:
            raise DataError(f"{path}: is in no class folder; move or remove it")
    return np.array([labels[path] for path in images.files], dtype=np.int64)


def split_labeled(
    directory: Path, images: ImageFiles, *, heldout_fraction: float, split_seed: int
) -> LabeledImages:
    """Splits what is sound of a folder, by its own train/ and test/ where it has them.

    Args:
        directory: The folder of class folders.
        images: Its images, without those that are left out.
        heldout_fraction: Share of each class held out, where the folder brings no test split.
        split_seed: Draws that share.

    Raises:
        DataError: There are no class folders, or a class has too few images on a side.
    """
    listing = list_folder(directory)
    known = {path for files in listing.splits.values() for path, _ in files}
    images = ImageFiles(images.directory, tuple(p for p in images.files if p in known))
    labels, classes = _labels(images, listing), len(listing.classes)
    if "all" in listing.splits:
        counts = np.bincount(labels, minlength=classes)
        if counts.min() < 2:
            name = listing.classes[int(counts.argmin())]
            raise DataError(f"{directory / name}: {counts.min()} images, 2 needed")
        train, heldout = stratified_split(labels.tolist(), classes, heldout_fraction, split_seed)
        words = f"stratified: {heldout_fraction:g} of each class held out, drawn by {split_seed}"
    else:
        tests = {path for path, _ in listing.splits["test"]}
        train = [i for i, path in enumerate(images.files) if path not in tests]
        heldout = [i for i, path in enumerate(images.files) if path in tests]
        words = "the folder's own train/ and test/"
    for part, chosen in (("train", train), ("held out", heldout)):
        missing = set(range(classes)) - set(labels[chosen].tolist())
        if missing:
            name = listing.classes[min(missing)]
            raise DataError(f"{directory}: no image of class {name} is in the part {part}")
    return LabeledImages(
        train=_part(images, train),
        train_labels=labels[train],
        heldout=_part(images, heldout),
        heldout_labels=labels[heldout],
        classes=listing.classes,
        split=words,
    )


def _part(images: ImageFiles, chosen: list[int]) -> ImageFiles:
    return ImageFiles(images.directory, tuple(images.files[i] for i in chosen))
