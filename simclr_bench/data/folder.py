"""The user's own images: a folder of class folders, read once and split once.

    DIR/<class>/*.png            split here: seeded, stratified, stated
    DIR/{train,test}/<class>/*   used as they are

Every file is decoded while it is read: a truncated image opens without complaint and fails only
when its pixels are asked for. A file that does not decode stops the run by name, or, with
`skip_corrupt`, is left out and listed. Nothing is ever put in its place.
"""

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms.v2.functional import resize

from simclr_bench.data.decode import decode_bytes
from simclr_bench.data.images import ImageSet
from simclr_bench.data.randomness import permutation
from simclr_bench.errors import DataError

SPLIT_FOLDERS = ("train", "test")
SPLIT_NAMES = frozenset({"train", "training", "val", "valid", "validation", "test", "testing"})

# Left by file managers beside people's images.
NOT_IMAGES = frozenset({"thumbs.db", "desktop.ini"})


@dataclass(frozen=True)
class FolderListing:
    """The files that a folder offers, before any is opened.

    Attributes:
        directory: What was listed.
        classes: Names of the class folders, sorted.
        splits: Split name ("all", or "train" and "test") -> (file, label) in sorted order.
    """

    directory: Path
    classes: tuple[str, ...]
    splits: dict[str, tuple[tuple[Path, int], ...]]

    @property
    def file_count(self) -> int:
        return sum(len(files) for files in self.splits.values())


@dataclass(frozen=True)
class FolderImages:
    """A folder, read: two splits and what happened on the way.

    Attributes:
        train: Images that heads are trained on.
        heldout: Images that no head sees before it is scored.
        split: How the two were told apart, in words.
        skipped: Files that did not decode, with the reason. Relative to the folder.
    """

    train: ImageSet
    heldout: ImageSet
    split: str
    skipped: tuple[tuple[str, str], ...]


def list_folder(directory: Path) -> FolderListing:
    """Finds the class folders and their files.

    Raises:
        DataError: The directory is missing, has under two classes, or a class folder is empty.
    """
    if not directory.is_dir():
        what = "is not a directory" if directory.exists() else "does not exist"
        raise DataError(f"{directory}: {what}; --data takes a folder of class folders")
    roots = {name: directory / name for name in SPLIT_FOLDERS}
    if not all(root.is_dir() for root in roots.values()):
        _refuse_other_splits(directory)
        roots = {"all": directory}
    classes: tuple[str, ...] | None = None
    splits = {}
    for split, root in roots.items():
        found = tuple(sorted(p.name for p in root.iterdir() if p.is_dir() and _is_offered(p)))
        if len(found) < 2:
            held = f"one class folder only ({found[0]})" if found else "no class folders"
            if found and found[0].lower() == "train" and root is directory:
                held += ", and no test/ beside it"
            raise DataError(f"{root}: {held}; put the images into one folder for each class")
        if classes is not None and found != classes:
            odd = sorted(set(found) ^ set(classes))
            raise DataError(
                f"{directory}: train/ and test/ differ in their class folders: {', '.join(odd)}"
            )
        classes = found
        splits[split] = tuple(
            (path, label) for label, name in enumerate(found) for path in _files(root / name)
        )
    assert classes is not None
    return FolderListing(directory, classes, splits)


def fingerprint(listing: FolderListing) -> str:
    """SHA-256 over every listed file's relative path and bytes."""
    digest = hashlib.sha256()
    for files in listing.splits.values():
        for path, _ in files:
            digest.update(os.fsencode(path.relative_to(listing.directory)) + b"\0")
            digest.update(hashlib.sha256(_read(path)).digest())
    return digest.hexdigest()


def read_folder(
    listing: FolderListing,
    *,
    shorter_side: int,
    heldout_fraction: float,
    split_seed: int,
    skip_corrupt: bool,
    progress: Callable[[], None],
) -> FolderImages:
    """Decodes every file to RGB and splits the images.

    Args:
        listing: What to read.
        shorter_side: Larger images are reduced to this shorter side, in pixels.
        heldout_fraction: Share of each class held out, where the folder brings no test split.
        split_seed: Draws that share.
        skip_corrupt: Leave out files that do not decode, instead of stopping at the first.
        progress: Called once a file.

    Raises:
        DataError: A file does not decode, or too few images of a class are left to split.
    """
    skipped: list[tuple[str, str]] = []
    read: dict[str, tuple[list[Tensor], list[int]]] = {}
    for split, files in listing.splits.items():
        images, labels = read.setdefault(split, ([], []))
        for path, label in files:
            try:
                images.append(reduced(decode(path), shorter_side))
                labels.append(label)
            except DataError as error:
                if not skip_corrupt:
                    raise DataError(
                        f"{error}; mend or remove the file, or pass --skip-corrupt"
                    ) from error
                name = printable(path.relative_to(listing.directory))
                skipped.append((name, str(error).removeprefix(f"{path}: ")))
            progress()
    _require_every_class(listing, read)
    if "all" in read:
        images, labels = read["all"]
        classes = len(listing.classes)
        train, heldout = stratified_split(labels, classes, heldout_fraction, split_seed)
        split_words = (
            f"stratified: {heldout_fraction:g} of each class held out, drawn by seed {split_seed}"
        )
    else:
        images = read["train"][0] + read["test"][0]
        labels = read["train"][1] + read["test"][1]
        train = list(range(len(read["train"][0])))
        heldout = list(range(len(train), len(images)))
        split_words = "the folder's own train/ and test/"
    return FolderImages(
        train=_subset(images, labels, train, listing.classes),
        heldout=_subset(images, labels, heldout, listing.classes),
        split=split_words,
        skipped=tuple(skipped),
    )


def decode(path: Path) -> Tensor:
    """Reads one file into RGB, whatever its mode; orientation tags are ignored, as TFDS does.

    Returns:
        uint8. [3, H, W]

    Raises:
        DataError: The file is unreadable, empty, truncated, no image, too large or of an
            unsupported format.
    """
    return decode_bytes(_read(path), str(path))


def reduced(pixels: Tensor, shorter_side: int) -> Tensor:
    """The image with its shorter side reduced to `shorter_side`; a smaller one is left alone."""
    if min(pixels.shape[1:]) <= shorter_side:
        return pixels
    return resize(pixels, [shorter_side], antialias=True)


def printable(path: Path) -> str:
    """A path as text, whatever bytes it is made of."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _refuse_other_splits(directory: Path) -> None:
    """Two folders named like splits are not two classes."""
    splits = sorted(p.name for p in directory.iterdir() if p.name.lower() in SPLIT_NAMES)
    if len(splits) > 1:
        raise DataError(
            f"{directory}: holds {' and '.join(splits)}; name the two splits train and test, or"
            " give the folder with the class folders"
        )


def _is_offered(path: Path) -> bool:
    return not path.name.startswith(".") and path.name.lower() not in NOT_IMAGES


def files_under(folder: Path) -> list[Path]:
    """Every file at any depth, sorted, but hidden ones and those that file managers leave.

    Raises:
        DataError: The folder cannot be read.
    """
    if not os.access(folder, os.R_OK | os.X_OK):
        raise DataError(f"{folder}: the folder cannot be read; change its mode")
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and all(map(_is_offered, [path, *path.relative_to(folder).parents]))
    )


def _files(folder: Path) -> list[Path]:
    files = files_under(folder)
    if not files:
        raise DataError(f"{folder}: the class folder is empty; add images or remove the folder")
    return files


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({os.strerror(error.errno or 0)})") from error


def _require_every_class(
    listing: FolderListing, read: dict[str, tuple[list[Tensor], list[int]]]
) -> None:
    for split, (_, labels) in read.items():
        # A class to be split here needs one image on each side.
        least = 2 if split == "all" else 1
        counts = np.bincount(np.asarray(labels, dtype=np.int64), minlength=len(listing.classes))
        for name, count in zip(listing.classes, counts, strict=True):
            if count < least:
                where = listing.directory if split == "all" else listing.directory / split
                raise DataError(
                    f"{where / name}: {count} readable images, {least} needed; add images or"
                    " remove the folder"
                )


def stratified_split(
    labels: Sequence[int], classes: int, heldout_fraction: float, seed: int
) -> tuple[list[int], list[int]]:
    """Holds out a share of each class, drawn by a seed; one image at least on each side.

    Args:
        labels: Class of each image. [n]
        classes: How many there are; each has two images or more.
        heldout_fraction: The share.
        seed: Draws it.

    Returns:
        Positions of the images to train on and of those held out, ascending.
    """
    train, heldout = [], []
    of_label = np.asarray(labels)
    for label in range(classes):
        members = np.flatnonzero(of_label == label)
        order = members[permutation(len(members), seed=seed, epoch=label, operation="split")]
        held = min(max(round(heldout_fraction * len(order)), 1), len(order) - 1)
        heldout += order[:held].tolist()
        train += order[held:].tolist()
    return sorted(train), sorted(heldout)


def _subset(
    images: list[Tensor], labels: list[int], index: list[int], classes: tuple[str, ...]
) -> ImageSet:
    return ImageSet(
        images=[images[i] for i in index],
        labels=torch.tensor([labels[i] for i in index], dtype=torch.int64),
        classes=classes,
    )
