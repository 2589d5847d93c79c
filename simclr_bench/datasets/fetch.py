"""A data set from the network to its decoded cache: download, verify, import."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from simclr_bench.datasets.catalog import Archive, Dataset, downloads_directory
from simclr_bench.errors import DataError
from simclr_bench.storage.download import Downloaded, NotThere, download
from simclr_bench.storage.pins import Pin, add_pins, read_pins
from simclr_bench.storage.progress import Progress, fetching

if TYPE_CHECKING:
    from simclr_bench.datasets.library import Manifest


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """A data set that is ready.

    Attributes:
        name: Its name.
        archive: The verified archive; None if the set was imported before.
        manifest: What was imported.
    """

    name: str
    archive: Downloaded | None
    manifest: "Manifest"


def pins_path(dataset: Dataset) -> Path:
    """The hashes of archives of a data set that nobody publishes a hash of."""
    return downloads_directory() / f"{dataset.name}.pins.json"


def fetch_dataset(
    dataset: Dataset, *, offline: bool, keep_archive: bool, progress: Progress
) -> Fetched:
    """Makes a data set ready, unless one of its archives was imported before.

    Args:
        dataset: Which one.
        offline: Use an archive that is there, and no network.
        keep_archive: Keep the archive once it is imported.
        progress: Told how it goes.

    Raises:
        DataError: No archive can be had, or the one that came is not the data set.
    """
    from simclr_bench.datasets.library import import_dataset

    imported = _imported_archive(dataset, progress)
    if imported is not None:
        progress.say(f"{dataset.name}: imported before, from {imported.source['path']}")
        return Fetched(name=dataset.name, archive=None, manifest=imported)
    archive, downloaded = _first_archive(dataset, offline, progress)
    known = read_pins(pins_path(dataset)).get(archive.name)
    # A hash that is published says that these bytes are the URL's, whoever brought them here.
    before = archive.urls[0] if archive.sha256 else known.url if known else None
    url = downloaded.url or before
    manifest = import_dataset(dataset, downloaded.path, url=url, progress=progress)
    if archive.sha256 is None:
        pin = Pin(
            sha256=downloaded.sha256,
            bytes=downloaded.bytes,
            url=url,
            official=downloaded.url is not None,
        )
        add_pins(pins_path(dataset), {archive.name: pin})
    if not keep_archive:
        downloaded.path.unlink()
    return Fetched(name=dataset.name, archive=downloaded, manifest=manifest)


def _imported_archive(dataset: Dataset, progress: Progress) -> "Manifest | None":
    """What was imported from one of the archives of the catalog, if it was and its files are there.

    Only their sizes are looked at: reading all is what `data verify` does.
    """
    from simclr_bench.datasets.library import read_manifest, size_faults

    try:
        manifest = read_manifest(dataset.name)
        if manifest and (faults := size_faults(manifest)):
            raise DataError(faults[0])
    except DataError as error:
        progress.say(f"{error}; it is made again")
        return None
    hashes = {archive.sha256 for archive in dataset.archives}
    hashes |= {known.sha256 for known in read_pins(pins_path(dataset)).values()}
    known_hash = manifest and manifest.source["sha256"]
    return manifest if known_hash and known_hash in hashes else None


def _first_archive(
    dataset: Dataset, offline: bool, progress: Progress
) -> tuple[Archive, Downloaded]:
    """The first archive that can be had; what is here already comes before what is not."""
    gone: list[NotThere] = []
    pins = read_pins(pins_path(dataset))
    for archive in sorted(dataset.archives, key=lambda archive: not archive.path.is_file()):
        known = None if archive.sha256 else pins.get(archive.name)
        size = archive.size if archive.size is not None else known.bytes if known else None
        try:
            with fetching(progress, archive.name, size) as advance:
                return archive, download(
                    archive.urls,
                    archive.path,
                    sha256=known.sha256 if known else archive.sha256,
                    size=size,
                    md5=archive.md5,
                    advance=advance,
                    offline=offline,
                )
        except NotThere as error:
            gone.append(error)
            progress.say(f"{archive.name} is not served any more")
    raise DataError("; ".join(map(str, gone)))
