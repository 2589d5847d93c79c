"""The files of a folder that was unpacked before, in the shape in which archives give theirs."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from simclr_bench.datasets.archives import LIMITS, Limits, Member, printable
from simclr_bench.errors import DataError


def folder_members(root: Path, limits: Limits = LIMITS) -> Iterator[Member]:
    """Goes through the regular files of a folder and its subfolders, sorted.

    Links are followed: the folder is the user's own. Of links that lead in a circle, each folder is
    entered once.

    Raises:
        DataError: Something cannot be read, or there are more files, or larger ones, than any data
            set has.
    """
    count = 0
    entered: set[tuple[int, int]] = set()
    for folder, subfolders, files in os.walk(root, followlinks=True, onerror=_raise):
        found = os.stat(folder)
        if (found.st_dev, found.st_ino) in entered:
            subfolders.clear()
            continue
        entered.add((found.st_dev, found.st_ino))
        subfolders.sort()
        for file in sorted(files):
            path = Path(folder) / file
            try:
                status = path.stat()
            except OSError:
                continue  # a link to nothing: if the file is needed, its absence is an error
            if not stat.S_ISREG(status.st_mode):
                continue
            count += 1
            if count > limits.members:
                raise DataError(
                    f"{root}: holds over {limits.members:,} files; name the data set's own folder"
                )
            size = status.st_size

            def read(path: Path = path, size: int = size) -> bytes:
                if size > limits.member_bytes:
                    raise DataError(
                        f"{path}: has {size:,} bytes, over the limit of {limits.member_bytes:,}"
                    )
                return read_file(path)

            yield Member(name=path.relative_to(root).as_posix(), size=size, read=read)


def read_file(path: Path) -> bytes:
    """The bytes of a file.

    Raises:
        DataError: It cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise DataError(f"{printable(str(path))}: cannot be read ({reason})") from error


def _raise(error: OSError) -> None:
    reason = os.strerror(error.errno or 0)
    raise DataError(f"{error.filename}: cannot be listed ({reason})") from error
