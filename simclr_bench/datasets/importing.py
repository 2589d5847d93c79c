"""Taking a data set in: from what the user has to pixels that are checked, once."""

import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from simclr_bench.datasets.catalog import Dataset
from simclr_bench.datasets.manifest import (
    Manifest,
    dataset_directory,
    read_manifest,
    write_manifest,
)
from simclr_bench.errors import DataError, StoreError
from simclr_bench.storage.files import file_sha256, make_directory, sync_directory
from simclr_bench.storage.locks import locked
from simclr_bench.storage.progress import Progress

if TYPE_CHECKING:
    from simclr_bench.datasets.contents import Contents

# Differences that an error spells out, and classes that one names.
SHOWN = 3


def import_dataset(
    dataset: Dataset,
    path: Path,
    *,
    unofficial: bool = False,
    url: str | None = None,
    skip_corrupt: bool = False,
    progress: Progress,
) -> Manifest:
    """Decodes a data set once, from an archive or a folder; an earlier import stays until the end.

    Args:
        dataset: Which set.
        path: Archive, unpacked folder, torchvision's root, or what TensorFlow Datasets prepared.
        unofficial: Take it even if its counts, or the bytes of an archive of the official size,
            are not the catalog's.
        url: Where the archive was fetched from.
        skip_corrupt: Leave out and list images that do not decode, instead of stopping.
        progress: Told how it goes.

    Raises:
        DataError: The source is refused, is another set or a damaged one, an image does not decode,
            or there is no room.
        StoreError: Another process is importing this set.
    """
    from simclr_bench.datasets.build import build
    from simclr_bench.datasets.layouts import read_contents

    before = _state(path)
    official_size = {archive.size: archive for archive in dataset.archives}.get(before[0])
    sha256 = None
    if path.is_file():
        progress.say(f"hashing {path}")
        sha256 = file_sha256(path)
    official = sha256 in {archive.sha256 for archive in dataset.archives} - {None}
    if sha256 and official_size and official_size.sha256 and not official and not unofficial:
        raise DataError(
            f"{path}: has the size of {official_size.name} but not its bytes (SHA-256 {sha256},"
            f" wanted {official_size.sha256}): damaged; get it again, or pass --unofficial"
        )
    directory = dataset_directory(dataset.name)
    with _held(directory):
        _remove_leftovers(dataset.name)
        progress.say(f"reading {path}")
        contents = read_contents(path, dataset)
        deviations = _deviations(dataset, contents)
        _refuse_unless(unofficial, path, deviations)
        _require_room(dataset, contents, directory)
        made = directory / f"data-{secrets.token_hex(4)}"
        make_directory(made, "the data set's directory", "set SIMCLR_BENCH_CACHE to another")
        try:
            built = build(
                dataset, path, contents, made, skip_corrupt=skip_corrupt, progress=progress
            )
            left_out = sum(each["rule"] == "set" for each in built.dropped)
            if not contents.rule_applied and left_out != dataset.dropped:
                deviations.append(
                    f"{left_out:,} images left out by the set's rule, wanted are"
                    f" {dataset.dropped:,}"
                )
                _refuse_unless(unofficial, path, deviations)
            lacking = _lacking(dataset, path, built.counts)
            _refuse_unless(unofficial, path, lacking)
            deviations += lacking
            corrupt = sum(each["rule"] == "corrupt" for each in built.dropped)
            if corrupt:  # allowed, but what is left is not the set
                deviations.append(f"{corrupt:,} images left out that do not decode")
            if _state(path) != before:
                raise DataError(f"{path}: changed while it was read; import it again")
            manifest = Manifest(
                name=dataset.name,
                classes=dataset.classes,
                counts=built.counts,
                source={
                    "kind": contents.kind,
                    "path": str(path.resolve()),
                    "sha256": sha256,
                    "official": official and not deviations,
                    "url": url,
                },
                deviations=deviations,
                dropped=built.dropped,
                notes=built.notes,
                split=built.split,
                content_sha256=built.content_sha256,
                index=built.index,
                shards=built.shards,
                versions=_versions(),
            )
            sync_directory(made)
            sync_directory(directory)
            write_manifest(manifest)
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise
        _remove_leftovers(dataset.name)
    return manifest


def _deviations(dataset: Dataset, contents: "Contents") -> list[str]:
    """How the counts differ from the catalog's."""
    found = []
    if contents.rule_applied and dataset.dropped:  # which classes they were of, nobody published
        got = sum(map(sum, contents.counts.values()))
        return [] if got == dataset.images else [f"wanted {dataset.images:,} images, got {got:,}"]
    for split, wanted in dataset.counts.items():
        of_class = contents.counts.get(split, (0,) * len(dataset.classes))
        found += [
            f"{split}: class {name}: wanted {want:,} images, got {got:,}"
            for name, want, got in zip(dataset.classes, wanted, of_class, strict=True)
            if want != got
        ]
    return found


def _lacking(dataset: Dataset, path: Path, counts: dict[str, list[int]]) -> list[str]:
    """In which part which classes have no image.

    Raises:
        DataError: A part has none at all: there is nothing to train on, or to score.
    """
    found = []
    for part in ("train", "heldout"):
        empty = [name for name, n in zip(dataset.classes, counts[part], strict=True) if not n]
        if len(empty) == len(dataset.classes):
            raise DataError(f"{path}: no class has an image for {part}")
        if empty:
            more = f" and {len(empty) - SHOWN} more classes" if len(empty) > SHOWN else ""
            found.append(f"{part}: no image of {', '.join(empty[:SHOWN])}{more}")
    return found


def _refuse_unless(unofficial: bool, path: Path, deviations: list[str]) -> None:
    if deviations and not unofficial:
        more = f" and {len(deviations) - SHOWN} more" if len(deviations) > SHOWN else ""
        raise DataError(
            f"{path}: {'; '.join(deviations[:SHOWN])}{more}; get the data again, or pass"
            " --unofficial to take them as they are"
        )


def _require_room(dataset: Dataset, contents: "Contents", directory: Path) -> None:
    if dataset.decoded_bytes is None:
        return
    images = sum(map(sum, contents.counts.values()))
    needed = round(dataset.decoded_bytes * images / max(dataset.images, 1))
    free = shutil.disk_usage(directory).free
    if free < needed:
        raise DataError(
            f"{directory}: {free / 1e9:.1f} GB are free, and {dataset.name} takes up to"
            f" {needed / 1e9:.1f} GB; set SIMCLR_BENCH_CACHE to a larger disk"
        )


def _state(path: Path) -> tuple[int, int]:
    """Size and time of a file: what changes if it does."""
    try:
        status = path.stat()
    except OSError as error:
        raise DataError(
            f"{path}: {os.strerror(error.errno or 0)}; name the archive or the folder it was"
            " unpacked to"
        ) from error
    return status.st_size, status.st_mtime_ns


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    from simclr_bench import __version__

    packages = {name: version(name) for name in ("torch", "torchvision", "numpy")}
    return {"simclr_bench": __version__, "python": sys.version.split()[0], **packages}


def _remove_leftovers(name: str) -> None:
    """Removes what a killed import left, and what a newer one replaced."""
    directory = dataset_directory(name)
    try:
        manifest = read_manifest(name)
    except DataError:
        manifest = None  # it can be read by nobody, so its files are of no use either
    kept = Path(manifest.index["file"]).parts[0] if manifest else None
    for found in directory.glob("data-*"):
        if found.name != kept and found.is_dir() and not found.is_symlink():
            shutil.rmtree(found, ignore_errors=True)
    for found in directory.glob(".manifest.json.*"):
        found.unlink(missing_ok=True)


@contextmanager
def _held(directory: Path) -> Iterator[None]:
    """Holds a data set's directory against other importers."""
    elsewhere = "set SIMCLR_BENCH_CACHE to another"
    make_directory(directory, "the data set's directory", elsewhere)
    busy = StoreError(f"{directory}: another process is importing this data set; wait for it")
    with locked(directory / "lock", busy=lambda _: busy, remedy=elsewhere):
        yield
