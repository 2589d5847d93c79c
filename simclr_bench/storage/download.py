"""Files from the network, whole and verified or not there at all.

A file appears under its name once its size and hashes are right. Until then it is `NAME.partial`,
which an interrupted or refused connection leaves, and the next call continues.
"""

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from simclr_bench.errors import DataError
from simclr_bench.storage.files import file_hashes, make_directory, sync_directory
from simclr_bench.storage.http import Refused
from simclr_bench.storage.locks import locked
from simclr_bench.storage.transfer import Answer, Transfer, bring, discard, length_of

ELSEWHERE = "set SIMCLR_BENCH_CACHE to another"


class NotThere(DataError):
    """No URL has the file any more."""


@dataclass(frozen=True, kw_only=True)
class Downloaded:
    """A verified file.

    Attributes:
        path: Where it is.
        url: The URL that gave it; None if it was there already.
        final_url: Where that one led.
        sha256: Of its bytes, in hex.
        bytes: Its length.
        server_hashes: What the server said of it, its md5 checked.
    """

    path: Path
    url: str | None
    final_url: str | None
    sha256: str
    bytes: int
    server_hashes: Mapping[str, str] = field(default_factory=dict)


def offline() -> bool:
    """Whether $SIMCLR_BENCH_OFFLINE forbids the network."""
    return os.environ.get("SIMCLR_BENCH_OFFLINE", "") not in ("", "0")


_forbidden = offline  # `download` has an argument of that name


def partial_of(target: Path) -> Path:
    """Where a file is until it is whole and verified."""
    return target.with_name(f"{target.name}.partial")


def download(
    urls: Sequence[str],
    target: Path,
    *,
    sha256: str | None,
    size: int | None,
    md5: str | None = None,
    advance: Callable[[int], None] = lambda _: None,
    offline: bool = False,
) -> Downloaded:
    """Fetches a file unless it is there, from the first URL that gives the right one.

    Args:
        urls: Where it is. One that is http needs a SHA-256; none may lead from https to http.
        target: Where it is to be.
        sha256: In hex, if known.
        size: In bytes, if known.
        md5: In hex, if known.
        advance: Told how many bytes came; as a negative number, how many were given up.
        offline: Only look whether it is there. $SIMCLR_BENCH_OFFLINE says the same.

    Raises:
        NotThere: Every server says that it has no such file.
        DataError: No URL gave the right file, the network is forbidden, or the disk is full.
    """
    wanted = _Wanted(sha256=sha256, size=size, md5=md5)
    fault = "not there"
    if target.is_file():
        found = wanted.compare(target)
        if found.fault is None:
            advance(found.bytes)
            return found.downloaded(target, None)
        fault = found.fault
    if offline or _forbidden():
        raise DataError(
            f"{target}: {fault}, and the network is forbidden (--offline or SIMCLR_BENCH_OFFLINE);"
            f" allow it, or put there what {urls[0]} gives"
        )
    make_directory(target.parent, "the download directory", ELSEWHERE)
    # Another process may be fetching the same file.
    with locked(target.parent / f".{target.name}.lock", remedy=ELSEWHERE):
        if target.is_file() and (found := wanted.compare(target)).fault is None:
            advance(found.bytes)  # another process has been faster
            return found.downloaded(target, None)
        return _fetch(urls, target, wanted, advance)


@dataclass(frozen=True, kw_only=True)
class _Found:
    """A file's size and hashes, and what is wrong with them."""

    bytes: int
    sha256: str
    fault: str | None

    def downloaded(self, target: Path, url: str | None, answer: Answer | None = None) -> Downloaded:
        return Downloaded(
            path=target,
            url=url,
            final_url=answer.final_url if answer else None,
            sha256=self.sha256,
            bytes=self.bytes,
            server_hashes=answer.hashes if answer else {},
        )


@dataclass(frozen=True, kw_only=True)
class _Wanted:
    """What is known of a file beforehand."""

    sha256: str | None
    size: int | None
    md5: str | None

    def compare(self, path: Path, stated_md5: str | None = None) -> _Found:
        """Hashes a file and says what differs, the size first."""
        size = path.stat().st_size
        md5s = {"known": self.md5, "the server's": stated_md5}
        kinds = ("sha256", "md5") if any(md5s.values()) else ("sha256",)
        hashes = file_hashes(path, kinds)
        fault = None
        if self.size is not None and size != self.size:
            fault = f"has {size} bytes, {self.size} wanted"
        elif self.sha256 is not None and hashes["sha256"] != self.sha256.lower():
            fault = f"has SHA-256 {hashes['sha256']}, {self.sha256} wanted"
        else:
            for whose, md5 in md5s.items():
                if md5 is not None and hashes["md5"] != md5.lower():
                    fault = f"has MD5 {hashes['md5']}, {md5} ({whose}) wanted"
        return _Found(bytes=size, sha256=hashes["sha256"], fault=fault)


def _fetch(
    urls: Sequence[str], target: Path, wanted: _Wanted, advance: Callable[[int], None]
) -> Downloaded:
    partial = partial_of(target)
    _require_room(partial, wanted.size)
    failures: list[tuple[str, Refused]] = []
    for url in urls:
        task = Transfer(
            url=url,
            partial=partial,
            size=wanted.size,
            has_hash=wanted.sha256 is not None,
            advance=advance,
        )
        try:
            return _fetch_from(task, target, wanted)
        except Refused as error:
            failures.append((url, error))
    reasons = "; ".join(f"{url} {error}" for url, error in failures)
    kept = f"; what has arrived is kept, in {partial.name}" if partial.exists() else ""
    kind = NotThere if all(error.gone for _, error in failures) else DataError
    raise kind(f"{target}: cannot be fetched: {reasons}{kept}")


def _fetch_from(task: Transfer, target: Path, wanted: _Wanted) -> Downloaded:
    """Brings the file from one URL, verifies it, and gives it its name."""
    found, answer = _bring_right(task, wanted)
    os.replace(task.partial, target)
    discard(task.partial)
    sync_directory(target.parent)
    return found.downloaded(target, task.url, answer)


def _bring_right(task: Transfer, wanted: _Wanted, *, again: bool = True) -> tuple[_Found, Answer]:
    """Brings the file until `.partial` is verified; once more if it was joined from two tries."""
    answer = bring(task)
    found = wanted.compare(task.partial, answer.hashes.get("md5"))
    if found.fault is None:
        return found, answer
    discard(task.partial)
    task.advance(-found.bytes)
    if answer.resumed and again:
        return _bring_right(task, wanted, again=False)
    raise Refused(f"gives a file that {found.fault}; it was thrown away")


def _require_room(partial: Path, size: int | None) -> None:
    """Refuses before the first byte what cannot fit."""
    if size is None:
        return
    missing = size - length_of(partial)
    free = shutil.disk_usage(partial.parent).free
    if free < missing:
        raise DataError(
            f"{partial}: {missing} more bytes are needed, the disk has {free}; free some, or set"
            " SIMCLR_BENCH_CACHE to another disk"
        )
