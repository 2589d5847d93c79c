"""The files in an archive, one after the other, without unpacking anything.

A member's name is never used as a path and no member is written to disk, so an archive cannot
reach anything. What only an attack or an accident contains is refused by name all the same: names
that lead elsewhere, links, devices, encrypted members, two members of one name, bombs, and an
archive that ends too early.
"""

import gzip
import re
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from simclr_bench.errors import DataError

MIB = 1 << 20

# Below this a ratio says nothing: a text of a few kilobytes may well shrink by a hundred.
RATIO_FROM = MIB


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What an archive may hold; the five data sets need about half of each.

    Attributes:
        members: Files and folders; food_101 has 101,000 images.
        member_bytes: Of one file; CIFAR-100's train.bin has 147 MiB.
        total_bytes: Of all files; food_101 has 4.7 GiB.
        ratio: Unpacked over packed bytes; images hardly shrink at all.
    """

    members: int = 250_000
    member_bytes: int = 256 * MIB
    total_bytes: int = 12 * 1024 * MIB
    ratio: int = 100


LIMITS = Limits()


@dataclass(frozen=True, kw_only=True)
class Member:
    """A regular file in an archive or a folder.

    Attributes:
        name: Its path inside, with slashes.
        size: Bytes.
        read: Returns its bytes; only until the next member is asked for.
    """

    name: str
    size: int
    read: Callable[[], bytes]


def archive_members(path: Path, limits: Limits = LIMITS) -> Iterator[Member]:
    """Goes through the regular files of a zip, tar or gzip-compressed tar archive, in its order.

    What it is follows from its first bytes: DTD's .tar.gz is a plain tar.

    Raises:
        DataError: It is unreadable, damaged, cut short, of another kind, or holds what no data set
            needs; the text names the archive and the member.
    """
    with _refusals(path), path.open("rb") as file:
        start = file.read(4)
        file.seek(0)
        if not start:
            raise DataError(f"{path}: the file is empty")
        if start.startswith(b"PK"):
            yield from _zip_members(path, file, limits)
        elif start.startswith(b"\x1f\x8b"):
            with gzip.open(file) as unpacked:
                yield from _tar_members(path, _Watched(path, unpacked, file, limits), limits)
        else:
            yield from _tar_members(path, _Watched(path, file, file, limits), limits)


def printable(name: str) -> str:
    """A member's name for an error: one line, whatever bytes it is made of."""
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _zip_members(path: Path, file: BinaryIO, limits: Limits) -> Iterator[Member]:
    _require_few(path, _zip_entries(file), limits)
    with zipfile.ZipFile(file) as archive:
        guard = _Guard(path, limits)
        for info in archive.infolist():
            # orig_filename: zipfile ends `filename` at a null byte.
            name = guard.name(info.orig_filename)
            kind = stat.S_IFMT(info.external_attr >> 16)
            if info.is_dir() and kind in (0, stat.S_IFDIR):
                continue
            if kind not in (0, stat.S_IFREG):
                raise guard.refusal(name, f"is {_KINDS.get(kind, 'no regular file')}")
            if info.flag_bits & 0x1:
                raise guard.refusal(name, "is encrypted")
            guard.file(name, info.file_size)
            if info.file_size > max(RATIO_FROM, limits.ratio * info.compress_size):
                raise guard.refusal(name, _shrunk(limits))
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                # zipfile cannot unpack a part of what others compress to thousands of times less.
                raise guard.refusal(name, "is neither stored nor deflated")

            def read(info: zipfile.ZipInfo = info, name: str = name) -> bytes:
                # One byte more than stated: zipfile unpacks no more than it is asked for, and what
                # a false size hides fails its checksum.
                with _refusals(path, name), archive.open(info) as opened:
                    return opened.read(info.file_size + 1)

            yield Member(name=name, size=info.file_size, read=read)


def _tar_members(path: Path, stream: "_Watched", limits: Limits) -> Iterator[Member]:
    # Always as a stream: what tarfile would seek to is never trusted, and gzip cannot seek.
    with tarfile.open(
        fileobj=stream,  # type: ignore[call-overload]
        mode="r|",
        bufsize=MIB // 4,
        tarinfo=_StrictTarInfo,
    ) as archive:
        guard = _Guard(path, limits)
        while (info := archive.next()) is not None:
            archive.members.clear()  # it would keep every header
            stream.allow(info.size)
            name = guard.name(info.name)
            if info.isdir():
                continue
            if not info.isreg() or info.issparse():
                raise guard.refusal(name, f"is {_TYPES.get(info.type, 'no regular file')}")
            guard.file(name, info.size)

            def read(info: tarfile.TarInfo = info, name: str = name) -> bytes:
                with _refusals(path, name):
                    opened = archive.extractfile(info)
                    assert opened is not None
                    return opened.read()

            yield Member(name=name, size=info.size, read=read)
        while stream.read(MIB):  # gzip checks its own sum at the very end
            pass


_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFDIR: "a folder by its mode and a file by its name",
    stat.S_IFIFO: "a fifo",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_TYPES = {
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.LNKTYPE: "a hard link",
    tarfile.FIFOTYPE: "a fifo",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.GNUTYPE_SPARSE: "a sparse file",
}


class _Guard:
    """What has to be remembered of the members so far."""

    def __init__(self, path: Path, limits: Limits) -> None:
        self._path, self._limits = path, limits
        self._seen: set[str] = set()
        self._members = self._bytes = 0

    def refusal(self, name: str, what: str) -> DataError:
        return DataError(
            f"{self._path}: {printable(name)} {what}; no data set needs that: get the archive again"
        )

    def name(self, name: str) -> str:
        """The name without "." and empty parts; refused if it leads anywhere else."""
        self._members += 1
        _require_few(self._path, self._members, self._limits)
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if "\0" in name:
            raise self.refusal(name, "has a null byte in its name")
        if "\\" in name:
            raise self.refusal(name, "has a backslash in its name")
        if name.startswith("/") or re.match("[A-Za-z]:", name):
            raise self.refusal(name, "is an absolute path")
        if ".." in parts:
            raise self.refusal(name, "leads out of the archive")
        return "/".join(parts)

    def file(self, name: str, size: int) -> None:
        """A file of this name and size; refused if the name came before, or over a limit."""
        if name in self._seen:
            raise self.refusal(name, "is there twice")
        self._seen.add(name)
        self._bytes += size
        if size < 0 or size > self._limits.member_bytes:
            raise self.refusal(
                name, f"has {size:,} bytes, over the limit of {self._limits.member_bytes:,}"
            )
        if self._bytes > self._limits.total_bytes:
            raise self.refusal(
                name, f"makes it over {self._limits.total_bytes:,} bytes in all, the limit"
            )


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class _Watched:
    """An unpacked stream that stops where a bomb would go on."""

    def __init__(self, path: Path, unpacked: _Readable, packed: BinaryIO, limits: Limits) -> None:
        self._path, self._unpacked, self._packed, self._limits = path, unpacked, packed, limits
        self._position = 0
        self.allow(0)

    def allow(self, size: int) -> None:
        """From here, a member of `size` bytes and the next header, however long its names are."""
        self._until = self._position + min(size, self._limits.member_bytes) + 2 * MIB

    def read(self, size: int) -> bytes:
        data = self._unpacked.read(size)
        self._position += len(data)
        if self._position > max(RATIO_FROM, self._limits.ratio * self._packed.tell()):
            raise DataError(f"{self._path}: {_shrunk(self._limits)}")
        if self._position > self._limits.total_bytes:
            raise DataError(
                f"{self._path}: unpacks to over {self._limits.total_bytes:,} bytes, the limit"
            )
        if self._position > self._until and any(data):
            raise DataError(f"{self._path}: a header or what follows the last file has no end")
        return data


_NO_END = (tarfile.EmptyHeaderError, tarfile.TruncatedHeaderError)  # type: ignore[attr-defined]


class _StrictTarInfo(tarfile.TarInfo):
    """A header that has to be there and right: tarfile takes a bad or missing one as the end."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> "_StrictTarInfo":
        try:
            return super().fromtarfile(archive)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            raise
        except _NO_END as error:
            raise tarfile.ReadError("its end is missing") from error
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(f"a header is damaged, or it is no archive: {error}") from error


@contextmanager
def _refusals(path: Path, member: str = "") -> Iterator[None]:
    """Turns what the libraries raise about bad archives into one line."""
    where = f"{path}: {printable(member)}: " if member else f"{path}: "
    try:
        yield
    except FileNotFoundError as error:
        raise DataError(f"{where}does not exist") from error
    except (
        zipfile.BadZipFile,
        tarfile.TarError,
        gzip.BadGzipFile,
        zlib.error,
        EOFError,
        NotImplementedError,  # a compression method that zipfile lacks
        RuntimeError,  # zipfile: a password is required
        struct.error,
        UnicodeError,
        ValueError,
        OSError,
    ) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(
            f"{where}cannot be read as a zip, tar or gzip-compressed tar archive: damaged or cut"
            f" short ({printable(reason)}); get it again"
        ) from error


def _zip_entries(file: BinaryIO) -> int:
    """About how many members a zip archive lists: zipfile loads them all when it opens one."""
    size = file.seek(0, 2)
    file.seek(max(0, size - 66_000))
    tail = file.read()
    file.seek(0)
    end = tail.rfind(b"PK\x05\x06")
    if end < 0 or len(tail) < end + 22:
        raise zipfile.BadZipFile("its end is missing")
    (listed,) = struct.unpack_from("<I", tail, end + 12)
    wide = tail.rfind(b"PK\x06\x06", 0, end)
    if listed == 0xFFFFFFFF and 0 <= wide <= len(tail) - 48:
        (listed,) = struct.unpack_from("<Q", tail, wide + 40)
    # An entry is 46 bytes and a name, and mostly times and owners. An exact count follows.
    return int(min(listed, size)) // 128


def _require_few(path: Path, members: int, limits: Limits) -> None:
    if members > limits.members:
        raise DataError(
            f"{path}: holds {members:,} members or more, over the limit of {limits.members:,}; no"
            " data set needs that: get the archive again"
        )


def _shrunk(limits: Limits) -> str:
    return f"unpacks to over {limits.ratio} times its size, as a bomb does"
