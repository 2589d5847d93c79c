"""A run directory: one record per finished job, one writer at a time.

    DIR/store.json            the store's schema version
    DIR/lock                  held by the writing process; the operating system frees it on death
    DIR/records/<key>.json    one finished job, with a checksum over the rest of the file

A record's name is the key of its job, and a job's key is a hash of all that determines its result
(experiments/jobs.py). Asking for a job by key therefore never returns another experiment's result.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

from simclr_bench.errors import DataError, StoreError
from simclr_bench.results.files import make_directory, sha256_of, write_atomically

SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Record:
    """One finished job.

    Attributes:
        key: Hash of all that determines the outcome.
        job: What was asked for: kind, row, seed, every resolved hyper-parameter.
        outcome: What was measured, with the counts behind every fraction.
        environment: Versions, hardware, commit.
        started: UTC, ISO 8601.
        seconds: Wall-clock time.
    """

    key: str
    job: dict[str, Any]
    outcome: dict[str, Any]
    environment: dict[str, Any]
    started: str
    seconds: float


class RunDirectory:
    """The records of a run directory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._records = path / "records"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Creates the directory if needed and holds it against other processes.

        Raises:
            DataError: The directory cannot be made or written to.
            StoreError: Another process holds it, or a newer version wrote it.
        """
        for directory in (self.path, self._records):
            make_directory(directory, "the run directory", "give another --out")
        with self._open_lock() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                lock.seek(0)
                holder = lock.read().strip() or "unknown"
                raise StoreError(
                    f"{self.path}: held by another process ({holder}); wait for it or give"
                    " another --out"
                ) from error
            self._check_version()
            lock.seek(0)
            lock.truncate()
            lock.write(f"pid {os.getpid()}")
            lock.flush()
            yield

    def _open_lock(self) -> TextIO:
        path = self.path / "lock"
        try:
            # Not through a link: the pid is written into this file.
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            return os.fdopen(os.open(path, flags, 0o666), "r+", encoding="ascii", errors="replace")
        except OSError as error:
            reason = os.strerror(error.errno or 0)
            raise DataError(f"{path}: cannot be locked ({reason}); give another --out") from error

    def _check_version(self) -> None:
        marker = self.path / "store.json"
        if not marker.exists():
            write_atomically(marker, json.dumps({"schema_version": SCHEMA_VERSION}).encode())
            return
        try:
            version = json.loads(marker.read_bytes())["schema_version"]
            if type(version) is not int or version < 1:
                raise ValueError(version)
        except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
            raise DataError(
                f"{marker}: does not parse; restore it or give another --out"
            ) from error
        if version != SCHEMA_VERSION:
            raise StoreError(
                f"{self.path}: written with store schema {version}, this version knows"
                f" {SCHEMA_VERSION}; upgrade simclr-bench or give another --out"
            )

    def read(self, key: str) -> Record | None:
        """The record of a job, or None if that job has not finished here.

        Raises:
            DataError: The file is there but is not what was written.
        """
        path = self._records / f"{key}.json"
        try:
            text = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({os.strerror(error.errno or 0)})") from error
        try:
            content = json.loads(text)
            checksum = content.pop("sha256")
            record = Record(**content)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise _corrupt(path, "does not parse") from error
        if sha256_of(content) != checksum:
            raise _corrupt(path, "its checksum differs")
        if record.key != key:
            raise _corrupt(path, "it is another job's record")
        return record

    def write(self, record: Record) -> None:
        """Adds a record; it is on disk, whole, when this returns."""
        content = asdict(record)
        content["sha256"] = sha256_of(content)
        text = json.dumps(content, indent=1, allow_nan=False) + "\n"
        write_atomically(self._records / f"{record.key}.json", text.encode())


def _corrupt(path: Path, how: str) -> DataError:
    return DataError(f"{path}: the record is corrupt ({how}); delete it and run the command again")
