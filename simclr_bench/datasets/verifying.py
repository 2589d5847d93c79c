"""Reading all of an imported data set again."""

from pathlib import Path

from simclr_bench.datasets.manifest import Manifest, dataset_directory, require_manifest
from simclr_bench.datasets.opening import read_index, size_fault
from simclr_bench.errors import DataError
from simclr_bench.storage.files import file_sha256
from simclr_bench.storage.progress import Progress

# Damaged images that are named.
SHOWN = 3


def verify_dataset(name: str, progress: Progress) -> list[str]:
    """Reads all files of an imported set, and its archive if it is still there.

    Returns:
        Faults, one line each; none if the set is sound.

    Raises:
        DataError: The set was never imported, or its manifest is corrupt.
    """
    manifest = require_manifest(name)
    faults = []
    source = manifest.source
    archive = Path(source["path"]) if source["sha256"] else None
    files = [
        (dataset_directory(name) / each["file"], each["bytes"], each["sha256"])
        for each in (manifest.index, *manifest.shards)
    ]
    if archive and archive.is_file():
        files.append((archive, archive.stat().st_size, source["sha256"]))
    damaged = set()
    with progress.stage(f"verifying {name}, files", len(files)) as stage:
        for path, size, sha256 in files:
            try:
                fault = size_fault(path, size)
                if not fault and (got := file_sha256(path)) != sha256:
                    fault = f"{path}: SHA-256 is {got}, wanted is {sha256}"
            except DataError as error:
                fault = str(error)
            stage.advance()
            if fault:
                faults.append(fault)
                damaged.add(path)
    if files[0][0] not in damaged:
        faults += _index_faults(manifest, damaged)
    return faults


def _index_faults(manifest: Manifest, damaged: set[Path]) -> list[str]:
    """Counts that differ, and which images of damaged shards are."""
    import numpy as np

    from simclr_bench.datasets.shards import ShardImages

    index = read_index(manifest)
    faults = []
    for part, held in (("train", False), ("heldout", True)):
        labels = index.label[index.heldout == held]
        counts = np.bincount(labels, minlength=len(manifest.classes)).tolist()
        if counts != manifest.counts[part]:
            faults.append(f"{manifest.name}: {part} has {sum(counts)} images, not as stated")
    paths = [dataset_directory(manifest.name) / shard["file"] for shard in manifest.shards]
    images = ShardImages(paths, index, np.arange(len(index.ids)))
    hurt = []
    for row, shard in enumerate(index.shard):
        if paths[shard] in damaged:
            try:
                images[row]
            except DataError as error:
                hurt.append(str(error))
    more = [f"{len(hurt) - SHOWN} more images are damaged"] if len(hurt) > SHOWN else []
    return faults + hurt[:SHOWN] + more
