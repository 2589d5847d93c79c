"""One file from one URL into a `.partial` file, which a later try continues.

    NAME.partial        the bytes that have arrived
    NAME.partial.json   what they are of: URL, the server's version of the file

A server may cut, stall, lie about the length, ignore a range or answer another one, or have a new
version by now. Whatever it does, `.partial` holds a beginning of what it claims to be, or is
started over; whether the whole is right is for the caller's hashes to say.
"""

import errno
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import IO
from urllib.error import HTTPError

from simclr_bench.errors import DataError
from simclr_bench.storage.files import write_atomically
from simclr_bench.storage.http import (
    Dropped,
    Refused,
    failure_of,
    open_url,
    range_of,
    require_safe,
    stated_hashes,
    version_of,
)

# Tries in a row that bring nothing new, and tries in all.
FRUITLESS_TRIES = 4
TRIES = 200

# Seconds before the next try; twice as many after each one that brought nothing.
PAUSE = 1.0

BLOCK = 2**20

# Where no length is known: more than any file that is asked for here.
MOST_BYTES = 64 * 2**30


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """What is to be brought.

    Attributes:
        url: Where it is.
        partial: Where its bytes go.
        size: Its length in bytes, if known.
        has_hash: The caller knows its SHA-256, and sees if parts of two versions were joined.
        advance: Told how many bytes came; as a negative number, how many were given up.
    """

    url: str
    partial: Path
    size: int | None
    has_hash: bool
    advance: Callable[[int], None]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A file that has arrived.

    Attributes:
        final_url: Where redirects led.
        hashes: What the server says of the whole file: kind to hash, md5 in hex.
        resumed: Its first bytes are an earlier connection's.
    """

    final_url: str
    hashes: Mapping[str, str]
    resumed: bool


def bring(task: Transfer) -> Answer:
    """Brings a file, continuing what is there, trying again when a connection drops.

    Raises:
        Refused: This URL does not give the file. What has arrived stays.
        DataError: The disk is full, or refuses.
    """
    task.advance(length_of(task.partial))
    try:
        require_safe(task.url, has_hash=task.has_hash)
        return _try_again_and_again(task)
    except Refused:
        task.advance(-length_of(task.partial))
        raise


def discard(partial: Path) -> None:
    """Removes what has arrived."""
    _state_path(partial).unlink(missing_ok=True)
    partial.unlink(missing_ok=True)


def length_of(partial: Path) -> int:
    """Bytes that have arrived."""
    return partial.stat().st_size if partial.is_file() else 0


def _try_again_and_again(task: Transfer) -> Answer:
    best, fruitless, reason = length_of(task.partial), 0, ""
    for _ in range(TRIES):
        try:
            return _try(task)
        except Dropped as error:
            reason = str(error)
        arrived = length_of(task.partial)
        fruitless = 0 if arrived > best else fruitless + 1
        best = max(best, arrived)
        if fruitless >= FRUITLESS_TRIES:
            break
        time.sleep(PAUSE * 2**fruitless)
    raise Refused(f"{reason}; {fruitless} tries in a row brought nothing new")


def _try(task: Transfer) -> Answer:
    """One connection. Raises Dropped if another may do better."""
    have = length_of(task.partial)
    version = _version_to_continue(task, have)
    if version is None:
        _start_over(task)
        have, version = 0, ""
    if have and have == task.size:
        return Answer(final_url=task.url, hashes={}, resumed=True)
    try:
        with open_url(task.url, have, version) as response:
            have, whole = _begin(response, task, have)
            _receive(response, task, have, whole)
            hashes = stated_hashes(response.headers, whole=response.status == 200)
            return Answer(final_url=response.url, hashes=hashes, resumed=have > 0)
    except HTTPError as error:
        with error:
            if error.code != 416 or not have:
                raise failure_of(error) from error
            if task.size is None and range_of(error.headers)[1] == have:
                return Answer(final_url=error.url, hashes={}, resumed=True)
            _start_over(task)
            raise Dropped(f"has no bytes from {have} on") from error
    except (OSError, HTTPException) as error:
        cause = str(getattr(error, "reason", error)) or type(error).__name__
        if "CERTIFICATE_VERIFY_FAILED" in cause:
            raise Refused(f"has a certificate that does not hold ({cause})") from error
        raise Dropped(f"lost the connection ({cause})") from error
    except ValueError as error:
        raise Refused(f"answers nonsense ({error})") from error


def _begin(response: HTTPResponse, task: Transfer, have: int) -> tuple[int, int | None]:
    """Looks at what is answered. Returns the byte that it begins at, and the file's length."""
    length, size = response.length, task.size
    if response.status == 206 and have:
        start, total = range_of(response.headers)
        if start == have and (size is None or total in (size, None)):
            stated = total if total is not None or length is None else have + length
            return have, size if size is not None else stated
        _start_over(task)
        given = response.headers.get("Content-Range", "no range")
        raise Dropped(f"answers {given!r} where bytes from {have} on were asked for")
    if response.status != 200:
        raise Refused(f"answers {response.status} ({response.reason})")
    if response.headers.get_content_type() == "text/html" and (size is None or length != size):
        raise Refused("answers with a web page, not with the file")
    if None not in (length, size) and length != size:
        raise Refused(f"offers {length} bytes, {size} wanted")
    if length is None and not response.chunked and size is None and not task.has_hash:
        raise Refused("does not say how long the file is, and nothing else tells where it ends")
    _start_over(task)
    state = {"url": task.url, "version": version_of(response.headers)}
    write_atomically(_state_path(task.partial), json.dumps(state).encode())
    return 0, length if size is None else size


def _receive(response: HTTPResponse, task: Transfer, have: int, whole: int | None) -> None:
    """Writes what comes, up to the length that was stated or is known."""
    limit = MOST_BYTES if whole is None else min(whole, MOST_BYTES)
    left = response.length
    if have + (left or 0) > limit:
        raise Refused(f"offers {have + (left or 0)} bytes, at most {limit} wanted")
    with _disk(task.partial):
        file = task.partial.open("ab", buffering=0)
    with file:
        # A stated length ends the file, even if the server keeps the connection open.
        while left is None or left > 0:
            block = response.read1(BLOCK if left is None else min(BLOCK, left))
            if not block:
                break
            have += len(block)
            left = None if left is None else left - len(block)
            if have > limit:
                _start_over(task)
                raise Refused(f"sends more than the {limit} bytes wanted")
            with _disk(task.partial):
                _write(file, block)
            task.advance(len(block))
        with _disk(task.partial):
            os.fsync(file.fileno())
    if whole is not None and have < whole:
        raise Dropped(f"ended the connection after {have} of {whole} bytes")


def _write(file: IO[bytes], block: bytes) -> None:
    """Writes all of it: unbuffered, the system may take less at a time."""
    rest = memoryview(block)
    while rest:
        rest = rest[file.write(rest) :]


@contextmanager
def _disk(partial: Path) -> Iterator[None]:
    """Tells the disk's errors from the network's, which are OSErrors as well."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DataError(
                f"{partial}: the disk is full ({reason}); free some, or set SIMCLR_BENCH_CACHE to"
                " another disk; what has arrived is kept, and the same command continues"
            ) from error
        raise DataError(f"{partial}: cannot be written ({reason})") from error


def _start_over(task: Transfer) -> None:
    """Gives up what has arrived."""
    task.advance(-length_of(task.partial))
    discard(task.partial)


def _state_path(partial: Path) -> Path:
    return partial.with_name(f"{partial.name}.json")


def _version_to_continue(task: Transfer, have: int) -> str | None:
    """The version that the bytes are of, "" if a hash must tell; None if they are of no use."""
    unknown = "" if task.has_hash else None
    if task.size is not None and have > task.size:
        return None
    try:
        state = json.loads(_state_path(task.partial).read_bytes())
        url, version = state["url"], state["version"]
    except (OSError, ValueError, KeyError, TypeError):
        return unknown
    return str(version) if version and url == task.url else unknown
