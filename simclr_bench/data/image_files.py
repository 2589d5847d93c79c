"""Images that stay on disk: files of a folder of any depth, decoded when they are asked for."""

import hashlib
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from simclr_bench.data.folder import decode, files_under, printable
from simclr_bench.errors import DataError


@dataclass(frozen=True)
class ImageFiles:
    """Files of a folder, by number; none is open.

    Attributes:
        directory: Where they are.
        files: Sorted. [n]
    """

    directory: Path
    files: tuple[Path, ...]

    def __len__(self) -> int:
        return len(self.files)

    def read(self, number: int) -> Tensor:
        """One image, uint8. [3, H, W]

        Raises:
            DataError: The file does not decode; its name is in the message.
        """
        try:
            return decode(self.files[number])
        except DataError as error:
            remedy = "mend or remove it, or pass --skip-corrupt, and begin in a new --out"
            raise DataError(f"{error}; {remedy}") from error

    def fingerprint(self) -> str:
        """SHA-256 over every file's relative path and size.

        Not over the bytes: reading all of them again at every start would take longer than many
        an epoch.
        """
        digest = hashlib.sha256()
        for path in self.files:
            try:
                size = path.stat().st_size
            except OSError as error:
                why = os.strerror(error.errno or 0)
                raise DataError(f"{path}: cannot be read ({why})") from error
            digest.update(os.fsencode(path.relative_to(self.directory)) + f"\0{size}\0".encode())
        return digest.hexdigest()

    def without(self, names: Iterable[str]) -> "ImageFiles":
        """The same, but for the files of these names, as `undecodable` gives them."""
        left_out = set(names)
        kept = (path for path in self.files if self.name(path) not in left_out)
        return ImageFiles(self.directory, tuple(kept))

    def name(self, path: Path) -> str:
        """A file's path from the folder on, as text."""
        return printable(path.relative_to(self.directory))


def list_images(directory: Path) -> ImageFiles:
    """Finds the files of a folder of any depth; whether they decode is seen when they are read.

    Raises:
        DataError: The folder is missing or holds no file.
    """
    if not directory.is_dir():
        what = "is not a directory" if directory.exists() else "does not exist"
        raise DataError(f"{directory}: {what}; --data takes a folder of images, of any depth")
    files = files_under(directory)
    if not files:
        raise DataError(f"{directory}: holds no files; --data takes a folder of images")
    return ImageFiles(directory, tuple(files))


def undecodable(
    images: ImageFiles, workers: int, progress: Callable[[], None]
) -> list[tuple[str, str]]:
    """Decodes every file once.

    Args:
        images: What to look through.
        workers: Threads; the answer does not depend on it.
        progress: Called once a file.

    Returns:
        Names of the files that do not decode, and why.
    """

    def fault(path: Path) -> str:
        try:
            decode(path)
        except DataError as error:
            return str(error).removeprefix(f"{path}: ")
        return ""

    found = []
    with ThreadPoolExecutor(max(1, workers)) as pool:
        for path, reason in zip(images.files, pool.map(fault, images.files), strict=True):
            if reason:
                found.append((images.name(path), reason))
            progress()
    return found
