"""Writing and checking files so that a reader never meets half of one."""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from simclr_bench.errors import DataError

_BLOCK = 2**20


def canonical_json(value: Any) -> str:
    """The one text that a JSON value has here: sorted keys, no spaces, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def sha256_of(value: Any) -> str:
    """SHA-256 of a JSON value's canonical text, in hex."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def file_sha256(path: Path, advance: Callable[[int], None] | None = None) -> str:
    """SHA-256 of a file of any size, in hex.

    Args:
        path: The file.
        advance: Told how many bytes were read, now and then.

    Raises:
        DataError: It cannot be read.
    """
    return file_hashes(path, ("sha256",), advance)["sha256"]


def file_hashes(
    path: Path, kinds: Sequence[str], advance: Callable[[int], None] | None = None
) -> dict[str, str]:
    """Several hashes of a file in one pass.

    Args:
        path: The file.
        kinds: Names that hashlib knows.
        advance: Told how many bytes were read, now and then.

    Returns:
        Kind -> hash in hex.

    Raises:
        DataError: It cannot be read.
    """
    digests = [hashlib.new(kind, usedforsecurity=False) for kind in kinds]
    buffer = memoryview(bytearray(_BLOCK))
    try:
        with path.open("rb", buffering=0) as file:
            while read := file.readinto(buffer):
                for digest in digests:
                    digest.update(buffer[:read])
                if advance:
                    advance(read)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({os.strerror(error.errno or 0)})") from error
    return {kind: digest.hexdigest() for kind, digest in zip(kinds, digests, strict=True)}


def make_directory(path: Path, purpose: str, remedy: str) -> None:
    """Creates a directory and its parents.

    Args:
        path: The directory.
        purpose: What it is, such as "the run directory".
        remedy: What the user can do if it cannot be used.

    Raises:
        DataError: It cannot be created or written to.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise DataError(f"{path}: {purpose} cannot be made ({reason}); {remedy}") from error
    if not os.access(path, os.W_OK):
        raise DataError(f"{path}: {purpose} is not writable; {remedy}")


def write_atomically(path: Path, data: bytes) -> None:
    """Writes a file that appears whole or not at all, and survives a power cut once it has.

    Raises:
        DataError: The disk refuses.
    """
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise _refused(path, error) from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o666 & ~_umask())  # as any new file: reports are passed on
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except OSError as error:
        Path(name).unlink(missing_ok=True)
        raise _refused(path, error) from error
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Makes what was renamed or removed in a directory survive a power cut."""
    directory = os.open(path, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _umask() -> int:
    """The process's mask. It can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _refused(path: Path, error: OSError) -> DataError:
    return DataError(f"{path}: cannot be written ({os.strerror(error.errno or 0)})")
