"""What files hold, before it is installed: their hashes checked, their tensors in our names.

A TensorFlow checkpoint is converted by `tensorflow/`, a checkpoint of another library by
`foreign.py`. Neither is read before its bytes are known to be what they must be.
"""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from simclr_bench.errors import DataError, UsageError
from simclr_bench.networks.shapes import ResNetShape
from simclr_bench.storage.files import file_sha256
from simclr_bench.storage.pins import Pin
from simclr_bench.weights.catalog import WEIGHTS, WeightsEntry
from simclr_bench.weights.file import Provenance, State, shape_fields, writing_versions
from simclr_bench.weights.foreign import read_foreign
from simclr_bench.weights.pins import check_files


@dataclass(frozen=True, kw_only=True)
class Content:
    """What files turned out to hold.

    Attributes:
        state: In our names.
        shape: Of a provenance.
        normalization: Of a provenance.
        versions: Of packages that read them, beside the usual.
        notes: Words.
    """

    state: State
    shape: dict[str, object]
    normalization: str
    versions: dict[str, str]
    notes: list[str]


def read_without_installing(path: Path) -> tuple[State, Provenance]:
    """Reads a checkpoint of another library where it lies.

    Raises:
        DataError: It is not readable, or is named as published weights and has another hash.
    """
    sha256 = file_sha256(path)
    published = {file.name: file.sha256 for entry in WEIGHTS.values() for file in entry.files}
    wanted = published.get(path.name) or sha256
    if sha256 != wanted:
        raise DataError(f"{path}: SHA-256 must be {wanted} for this name, got {sha256}")
    content = read_other(path)
    same = [entry for entry in WEIGHTS.values() if entry.files[0].sha256 == sha256]
    origin = {
        "kind": "file",
        "url": same[0].url if same else None,
        "files": {path.name: sha256},
        "official": bool(same),
    }
    return content.state, replace(provenance_of(str(path), content, origin), sha256=sha256)


def is_tensorflow(source: Path) -> bool:
    """Whether a path names a checkpoint of TensorFlow: its prefix, a file of it, or its folder."""
    named = re.search(r"\.(index|meta|data-\d{5}-of-\d{5})$", source.name)
    return bool(named) or source.is_dir() or Path(f"{source}.index").is_file()


def require_tensorflow(python: Path | None) -> None:
    """Refuses an interpreter without TensorFlow, before anything is downloaded for it.

    Raises:
        UsageError: There is no such interpreter.
        DataError: It has no TensorFlow.
    """
    from simclr_bench.weights.tensorflow.convert import REMEDY

    interpreter = python or Path(sys.executable)
    program = "import importlib.util; print(importlib.util.find_spec('tensorflow') is not None)"
    try:
        done = subprocess.run(
            [interpreter, "-c", program], capture_output=True, stdin=subprocess.DEVNULL
        )
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise UsageError(f"--python {interpreter}: cannot be run ({reason})") from error
    answer = done.stdout.strip()
    if answer not in (b"True", b"False"):
        raise UsageError(f"--python {interpreter}: is no Python interpreter")
    if answer == b"False":
        raise DataError(f"{interpreter} has no TensorFlow, which reads checkpoints; {REMEDY}")


def read_tensorflow(
    source: Path, name: str, shape: ResNetShape | None, python: Path | None
) -> tuple[dict[str, Pin], Content]:
    """Reads a TensorFlow checkpoint of SimCLR.

    Args:
        source: Its prefix, a file of it, or its folder.
        name: That the weights are to have: of published ones, which these then must be, or another.
        shape: What it must hold; None: whatever it holds.
        python: An interpreter that has TensorFlow; None: this one.

    Returns:
        Its files by name, and what they hold.

    Raises:
        DataError: Files are missing, corrupt, or not what they must be; no TensorFlow.
    """
    from simclr_bench.weights.tensorflow.convert import convert_checkpoint, find_checkpoint

    entry = WEIGHTS.get(name)
    wanted = entry.shape if entry and isinstance(entry.shape, ResNetShape) else shape
    prefix, files = find_checkpoint(source)
    # Before TensorFlow reads them: a corrupt file is named as such.
    pins = check_files(name, {file.name: file for file in files})
    converted = convert_checkpoint(prefix, wanted, python=python)
    if converted.files != {file: pin.sha256 for file, pin in pins.items()}:
        raise DataError(f"{prefix}: its files changed while they were read")
    if entry and converted.global_step != entry.step:
        raise DataError(
            f"{prefix}: global_step must be {entry.step} for {name}, got {converted.global_step}"
        )
    notes = [f"{count} variables left out: {what}" for what, count in converted.dropped.items()]
    return pins, Content(
        state=converted.state,
        shape=asdict(converted.shape),
        normalization="unit",
        versions={"tensorflow": converted.tensorflow},
        notes=[f"global_step {converted.global_step}", *notes],
    )


def read_other(path: Path) -> Content:
    """Reads a checkpoint of lightly, solo-learn, VISSL or torchvision, its bytes checked before.

    Raises:
        DataError: It cannot be read, or holds no network that is known.
    """
    foreign = read_foreign(path)
    return Content(
        state=foreign.state,
        shape=shape_fields(foreign.shape),
        normalization="imagenet",
        versions={},
        notes=[f"names of {foreign.library}", *(f"left out: {what}" for what in foreign.dropped)],
    )


def demand_shape(entry: WeightsEntry, content: Content, source: Path) -> None:
    """Refuses files that hold another network than the published weights that they should be.

    Raises:
        DataError: They do.
    """
    wanted = shape_fields(entry.shape)
    if content.shape != wanted:
        raise DataError(
            f"{source}: {entry.name} must be {wanted}, got {content.shape}; give it another --name"
        )


def provenance_of(name: str, content: Content, origin: Mapping[str, Any]) -> Provenance:
    """The provenance of what was read, as far as it is known before it is written."""
    return Provenance(
        name=name,
        shape=content.shape,
        normalization=content.normalization,
        origin=dict(origin),
        parts=[],
        versions={**writing_versions(), **content.versions},
        notes=content.notes,
    )
