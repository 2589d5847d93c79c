"""An imported data set as images that training can read."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simclr_bench.datasets.folders import read_file
from simclr_bench.datasets.manifest import Manifest, dataset_directory, require_manifest
from simclr_bench.errors import DataError

if TYPE_CHECKING:
    from simclr_bench.data.images import ImageSet
    from simclr_bench.datasets.shards import Index


@dataclass(frozen=True, kw_only=True)
class OpenedDataset:
    """An imported data set, ready to be read.

    Attributes:
        train: Images that heads are trained on. Pixels are read, and checked, when asked for.
        heldout: Images that no head sees before it is scored.
        description: What records say of it.
        manifest: All that is known of it.
    """

    train: "ImageSet"
    heldout: "ImageSet"
    description: dict[str, Any]
    manifest: Manifest


def open_dataset(name: str) -> OpenedDataset:
    """Opens an imported set. Its index is checked now, each image when it is read.

    Raises:
        DataError: It was never imported, or a file of it is missing, cut or not what was written.
    """
    import numpy as np
    import torch

    from simclr_bench.data.images import ImageSet
    from simclr_bench.datasets.shards import ShardImages

    manifest = require_manifest(name)
    index = read_index(manifest)
    shards = [dataset_directory(name) / shard["file"] for shard in manifest.shards]
    for path, shard in zip(shards, manifest.shards, strict=True):
        fault = size_fault(path, shard["bytes"])
        if fault:
            raise DataError(f"{fault}; import {name} again")
    parts = []
    for heldout in (False, True):
        rows = np.flatnonzero(index.heldout == heldout)
        parts.append(
            ImageSet(
                images=ShardImages(shards, index, rows),
                labels=torch.from_numpy(index.label[rows]),
                classes=manifest.classes,
            )
        )
    train, heldout_part = parts
    return OpenedDataset(
        train=train,
        heldout=heldout_part,
        description={
            "train_images": len(train),
            "heldout_images": len(heldout_part),
            "split": manifest.split,
            "skipped": manifest.corrupt,
            # Not the path: records are passed on.
            "source": {
                **{key: value for key, value in manifest.source.items() if key != "path"},
                "deviations": manifest.deviations,
            },
        },
        manifest=manifest,
    )


def read_index(manifest: Manifest) -> "Index":
    """The index of an imported set.

    Raises:
        DataError: It is missing or not what was written.
    """
    from simclr_bench.datasets.shards import Index

    path = dataset_directory(manifest.name) / manifest.index["file"]
    data = read_file(path)
    if hashlib.sha256(data).hexdigest() != manifest.index["sha256"]:
        raise DataError(
            f"{path}: the index is corrupt (its SHA-256 differs); import {manifest.name} again"
        )
    return Index.decode(data)


def size_faults(manifest: Manifest) -> list[str]:
    """Files of an imported set that are missing or of another length. None is read."""
    directory = dataset_directory(manifest.name)
    stated = (manifest.index, *manifest.shards)
    faults = (size_fault(directory / each["file"], each["bytes"]) for each in stated)
    return [fault for fault in faults if fault]


def size_fault(path: Path, wanted: int) -> str:
    """What is wrong with a file's size, or ""."""
    try:
        got = path.stat().st_size
    except OSError:
        return f"{path}: is missing"
    return "" if got == wanted else f"{path}: has {got:,} bytes, wanted are {wanted:,}"
