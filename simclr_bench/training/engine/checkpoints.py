"""Checkpoints: one file each, which appears whole, says what is in it and carries its own hash.

    step-00000120.<SHA-256>.safetensors      tensors, and in the header a JSON text of the rest

The hash is that of the file. A file whose bytes do not have it is corrupt, and is named and
refused: whoever trains on from older steps without being told would not know what happened. A kill
while one is written leaves a file of another name, which the next writer removes; then the one
before counts.
"""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simclr_bench.errors import DataError
from simclr_bench.storage.files import canonical_json, sync_directory

if TYPE_CHECKING:
    from torch import Tensor

NAME = re.compile(r"step-(\d{8,})\.([0-9a-f]{64})\.safetensors")
UNFINISHED = ".unfinished.safetensors"
# What a kill leaves in a training's directory; the second is where safetensors writes at first.
LEFT = re.compile(
    r"\.unfinished\.safetensors|\.tmp[0-9A-Za-z]{6}|\.(run|result|weights)\.(json|safetensors)\.\w+"
)
PART = 1 << 22  # bytes that are hashed at once
REMEDY = "delete it to continue from the one before (or from the start), or give another --out"


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """Everything that the next step depends on.

    Attributes:
        step: Steps taken.
        tensors: Parameters, buffers and the optimizer's slots, by name.
        rest: What is not a tensor; JSON.
    """

    step: int
    tensors: "dict[str, Tensor]"
    rest: dict[str, Any]


def write_checkpoint(directory: Path, checkpoint: Checkpoint, *, keep: int) -> Path:
    """Adds a checkpoint, then removes all but the last `keep`; it is on disk when this returns.

    Raises:
        DataError: The disk refuses; earlier checkpoints are as they were.
    """
    from safetensors.torch import save_file

    unfinished = directory / UNFINISHED
    rest = {"step": checkpoint.step, **checkpoint.rest}
    try:
        # First to the host: a GPU that is full has no room for a second copy in another layout.
        tensors = {name: t.detach().cpu().contiguous() for name, t in checkpoint.tensors.items()}
        save_file(tensors, unfinished, metadata={"rest": canonical_json(rest)})
        unfinished.chmod(0o644)
        with unfinished.open("rb+") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            os.fsync(file.fileno())
        path = directory / f"step-{checkpoint.step:08d}.{digest}.safetensors"
        os.replace(unfinished, path)
        sync_directory(directory)
    except Exception as error:  # safetensors has an error of its own for a full disk
        unfinished.unlink(missing_ok=True)
        why = os.strerror(error.errno or 0) if isinstance(error, OSError) else str(error)
        raise DataError(
            f"{directory}: a checkpoint cannot be written ({why}); make room and run the same"
            " command again: the one before is kept"
        ) from error
    for old in _listed(directory)[:-keep]:
        old.unlink(missing_ok=True)
    return path


def read_newest(directory: Path) -> Checkpoint | None:
    """The newest checkpoint, or None if there is none.

    Raises:
        DataError: It is not what was written.
    """
    from safetensors import SafetensorError, safe_open

    paths = _listed(directory)
    if not paths:
        return None
    path = paths[-1]
    named = NAME.fullmatch(path.name)
    assert named is not None
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({os.strerror(error.errno or 0)})") from error
    if digest != named[2]:
        raise DataError(f"{path}: the checkpoint is corrupt (its SHA-256 differs); {REMEDY}")
    try:
        with safe_open(path, "pt") as opened:
            rest: dict[str, Any] = json.loads(opened.metadata()["rest"])
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: the checkpoint does not parse ({error}); {REMEDY}") from error
    step = rest.pop("step")
    if step != int(named[1]):
        raise DataError(f"{path}: holds step {step}, not that of its name; {REMEDY}")
    return Checkpoint(step=step, tensors=tensors, rest=rest)


def remove_unfinished(directory: Path) -> None:
    """Removes what killed writers left, which may be as large as a checkpoint each time."""
    for path in directory.iterdir():
        if LEFT.fullmatch(path.name):
            path.unlink(missing_ok=True)


def _listed(directory: Path) -> list[Path]:
    """Checkpoints by step."""
    named = [(m, path) for path in directory.iterdir() if (m := NAME.fullmatch(path.name))]
    return [path for _, path in sorted(named, key=lambda found: (int(found[0][1]), found[1].name))]


def differences(before: Mapping[str, Any], now: Mapping[str, Any], inside: str = "") -> list[str]:
    """What differs between two JSON objects, in words: "recipe.epochs: 100 before, 200 now"."""
    found = []
    for key in dict.fromkeys([*before, *now]):
        old, new, name = before.get(key), now.get(key), f"{inside}{key}"
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            found += differences(old, new, f"{name}.")
        elif old != new:
            found.append(f"{name}: {_short(old)} before, {_short(new)} now")
    return found


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return f"{text[:12]}..." if len(text) > 40 else text
