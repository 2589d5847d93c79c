"""What a source holds of a data set, before any image is decoded."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from simclr_bench.datasets.archives import LIMITS, Limits, Member, archive_members, printable
from simclr_bench.datasets.folders import folder_members
from simclr_bench.errors import DataError

if TYPE_CHECKING:
    import numpy as np

Kind = Literal["archive", "folder", "tfds"]

# A text that a layout reads: lists of a few thousand names.
TEXT_BYTES = 16 << 20


@dataclass(frozen=True, kw_only=True)
class Example:
    """One image of a data set, not decoded.

    Attributes:
        id: Its name within the set, the same whatever it was read from.
        file: Its name within the source, for errors.
        label: Index into the set's classes.
        split: As distributed, "all" where there is one alone.
        data: An image file, or uint8 pixels. [3, H, W]
        left_out: Why the set's own rule leaves it out, or "".
    """

    id: str
    file: str
    label: int
    split: str
    data: "bytes | np.ndarray"
    left_out: str = ""


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What there is to import.

    Attributes:
        kind: What it is read from.
        counts: Split as distributed -> images of each class, before any are left out.
        examples: Goes through all of them, in the source's order.
        rule_applied: Whether what the set's own rule leaves out has been left out already.
    """

    kind: Kind
    counts: Mapping[str, tuple[int, ...]]
    examples: Callable[[], Iterator[Example]]
    rule_applied: bool = False


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where an image file belongs: its name within the set, its class and its split."""

    id: str
    label: int
    split: str


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The files of a source, by name, and the texts that a layout asked for.

    Attributes:
        path: The source.
        names: Every regular file but hidden ones, in order.
        texts: Name -> content.
    """

    path: Path
    names: tuple[str, ...]
    texts: Mapping[str, str] = field(default_factory=dict)

    def root_of(self, marker: str, wanted: str) -> str:
        """What stands before `marker` in the one name that ends so: "" or a folder and a slash.

        Raises:
            DataError: No name does, or several.
        """
        roots = {
            name.removesuffix(marker)
            for name in self.names
            if name == marker or name.endswith(f"/{marker}")
        }
        return self.only_root(roots, marker, wanted)

    def only_root(self, roots: set[str], what: str, wanted: str) -> str:
        """The one root of several candidates.

        Raises:
            DataError: There is none, or more than one.
        """
        if not roots:
            raise DataError(f"{self.path}: holds no {what}; wanted is {wanted}")
        if len(roots) > 1:
            shown = ", ".join(printable(root) or "the top" for root in sorted(roots)[:3])
            raise DataError(
                f"{self.path}: holds {what} in {len(roots)} places ({shown}); name one of them"
            )
        return roots.pop()

    def lines(self, name: str) -> list[str]:
        """The lines of a text, without empty ones.

        Raises:
            DataError: It is not there.
        """
        if name not in self.texts:
            raise DataError(f"{self.path}: {printable(name)} is missing")
        return [line.strip() for line in self.texts[name].splitlines() if line.strip()]


def members(path: Path, limits: Limits = LIMITS) -> Iterator[Member]:
    """The regular files of an archive or a folder, without hidden ones.

    Raises:
        DataError: As archive_members and folder_members do.
    """
    found = folder_members(path, limits) if path.is_dir() else archive_members(path, limits)
    for member in found:
        parts = member.name.split("/")
        if not any(part.startswith(".") or part == "__MACOSX" for part in parts):
            yield member


def survey(path: Path, texts: tuple[str, ...], limits: Limits = LIMITS) -> Listing:
    """Lists a source once, and reads the texts whose names end with one of `texts`.

    Raises:
        DataError: The source is refused, or a text is no text.
    """
    names, read = [], {}
    for member in members(path, limits):
        names.append(member.name)
        if any(f"/{member.name}".endswith(f"/{text}") for text in texts):
            where = f"{path}: {printable(member.name)}"
            if member.size > TEXT_BYTES:
                raise DataError(f"{where} has {member.size:,} bytes, over the limit of a text")
            try:
                read[member.name] = member.read().decode()
            except UnicodeDecodeError as error:
                raise DataError(f"{where} is no text in UTF-8") from error
    return Listing(path=path, names=tuple(names), texts=read)


def count(places: "Mapping[str, Place] | list[Place]", classes: int) -> dict[str, tuple[int, ...]]:
    """Split -> images of each class."""
    counts: dict[str, list[int]] = {}
    for place in places.values() if isinstance(places, Mapping) else places:
        counts.setdefault(place.split, [0] * classes)[place.label] += 1
    return {split: tuple(of_class) for split, of_class in counts.items()}
