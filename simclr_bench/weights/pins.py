"""Hashes of what weights were made from: known beforehand, or kept from the first time.

    CACHE/weights/<name>/pins.json    file -> {"sha256", "url"}

Google's buckets list no hash. What the first download over https brings is pinned; from then on the
name is made of the same bytes, or the difference is an error that names the file. A file that came
from elsewhere is pinned too, without an address: a download may replace that, and nothing else.

Nothing here imports torch.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from simclr_bench.errors import DataError
from simclr_bench.storage.files import file_sha256, make_directory, sha256_of, write_atomically
from simclr_bench.weights.catalog import CANONICAL_HOSTS, WEIGHTS
from simclr_bench.weights.library import folder_of

FILE = "pins.json"


@dataclass(frozen=True, kw_only=True)
class Pin:
    """What a file was when it was first read.

    Attributes:
        sha256: Of its bytes.
        url: Where this program fetched it, after redirects, or None.
    """

    sha256: str
    url: str | None

    @property
    def official(self) -> bool:
        """Whether it came from its publisher."""
        parts = urlsplit(self.url or "")
        return parts.scheme == "https" and parts.hostname in CANONICAL_HOSTS


def read_pins(name: str) -> dict[str, Pin]:
    """File -> its pin; empty if these weights were never made.

    Raises:
        DataError: The pins are corrupt.
    """
    path = folder_of(name) / FILE
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    try:
        pins = {file: Pin(**pin) for file, pin in json.loads(data)["files"].items()}
        sound = _rendered(pins) == data
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _corrupt(path) from error
    if not sound:
        raise _corrupt(path)
    return pins


def write_pins(name: str, pins: Mapping[str, Pin]) -> None:
    """Records pins: new files, and addresses of files that were pinned without one."""
    path = folder_of(name) / FILE
    make_directory(path.parent, "the weights' directory", "set SIMCLR_BENCH_CACHE to another")
    write_atomically(path, _rendered({**read_pins(name), **pins}))


def published_hash(name: str, file: str) -> str | None:
    """A file's SHA-256 as it was known before any download, or None."""
    entry = WEIGHTS.get(name)
    found = [each.sha256 for each in entry.files if each.name == file] if entry else []
    return found[0] if found else None


def official_hash(name: str, file: str) -> str | None:
    """What a download of a file must have: published, or pinned from an earlier download."""
    pin = read_pins(name).get(file)
    pinned = pin.sha256 if pin and pin.official else None
    return published_hash(name, file) or pinned


def is_official(name: str, hashes: Mapping[str, str]) -> bool:
    """Whether these are all the files of published weights, each with its official hash."""
    entry = WEIGHTS.get(name)
    if entry is None or {file.name for file in entry.files} != hashes.keys():
        return False
    return all(official_hash(name, file) == sha256 for file, sha256 in hashes.items())


def check_files(name: str, files: Mapping[str, Path]) -> dict[str, str]:
    """Hashes files, refuses those that are not what they were, and pins the new ones.

    Args:
        name: Of the weights that are made of them.
        files: By the name that their publisher gives them.

    Returns:
        File -> SHA-256.

    Raises:
        DataError: A file cannot be read, or has another hash than it must.
    """
    pins = read_pins(name)
    found = {}
    for file, path in files.items():
        found[file] = file_sha256(path)
        pinned = pins[file].sha256 if file in pins else None
        wanted = published_hash(name, file) or pinned or found[file]
        if found[file] != wanted:
            raise DataError(
                f"{path}: SHA-256 must be {wanted} for {name}, got {found[file]}; the file is"
                " corrupt, or another one that needs a --name of its own"
            )
    new = {file: Pin(sha256=found[file], url=None) for file in found if file not in pins}
    if new:
        write_pins(name, new)
    return found


def _rendered(pins: Mapping[str, Pin]) -> bytes:
    files = {file: asdict(pin) for file, pin in sorted(pins.items())}
    return (json.dumps({"checksum": sha256_of(files), "files": files}, indent=1) + "\n").encode()


def _corrupt(path: Path) -> DataError:
    return DataError(
        f"{path}: the pinned hashes are corrupt; delete the file to accept what comes next"
    )
