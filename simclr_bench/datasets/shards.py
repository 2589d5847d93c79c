"""Decoded images on disk: pixels one after the other in large files, and an index.

A shard is nothing but uint8 pixels, [3, H, W] each. The index says where each image is, what it is
and the CRC-32 of its pixels, which is checked whenever the image is read.
"""

import hashlib
import io
import os
import zlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, overload

import numpy as np
from numpy.typing import NDArray

from simclr_bench.errors import DataError
from simclr_bench.storage.files import write_atomically

if TYPE_CHECKING:
    from torch import Tensor

SHARD_BYTES = 256 << 20


@dataclass(frozen=True, kw_only=True)
class Index:
    """Where the images of a set are; all training images first, each part in the order of ids.

    Attributes:
        ids: Names within the set. [n]
        label: Class. int64 [n]
        heldout: Whether no head may see it. bool [n]
        shard: Number of its file. int64 [n]
        offset: Where it begins there, in bytes. int64 [n]
        height: Pixels. int64 [n]
        width: Pixels. int64 [n]
        crc32: Of its pixels. int64 [n]
    """

    ids: tuple[str, ...]
    label: NDArray[np.int64]
    heldout: NDArray[np.bool_]
    shard: NDArray[np.int64]
    offset: NDArray[np.int64]
    height: NDArray[np.int64]
    width: NDArray[np.int64]
    crc32: NDArray[np.int64]

    def encode(self) -> bytes:
        """The index as the bytes of a file."""
        ids = "\0".join(self.ids).encode("utf-8", "surrogateescape")
        buffer = io.BytesIO()
        np.savez(
            buffer,
            ids=np.frombuffer(ids, dtype=np.uint8),
            **{name: getattr(self, name) for name in _COLUMNS},
        )
        return buffer.getvalue()

    @staticmethod
    def decode(data: bytes) -> "Index":
        """The index in the bytes of a file, whose hash has been checked."""
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            text = arrays["ids"].tobytes().decode("utf-8", "surrogateescape")
            ids = tuple(text.split("\0")) if text else ()
            return Index(ids=ids, **{name: arrays[name] for name in _COLUMNS})


_COLUMNS = ("label", "heldout", "shard", "offset", "height", "width", "crc32")


class ShardWriter:
    """Writes pixels into shards, in the order in which they come."""

    def __init__(self, directory: Path, shard_bytes: int = SHARD_BYTES) -> None:
        self._directory, self._shard_bytes = directory, shard_bytes
        self._file: BinaryIO | None = None
        self._digest = hashlib.sha256()
        self._size = 0
        self.shards: list[dict[str, Any]] = []

    def __enter__(self) -> "ShardWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if kind is None:
            self._finish()
        elif self._file is not None:
            with suppress(OSError):  # a full disk refuses the rest again, and `error` says more
                self._file.close()

    def write(self, pixels: NDArray[np.uint8]) -> tuple[int, int]:
        """Adds an image.

        Args:
            pixels: Contiguous. [3, H, W]

        Returns:
            Its shard's number and its offset there.

        Raises:
            DataError: The disk refuses.
        """
        try:
            if self._file is not None and self._size + pixels.nbytes > self._shard_bytes:
                self._finish()
            if self._file is None:
                self._file = (self._directory / f"shard-{len(self.shards):05}.bin").open("xb")
                self._digest, self._size = hashlib.sha256(), 0
            self._file.write(bytes_of(pixels))
        except OSError as error:
            raise _refused(self._directory, error) from error
        self._digest.update(bytes_of(pixels))
        self._size += pixels.nbytes
        return len(self.shards), self._size - pixels.nbytes

    def _finish(self) -> None:
        if self._file is None:
            return
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
        except OSError as error:
            raise _refused(self._directory, error) from error
        name = f"{self._directory.name}/{Path(self._file.name).name}"
        self.shards.append({"file": name, "bytes": self._size, "sha256": self._digest.hexdigest()})
        self._file = None


def write_index(directory: Path, index: Index) -> dict[str, Any]:
    """Writes the index beside its shards.

    Returns:
        Its "file", "bytes" and "sha256".

    Raises:
        DataError: The disk refuses.
    """
    data = index.encode()
    write_atomically(directory / "index.npz", data)
    name = f"{directory.name}/index.npz"
    return {"file": name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


class ShardImages(Sequence["Tensor"]):
    """Images that are read from shards when they are asked for. It can be sent to processes."""

    def __init__(self, shards: Sequence[Path], index: Index, rows: NDArray[np.int64]) -> None:
        self._shards, self._index, self._rows = tuple(shards), index, rows
        self._files: dict[int, BinaryIO] = {}

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, at: int) -> "Tensor": ...
    @overload
    def __getitem__(self, at: slice) -> Sequence["Tensor"]: ...
    def __getitem__(self, at: int | slice) -> "Tensor | Sequence[Tensor]":
        """Reads an image, or names some of them without reading any.

        Returns:
            uint8. [3, H, W]

        Raises:
            DataError: The pixels are not those that were written.
        """
        if isinstance(at, slice):
            return ShardImages(self._shards, self._index, self._rows[at])
        import torch  # not above: verifying a set needs none

        return torch.from_numpy(self._read(int(self._rows[at])))

    def _read(self, row: int) -> NDArray[np.uint8]:
        index = self._index
        path = self._shards[index.shard[row]]
        pixels = np.empty((3, index.height[row], index.width[row]), dtype=np.uint8)
        where = f"{path}: image {index.ids[row]} (offset {index.offset[row]})"
        try:
            # Not mapped into memory: where a mapped file has been cut, reading kills the process.
            read = os.preadv(self._open(index.shard[row]), [bytes_of(pixels)], index.offset[row])
        except OSError as error:
            reason = os.strerror(error.errno or 0)
            raise DataError(f"{where} cannot be read ({reason}); import the set again") from error
        if read < pixels.nbytes:
            raise DataError(f"{where} is cut short; import the set again")
        if zlib.crc32(bytes_of(pixels)) != index.crc32[row]:
            raise DataError(f"{where} is corrupt (its CRC-32 differs); import the set again")
        return pixels

    def _open(self, shard: int) -> int:
        if shard not in self._files:
            self._files[shard] = self._shards[shard].open("rb", buffering=0)
        return self._files[shard].fileno()

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_files": {}}


def bytes_of(pixels: NDArray[np.uint8]) -> memoryview:
    """The memory of a contiguous array."""
    return memoryview(pixels).cast("B")  # type: ignore[arg-type]


def _refused(directory: Path, error: OSError) -> DataError:
    remedy = "free some space, or set SIMCLR_BENCH_CACHE to another disk"
    reason = os.strerror(error.errno or 0)
    return DataError(f"{directory}: cannot be written ({reason}); {remedy}")
