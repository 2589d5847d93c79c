"""A split for sets that come without: fixed, stratified, and the same from any source.

In each class the images are ordered by the SHA-256 of the set's name, a null byte and the image's
name within the set; the first fifth is held out. No order of files, seed or version has a say.
"""

import hashlib
from collections.abc import Sequence


def hash_split(name: str, ids: Sequence[str], labels: Sequence[int], fraction: float) -> list[bool]:
    """Which images are held out.

    Args:
        name: Of the data set.
        ids: Names of the images within the set. [n]
        labels: Their classes. [n]
        fraction: Share of each class, rounded; at least one image, and never all of several.

    Returns:
        Whether each is held out. [n]
    """
    of_class: dict[int, list[int]] = {}
    for place, label in enumerate(labels):
        of_class.setdefault(label, []).append(place)
    heldout = [False] * len(ids)
    for places in of_class.values():
        ordered = sorted(places, key=lambda place: (_rank(name, ids[place]), ids[place]))
        count = min(max(round(fraction * len(ordered)), 1), max(len(ordered) - 1, 1))
        for place in ordered[:count]:
            heldout[place] = True
    return heldout


def split_words(fraction: float) -> str:
    """The split in words."""
    return (
        f"stratified: {fraction:g} of each class held out, those first by the SHA-256 of their"
        " names"
    )


def _rank(name: str, image: str) -> str:
    return hashlib.sha256(f"{name}\0{image}".encode("utf-8", "surrogateescape")).hexdigest()
