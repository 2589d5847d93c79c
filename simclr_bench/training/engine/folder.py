"""The directory of a training: what it is of, its checkpoints, its log of losses.

    DIR/run.json               what determines the training; another training is refused
    DIR/lock                   held by the process that writes; freed by its death
    DIR/checkpoints/           see checkpoints.py
    DIR/losses.jsonl           a line for each step: its loss and rate; no times in it
    DIR/times.jsonl            a line for each stretch of a run: when, how many steps, how long

The log is written ahead of the checkpoint that counts its lines. What a killed run wrote after its
last checkpoint is cut off when the training continues, so that in the end the log is, byte for
byte, that of a run that nobody killed.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from simclr_bench.errors import DataError, StoreError, UsageError
from simclr_bench.storage.files import canonical_json, make_directory, write_atomically
from simclr_bench.storage.locks import locked
from simclr_bench.training.engine.checkpoints import (
    Checkpoint,
    differences,
    remove_unfinished,
    write_checkpoint,
)

KEPT = 2


class TrainingFolder:
    """A training's directory, held against other processes.

    Args:
        path: The directory.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoints = path / "checkpoints"
        self._log = path / "losses.jsonl"
        self._hash = hashlib.sha256()
        self._written = 0

    @contextmanager
    def held(self, identity: Mapping[str, Any]) -> Iterator[None]:
        """Creates the directory if needed and holds it.

        Args:
            identity: What determines the training; JSON.

        Raises:
            DataError: The directory cannot be made or written to.
            StoreError: Another process holds it.
            UsageError: It is another training's.
        """
        make_directory(self.checkpoints, "the training's directory", "give another --out")
        with locked(self.path / "lock", busy=self._busy, remedy="give another --out"):
            self._claim(identity)
            remove_unfinished(self.checkpoints)
            remove_unfinished(self.path)
            yield

    def _busy(self, _: str) -> StoreError:
        return StoreError(
            f"{self.path}: held by another process; wait for it or give another --out"
        )

    def continue_from(self, checkpoint: Checkpoint | None) -> None:
        """Cuts the log to the steps of a checkpoint, or to none.

        Raises:
            DataError: The log is not the one that the checkpoint belongs to.
        """
        wanted: dict[str, Any] = {"bytes": 0, "sha256": self._hash.hexdigest()}
        if checkpoint is not None:
            wanted = checkpoint.rest["log"]
        try:
            with self._log.open("ab+") as file:
                file.seek(0)
                kept = file.read(wanted["bytes"])
                if hashlib.sha256(kept).hexdigest() != wanted["sha256"]:
                    raise DataError(
                        f"{self._log}: is not the log of the checkpoints beside it (its SHA-256"
                        " differs); restore it, or give another --out"
                    )
                file.truncate(len(kept))
        except OSError as error:
            raise _refused(self._log, error) from error
        self._hash, self._written = hashlib.sha256(kept), len(kept)

    def log(self, line: Mapping[str, Any]) -> None:
        """Adds a step to the log.

        Raises:
            DataError: The disk refuses.
        """
        data = (json.dumps(line) + "\n").encode()
        try:
            with self._log.open("ab") as file:
                file.write(data)
        except OSError as error:
            raise _refused(self._log, error) from error
        self._hash.update(data)
        self._written += len(data)

    def save(self, checkpoint: Checkpoint) -> None:
        """Writes a checkpoint that counts the log as it is now.

        Raises:
            DataError: The disk refuses; earlier checkpoints are as they were.
        """
        try:
            with self._log.open("ab") as file:
                os.fsync(file.fileno())
        except OSError as error:
            raise _refused(self._log, error) from error
        log = {"bytes": self._written, "sha256": self._hash.hexdigest()}
        counted = Checkpoint(
            step=checkpoint.step,
            tensors=checkpoint.tensors,
            rest={**checkpoint.rest, "log": log},
        )
        write_checkpoint(self.checkpoints, counted, keep=KEPT)

    def note_time(self, first: int, last: int, seconds: float) -> None:
        """Adds how long a stretch of steps took, which nothing depends on."""
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        line = {"until": now, "from": first, "to": last, "seconds": round(seconds, 3)}
        with suppress(OSError), (self.path / "times.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")

    def losses(self) -> list[float]:
        """The losses of the log as it is now, in nats.

        Raises:
            DataError: It is missing, or was not written here.
        """
        try:
            return [float(json.loads(line)["loss"]) for line in self._log.read_bytes().splitlines()]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{self._log}: is missing or does not parse, and the weights beside it are sound;"
                " restore it, or give another --out"
            ) from error

    def _claim(self, identity: Mapping[str, Any]) -> None:
        path = self.path / "run.json"
        # Through JSON, so that a tuple is not another thing than the list it comes back as.
        now = json.loads(canonical_json(identity))
        try:
            before = json.loads(path.read_bytes())
            if not isinstance(before, dict):
                raise ValueError(before)
        except FileNotFoundError:
            if any(self.checkpoints.glob("step-*")):
                raise DataError(
                    f"{path}: is missing beside checkpoints; restore it or give another --out"
                ) from None
            write_atomically(path, (json.dumps(now, indent=1, sort_keys=True) + "\n").encode())
            return
        except (OSError, ValueError) as error:
            raise DataError(f"{path}: does not parse; restore it or give another --out") from error
        if found := differences(before, now):
            raise UsageError(
                f"{self.path}: holds another training ({'; '.join(found)}); give another --out, or"
                " the arguments, images and version it was begun with"
            )


def _refused(path: Path, error: OSError) -> DataError:
    return DataError(f"{path}: cannot be written ({os.strerror(error.errno or 0)})")
