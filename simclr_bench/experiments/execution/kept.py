"""Features on disk: blocks that every process shares, each written whole and checked when read.

    features/<key>/set.json        what determines the features
    features/<key>/00012.block     a block: a line of JSON, float32 rows, SHA-256 of all before
    features/<key>/lock            byte n is locked by the process that computes block n

A killed process leaves whole blocks alone, and its locks end with it. A file that is not what was
written is an error that names it, not computed again in silence: the disk that holds it holds the
results too.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from simclr_bench.errors import DataError
from simclr_bench.storage.cache import cache_directory
from simclr_bench.storage.files import make_directory, sha256_of, write_atomically

DIGEST = hashlib.sha256().digest_size


@dataclass(frozen=True)
class Block:
    """Features of a block of views.

    Attributes:
        features: float32. [n, F]
        made: How: the device, and how many images ran at a time.
    """

    features: Tensor
    made: dict[str, Any]


class KeptBlocks:
    """The blocks of one set of features."""

    def __init__(self, identity: Mapping[str, Any]) -> None:
        """
        Args:
            identity: All that determines the features, as JSON has it.

        Raises:
            DataError: The cache cannot be written.
        """
        self.directory = features_directory(identity)
        make_directory(self.directory, "the feature cache", "set SIMCLR_BENCH_CACHE to another")
        description = self.directory / "set.json"
        if not description.exists():
            write_atomically(description, json.dumps(dict(identity), indent=1).encode())
        try:
            self._locks = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            reason = os.strerror(error.errno or 0)
            raise DataError(
                f"{self.directory}: the feature cache is not writable ({reason});"
                " set SIMCLR_BENCH_CACHE to another"
            ) from error

    def close(self) -> None:
        """Gives up all claims."""
        os.close(self._locks)

    def path(self, number: int) -> Path:
        """The file of a block."""
        return self.directory / f"{number:05}.block"

    def claim(self, number: int, *, wait: bool) -> bool:
        """Makes a block this process's to compute; False if another has it and is not waited for.

        Args:
            number: Of the block.
            wait: Until whoever has it has finished, or died.
        """
        try:
            how = fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB
            fcntl.lockf(self._locks, how, 1, number)
        except BlockingIOError:
            return False
        return True

    def release(self, number: int) -> None:
        """Gives up the claim on a block."""
        fcntl.lockf(self._locks, fcntl.LOCK_UN, 1, number)

    def write(self, number: int, block: Block) -> None:
        """Keeps a block.

        Raises:
            DataError: The disk refuses.
        """
        rows, width = block.features.shape
        head = json.dumps({"rows": rows, "features": width, "made": block.made}) + "\n"
        values = block.features.numpy().astype("<f4", copy=False).tobytes()
        content = head.encode() + values
        write_atomically(self.path(number), content + hashlib.sha256(content).digest())

    def read(self, number: int) -> Block | None:
        """A block, or None if it was never finished.

        Raises:
            DataError: The file is not what was written.
        """
        path = self.path(number)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({os.strerror(error.errno or 0)})") from error
        body, digest = content[:-DIGEST], content[-DIGEST:]
        if hashlib.sha256(body).digest() != digest:
            raise DataError(
                f"{path}: this block of kept features is corrupt (its SHA-256 differs); delete the"
                " file and run the command again, and suspect the disk"
            )
        head, _, values = body.partition(b"\n")
        stated = json.loads(head)
        rows = np.frombuffer(values, "<f4").reshape(stated["rows"], stated["features"])
        return Block(torch.from_numpy(rows.astype(np.float32)), stated["made"])


def features_directory(identity: Mapping[str, Any]) -> Path:
    """Where features of this identity are kept."""
    return cache_directory() / "features" / sha256_of(dict(identity))[:24]
