"""Hashes of files that nobody publishes a hash of: those of the first that proved right.

    pins.json     {"checksum": of the rest, "files": {name: {"sha256", "bytes", "url", "official"}}}

A file is pinned once what is in it was checked by other means. From then on it is expected to have
these bytes, wherever it comes from; but what its publisher sent may replace what somebody had.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from simclr_bench.errors import DataError
from simclr_bench.storage.files import make_directory, sha256_of, write_atomically
from simclr_bench.storage.locks import locked


@dataclass(frozen=True, kw_only=True)
class Pin:
    """A file as it was first seen.

    Attributes:
        sha256: Of its bytes, in hex.
        bytes: How many.
        url: Where it was fetched, after redirects, or None.
        official: Whether it came from its publisher.
    """

    sha256: str
    bytes: int
    url: str | None
    official: bool


def read_pins(path: Path) -> dict[str, Pin]:
    """What files are expected to be, by name; empty where nothing was ever pinned.

    Args:
        path: The file of pins.

    Raises:
        DataError: It is damaged.
    """
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise DataError(f"{path}: the pinned hashes cannot be read ({error.strerror})") from error
    try:
        pins = {name: Pin(**pin) for name, pin in json.loads(data)["files"].items()}
        # A byte between the values counts too: a file is what was written, or it is not.
        sound = _rendered(pins) == data
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise _damaged(path) from error
    if not sound:
        raise _damaged(path)
    return pins


def add_pins(path: Path, seen: Mapping[str, Pin]) -> None:
    """Records what files are, beside what is known of others.

    Args:
        path: The file of pins, made where there is none.
        seen: By name. The first pin stays, unless only the new one is official.

    Raises:
        DataError: A file was pinned as another one, and nothing is changed; or the pins are
            damaged, or cannot be written.
    """
    elsewhere = "set SIMCLR_BENCH_CACHE to another"
    make_directory(path.parent, "the directory of pins", elsewhere)
    with locked(path.with_name(f".{path.name}.lock"), remedy=elsewhere):
        pins = read_pins(path)
        for name, new in seen.items():
            known = pins.setdefault(name, new)
            if new.official and not known.official:
                pins[name] = new
            elif new.sha256 != known.sha256:
                origin = f" from {known.url}" if known.url else ""
                raise DataError(
                    f"{name}: has SHA-256 {new.sha256}, and {known.sha256} when it was first"
                    f" seen{origin}; if the new one is right, delete {path}"
                )
        write_atomically(path, _rendered(pins))


def _rendered(pins: Mapping[str, Pin]) -> bytes:
    files = {name: asdict(pin) for name, pin in sorted(pins.items())}
    return (json.dumps({"checksum": sha256_of(files), "files": files}, indent=1) + "\n").encode()


def _damaged(path: Path) -> DataError:
    return DataError(
        f"{path}: the pinned hashes are corrupt; delete the file to accept what comes next"
    )
