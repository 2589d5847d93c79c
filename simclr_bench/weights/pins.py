"""Hashes of what weights were made from: known beforehand, or kept from the first time.

    CACHE/weights/<name>/pins.json    see `storage/pins.py`

Google's buckets list no hash. What the first download over https brings is pinned; from then on the
name is made of the same bytes, or the difference is an error that names the file. A file that came
from elsewhere is pinned once it was converted: a download from the publisher may replace that, and
nothing else.

Nothing here imports torch.
"""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from simclr_bench.errors import DataError
from simclr_bench.storage.files import file_sha256
from simclr_bench.storage.pins import Pin, read_pins
from simclr_bench.weights.catalog import CANONICAL_HOSTS, WEIGHTS
from simclr_bench.weights.library import folder_of

PINS = "pins.json"


def pins_path(name: str) -> Path:
    """The pins of what weights are made from."""
    return folder_of(name) / PINS


def is_publishers(url: str) -> bool:
    """Whether what came from an address, over https, came from its publisher."""
    parts = urlsplit(url)
    return parts.scheme == "https" and parts.hostname in CANONICAL_HOSTS


def published_hash(name: str, file: str) -> str | None:
    """A file's SHA-256 as it was known before any download, or None."""
    entry = WEIGHTS.get(name)
    found = [each.sha256 for each in entry.files if each.name == file] if entry else []
    return found[0] if found else None


def official_hash(name: str, file: str) -> str | None:
    """What a download of a file must have: published, or pinned from an earlier download."""
    pin = read_pins(pins_path(name)).get(file)
    pinned = pin.sha256 if pin and pin.official else None
    return published_hash(name, file) or pinned


def is_official(name: str, hashes: Mapping[str, str]) -> bool:
    """Whether these are all the files of published weights, each with its official hash."""
    entry = WEIGHTS.get(name)
    if entry is None or {file.name for file in entry.files} != hashes.keys():
        return False
    return all(official_hash(name, file) == sha256 for file, sha256 in hashes.items())


def check_files(name: str, files: Mapping[str, Path]) -> dict[str, Pin]:
    """Hashes files, and refuses those that are not what they were or are published to be.

    Args:
        name: Of the weights that are made of them.
        files: By the name that their publisher gives them.

    Returns:
        File -> what it may be pinned as once it was converted.

    Raises:
        DataError: A file cannot be read, or has another hash than it must.
    """
    pins = read_pins(pins_path(name))
    found = {}
    for file, path in files.items():
        sha256 = file_sha256(path)
        pinned = pins[file].sha256 if file in pins else None
        wanted = published_hash(name, file) or pinned or sha256
        if sha256 != wanted:
            raise DataError(
                f"{path}: SHA-256 must be {wanted} for {name}, got {sha256}; the file is"
                " corrupt, or another one that needs a --name of its own"
            )
        found[file] = Pin(sha256=sha256, bytes=path.stat().st_size, url=None, official=False)
    return found
