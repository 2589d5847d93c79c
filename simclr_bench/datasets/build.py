"""From examples to shards: every image decoded once, or named with the reason why not."""

import hashlib
import os
import zlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simclr_bench.data.decode import decode_bytes
from simclr_bench.data.headers import read_header
from simclr_bench.datasets.archives import printable
from simclr_bench.datasets.catalog import Dataset
from simclr_bench.datasets.contents import Contents, Example
from simclr_bench.datasets.shards import Index, ShardWriter, bytes_of, write_index
from simclr_bench.datasets.split import hash_split, split_words
from simclr_bench.errors import DataError
from simclr_bench.storage.progress import Progress

# 4,096 x 4,096: no image of the five sets has a fifth of it, and each thread may hold one.
MOST_PIXELS = 1 << 24

# One thread reads and writes for all others.
MOST_WORKERS = 16


@dataclass(frozen=True, kw_only=True)
class Built:
    """What was written, as the manifest has it."""

    counts: dict[str, list[int]]
    dropped: list[dict[str, str]]
    notes: list[dict[str, str]]
    split: str
    content_sha256: str
    index: dict[str, Any]
    shards: list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class _Decoded:
    example: Example
    pixels: NDArray[np.uint8] | None
    crc32: int = 0
    sha256: str = ""
    note: str = ""
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class _Row:
    id: str
    label: int
    split: str
    shard: int
    offset: int
    height: int
    width: int
    crc32: int
    sha256: str


def build(
    dataset: Dataset,
    source: Path,
    contents: Contents,
    directory: Path,
    *,
    skip_corrupt: bool,
    progress: Progress,
) -> Built:
    """Decodes a set into a directory.

    Args:
        dataset: Which set.
        source: Where its contents come from, for errors.
        contents: What to decode.
        directory: Empty; shards and index go there.
        skip_corrupt: Leave out and list images that do not decode, instead of stopping.
        progress: Told how it goes.

    Raises:
        DataError: An image does not decode, two have one name, or the disk refuses.
    """
    rows: list[_Row] = []
    dropped: list[dict[str, str]] = []
    notes: list[dict[str, str]] = []
    unused: dict[str, list[int]] = {}
    total = sum(map(sum, contents.counts.values()))
    with (
        progress.stage(f"decoding {dataset.name}", total) as stage,
        ShardWriter(directory) as writer,
    ):
        for done in _decode_all(dataset, source, contents):
            stage.advance()
            example = done.example
            file = printable(example.file)
            if not _is_used(dataset, example.split):
                of_class = unused.setdefault(example.split, [0] * len(dataset.classes))
                of_class[example.label] += 1
            elif example.left_out:
                dropped.append({"file": file, "reason": example.left_out, "rule": "set"})
            elif done.pixels is None:
                if not skip_corrupt:
                    raise DataError(
                        f"{done.error}; get the data again, or pass --skip-corrupt to leave out"
                        " what does not decode"
                    )
                reason = done.error.removeprefix(f"{source}: {file}: ")
                dropped.append({"file": file, "reason": reason, "rule": "corrupt"})
            else:
                if done.note:
                    notes.append({"file": file, "note": done.note})
                shard, offset = writer.write(done.pixels)
                rows.append(
                    _Row(
                        id=example.id,
                        label=example.label,
                        split=example.split,
                        shard=shard,
                        offset=offset,
                        height=done.pixels.shape[1],
                        width=done.pixels.shape[2],
                        crc32=done.crc32,
                        sha256=done.sha256,
                    )
                )
    rows.sort(key=lambda row: row.id)
    for one, other in pairwise(rows):
        if one.id == other.id:
            raise DataError(f"{source}: holds two images named {printable(one.id)}")
    heldout, words = _split(dataset, rows)
    order = sorted(range(len(rows)), key=lambda at: heldout[at])  # stable: by id within each part
    rows, heldout = [rows[at] for at in order], [heldout[at] for at in order]
    counts = _counts(dataset, rows, heldout) | unused
    return Built(
        counts=counts,
        dropped=sorted(dropped, key=lambda each: each["file"]),
        notes=sorted(notes, key=lambda each: each["file"]),
        split=words,
        content_sha256=_content_hash(rows, heldout),
        index=write_index(directory, _index(rows, heldout)),
        shards=writer.shards,
    )


def _decode_all(dataset: Dataset, source: Path, contents: Contents) -> Iterator[_Decoded]:
    """Decodes on all cores; what comes out keeps the order of what went in."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    workers = min(cores, MOST_WORKERS)
    waiting: deque[Future[_Decoded]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for example in contents.examples():
                wanted = _is_used(dataset, example.split) and not example.left_out
                waiting.append(pool.submit(_decode, example, source, wanted))
                if len(waiting) > 4 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _decode(example: Example, source: Path, wanted: bool) -> _Decoded:
    if not wanted:
        return _Decoded(example=example, pixels=None)
    note = ""
    if isinstance(example.data, bytes):
        where = f"{source}: {printable(example.file)}"
        try:
            decoded = decode_bytes(example.data, where, most_pixels=MOST_PIXELS)
        except DataError as error:
            return _Decoded(example=example, pixels=None, error=str(error))
        header = read_header(example.data)
        if header and header.format != "JPEG" and example.file.endswith(".jpg"):
            note = f"named .jpg, its content is {header.format}"
        pixels = np.ascontiguousarray(decoded.numpy())  # in this thread alone
    else:
        pixels = np.ascontiguousarray(example.data)
    return _Decoded(
        example=example,
        pixels=pixels,
        crc32=zlib.crc32(bytes_of(pixels)),
        sha256=hashlib.sha256(bytes_of(pixels)).hexdigest(),
        note=note,
    )


def _is_used(dataset: Dataset, split: str) -> bool:
    return split in ("all", "train", dataset.heldout)


def _split(dataset: Dataset, rows: list[_Row]) -> tuple[list[bool], str]:
    if dataset.heldout_fraction is None:
        return [row.split == dataset.heldout for row in rows], f"the set's own {dataset.heldout}"
    ids, labels = [row.id for row in rows], [row.label for row in rows]
    heldout = hash_split(dataset.name, ids, labels, dataset.heldout_fraction)
    return heldout, split_words(dataset.heldout_fraction)


def _counts(dataset: Dataset, rows: list[_Row], heldout: list[bool]) -> dict[str, list[int]]:
    counts = {part: [0] * len(dataset.classes) for part in ("train", "heldout")}
    for row, held in zip(rows, heldout, strict=True):
        counts["heldout" if held else "train"][row.label] += 1
    return counts


def _content_hash(rows: list[_Row], heldout: list[bool]) -> str:
    digest = hashlib.sha256()
    for row, held in zip(rows, heldout, strict=True):
        part = "heldout" if held else "train"
        stated = f"{part}\0{row.id}\0{row.label}\0{row.height}\0{row.width}\0{row.sha256}\n"
        digest.update(stated.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _index(rows: list[_Row], heldout: list[bool]) -> Index:
    def column(name: str) -> NDArray[np.int64]:
        return np.array([getattr(row, name) for row in rows], dtype=np.int64)

    return Index(
        ids=tuple(row.id for row in rows),
        label=column("label"),
        heldout=np.array(heldout, dtype=np.bool_),
        shard=column("shard"),
        offset=column("offset"),
        height=column("height"),
        width=column("width"),
        crc32=column("crc32"),
    )
