"""Files that one process holds at a time; the system frees them when their holder dies."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from simclr_bench.errors import DataError, StoreError

Busy = Callable[[str], StoreError]


@contextmanager
def locked(path: Path, *, busy: Busy | None = None, remedy: str) -> Iterator[TextIO]:
    """Holds a file against other processes while the block lasts.

    Args:
        path: The file; made where there is none, and never through a link.
        busy: Makes the error for when another process has it, from what that one wrote into it;
            None waits until it is free.
        remedy: What the user can do if the file cannot be used.

    Returns:
        The file, open for reading and writing.

    Raises:
        StoreError: Another process has it.
        DataError: It cannot be used.
    """
    try:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o666)
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise DataError(f"{path}: cannot be locked ({why}); {remedy}") from error
    with os.fdopen(descriptor, "r+", encoding="ascii", errors="replace") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (fcntl.LOCK_NB if busy else 0))
        except BlockingIOError as error:
            assert busy is not None
            raise busy(file.read().strip()) from error
        yield file
