"""A run directory: one record per job, its predictions beside it, one writer at a time.

    DIR/store.json               the store's schema version
    DIR/lock                     held by the writing process; the operating system frees it on death
    DIR/records/<key>.json       what became of one job, with a checksum over the rest of the file
    DIR/predictions/<key>.npz    its per-example predictions, with their hash in the record

A record's name is the key of its job, a hash of all that determines its result
(experiments/planning/jobs.py). Asking by key therefore never returns another experiment's result.

Predictions are written before their record, and the record commits both: predictions without a
record are the leftovers of a killed writer, and the next one removes them.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from simclr_bench.errors import DataError, StoreError
from simclr_bench.storage.files import make_directory, sync_directory, write_atomically
from simclr_bench.storage.locks import locked

if TYPE_CHECKING:  # numpy is loaded only where arrays are: reading records takes less time
    import numpy as np

SCHEMA_VERSION = 2

Status = Literal["done", "diverged", "failed"]

# A record's first line; its checksum is that of the rest, as if it began with the brace alone.
CHECKSUM = re.compile(rb'\{"sha256": "([0-9a-f]{64})",\n')

# Only names that this module gives are ever removed: --out may be a folder with other files.
PREDICTIONS = re.compile(r"([0-9a-f]{24})\.npz")
UNFINISHED = re.compile(r"\.[0-9a-f]{24}\.(json|npz)\.\w+")
UNFINISHED_MARKER = re.compile(r"\.store\.json\.\w+")


@dataclass(frozen=True, kw_only=True)
class Record:
    """What became of one job.

    Attributes:
        key: Hash of all that determines the outcome.
        job: What was asked for: kind, data set, seed, every resolved hyper-parameter.
        status: "done", "diverged" (its loss was not finite; the same on every try) or "failed".
        reason: Why it is not done; empty if it is.
        metrics: What was measured, computed from the predictions alone.
        details: What the predictions do not say: the data, the loss curve.
        predictions: Name and SHA-256 of the predictions' file, or None.
        environment: Versions, hardware, commit.
        started: UTC, ISO 8601.
        seconds: Wall-clock time.
    """

    key: str
    job: dict[str, Any]
    status: Status
    reason: str
    metrics: dict[str, Any]
    details: dict[str, Any]
    predictions: dict[str, str] | None
    environment: dict[str, Any]
    started: str
    seconds: float


class RunDirectory:
    """The records of a run directory. Reading needs no lock: files appear whole."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records = path / "records"
        self.predictions = path / "predictions"
        self._marker = path / "store.json"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Creates the directory if needed, holds it against other processes, and tidies up.

        Raises:
            DataError: The directory cannot be made or written to.
            StoreError: Another process holds it, or another version wrote it.
        """
        _make(self.path)
        with locked(self.path / "lock", busy=self._busy, remedy="give another --out") as lock:
            if self._marker.exists():
                self.check_version()
            else:
                marker = json.dumps({"schema_version": SCHEMA_VERSION})
                write_atomically(self._marker, marker.encode())
            lock.seek(0)
            lock.truncate()
            lock.write(f"pid {os.getpid()}")
            lock.flush()
            _make(self.records)
            _make(self.predictions)
            for leftover in self.leftovers():
                leftover.unlink(missing_ok=True)
            yield

    def _busy(self, holder: str) -> StoreError:
        return StoreError(
            f"{self.path}: held by another process ({holder or 'unknown'}); wait for it or give"
            " another --out"
        )

    def check_version(self) -> None:
        """Makes sure that this version of the store wrote the directory.

        Raises:
            DataError: It is no run directory.
            StoreError: Another version wrote it.
        """
        try:
            version = json.loads(self._marker.read_bytes())["schema_version"]
            if type(version) is not int or version < 1:
                raise ValueError(version)
        except FileNotFoundError as error:
            raise DataError(
                f"{self.path}: is no run directory (it has no store.json); name one that"
                " reproduce or transfer made"
            ) from error
        except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
            raise DataError(
                f"{self._marker}: does not parse; restore it or give another --out"
            ) from error
        if version != SCHEMA_VERSION:
            upgrade = "upgrade simclr-bench or " if version > SCHEMA_VERSION else ""
            raise StoreError(
                f"{self.path}: written with store schema {version}, this version knows"
                f" {SCHEMA_VERSION}; {upgrade}give another --out"
            )

    def leftovers(self) -> list[Path]:
        """What a killed writer left: half-written files, and predictions without a record."""
        found = [path for path in listed(self.path) if UNFINISHED_MARKER.fullmatch(path.name)]
        for directory in (self.records, self.predictions):
            found += [path for path in listed(directory) if UNFINISHED.fullmatch(path.name)]
        for path in listed(self.predictions):
            name = PREDICTIONS.fullmatch(path.name)
            if name and not self._record_path(name[1]).exists():
                found.append(path)
        return sorted(found)

    def read(self, key: str) -> Record | None:
        """The record of a job, or None if that job has none here.

        Raises:
            DataError: The file is there but is not what was written.
        """
        path = self._record_path(key)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({_why(error)})") from error
        first = CHECKSUM.match(data)
        if first is None:
            raise _corrupt(path, "does not parse")
        body = b"{\n" + data[first.end() :]
        if hashlib.sha256(body).hexdigest().encode() != first[1]:
            raise _corrupt(path, "its checksum differs")
        try:
            record = Record(**json.loads(body))
        except (ValueError, TypeError, RecursionError) as error:
            raise _corrupt(path, "does not parse") from error
        if record.key != key:
            raise _corrupt(path, "it is another job's record")
        return record

    def read_all(self) -> list[Record]:
        """Every record, by key.

        Raises:
            DataError: It is no run directory, or a record is not what was written.
            StoreError: Another version wrote it.
        """
        self.check_version()
        keys = [path.stem for path in listed(self.records) if path.suffix == ".json"]
        # None: a failed job's record may go at any time, when the job is tried again.
        return [record for key in keys if (record := self.read(key)) is not None]

    def read_arrays(self, record: Record) -> "dict[str, np.ndarray]":
        """The predictions that a record commits; none if its job is not done.

        Raises:
            DataError: The file is missing, or not what was written.
        """
        from simclr_bench.results.predictions import decode_arrays

        if record.predictions is None:
            return {}
        path = self._predictions_path(record.key)
        remedy = f"delete {self._record_path(record.key)} and run the command again"
        if record.predictions.get("file") != path.name:
            raise DataError(f"{path}: its record names another file; {remedy}")
        try:
            data = path.read_bytes()
        except OSError as error:
            raise DataError(
                f"{path}: the predictions cannot be read ({_why(error)}); {remedy}"
            ) from error
        if hashlib.sha256(data).hexdigest() != record.predictions.get("sha256"):
            raise DataError(f"{path}: the predictions are corrupt (their hash differs); {remedy}")
        try:
            return decode_arrays(data)
        except Exception as error:  # numpy and zipfile raise a dozen types
            raise DataError(f"{path}: the predictions do not parse ({error}); {remedy}") from error

    def write(self, record: Record, arrays: "Mapping[str, np.ndarray] | None") -> Record:
        """Adds a record, or replaces that of a failed try; it is on disk when this returns.

        Args:
            record: The record; its `predictions` are filled in here.
            arrays: Per-example predictions, or None if there are none.

        Returns:
            The record as written.

        Raises:
            DataError: The disk refuses.
        """
        path = self._record_path(record.key)
        predictions = None
        if arrays is not None:
            from simclr_bench.results.predictions import encode_arrays

            data = encode_arrays(arrays)
            if path.exists():  # else a kill between the two files leaves new ones beside an old one
                path.unlink()
                sync_directory(self.records)
            beside = self._predictions_path(record.key)
            write_atomically(beside, data)
            predictions = {"file": beside.name, "sha256": hashlib.sha256(data).hexdigest()}
        written = replace(record, predictions=predictions)
        fields = asdict(written).items()
        lines = [f" {json.dumps(name)}: {json.dumps(v, allow_nan=False)}" for name, v in fields]
        rest = ",\n".join(lines) + "\n}\n"
        checksum = hashlib.sha256(f"{{\n{rest}".encode()).hexdigest()
        write_atomically(path, f'{{"sha256": "{checksum}",\n{rest}'.encode())
        return written

    def _record_path(self, key: str) -> Path:
        return self.records / f"{key}.json"

    def _predictions_path(self, key: str) -> Path:
        return self.predictions / f"{key}.npz"


def listed(directory: Path) -> list[Path]:
    """What is in a directory, by name; nothing if it does not exist.

    Raises:
        DataError: It cannot be read.
    """
    try:
        return sorted(directory.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise DataError(f"{directory}: cannot be read ({_why(error)})") from error


def _make(path: Path) -> None:
    make_directory(path, "the run directory", "give another --out")


def _why(error: OSError) -> str:
    return os.strerror(error.errno or 0)


def _corrupt(path: Path, how: str) -> DataError:
    return DataError(f"{path}: the record is corrupt ({how}); delete it and run the command again")
