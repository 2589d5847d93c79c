"""Hashes of files that nobody publishes a hash of: those of the first that proved right.

    CACHE/pins.json     {name: {"sha256": ..., "bytes": ..., "url": ...}}

A file is pinned once what is in it was checked by other means. From then on it is expected to have
these bytes, wherever it is fetched again.
"""

import fcntl
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from simclr_bench.errors import DataError
from simclr_bench.storage.cache import cache_directory
from simclr_bench.storage.files import make_directory, write_atomically


@dataclass(frozen=True, kw_only=True)
class Pin:
    """A file as it was first seen: SHA-256 in hex, length, and where it came from, if known."""

    sha256: str
    bytes: int
    url: str | None


def pins_path() -> Path:
    """The file that holds all pins."""
    return cache_directory() / "pins.json"


def read_pin(name: str) -> Pin | None:
    """What a file is expected to be, or None if it was never pinned.

    Raises:
        DataError: The file of pins is damaged.
    """
    return _read().get(name)


def pin(name: str, seen: Pin) -> None:
    """Records what a file is.

    Raises:
        DataError: It was pinned as another one; nothing is changed.
    """
    path = pins_path()
    make_directory(path.parent, "the cache", "set SIMCLR_BENCH_CACHE to another")
    with path.with_name(f".{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        pins = _read()
        known = pins.setdefault(name, seen)
        if known.sha256 != seen.sha256:
            raise DataError(
                f"{name}: has SHA-256 {seen.sha256}, and {known.sha256} when it was first fetched"
                f" (from {known.url}); if the new one is right, remove it from {path}"
            )
        text = json.dumps({key: asdict(pins[key]) for key in sorted(pins)}, indent=2)
        write_atomically(path, text.encode())


def _read() -> dict[str, Pin]:
    path = pins_path()
    try:
        stored = json.loads(path.read_bytes())
        return {
            name: Pin(sha256=str(pin["sha256"]), bytes=int(pin["bytes"]), url=pin["url"])
            for name, pin in stored.items()
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: the pins cannot be read ({error}); mend or remove it") from error
