"""Weights on disk: tensors in safetensors, and beside them where they came from.

    NAME.safetensors     the tensors: encoder.*, projection.*, classifier.{weight,bias}
    NAME.json            the provenance, with the SHA-256 of the other file and of itself

The JSON file is written last: tensors without it are those of a conversion that was stopped. Every
reader checks the SHA-256 of the tensors and every byte of the JSON file, so that a flipped bit
anywhere is an error that names the file.

Torch is imported where tensors are read or written, not here.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import simclr_bench
from simclr_bench.errors import DataError
from simclr_bench.networks.shapes import ResNetShape
from simclr_bench.storage.files import (
    file_sha256,
    make_directory,
    sha256_of,
    sync_directory,
    write_atomically,
)

if TYPE_CHECKING:
    from torch import Tensor

State = dict[str, "Tensor"]

SCHEMA = 1
PARTS = ("encoder", "projection", "classifier")

# The one network whose shape is not a ResNetShape.
VGG16 = {"torchvision": "vgg16"}


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What weights are, and where they came from.

    Attributes:
        name: In the library, or of the file.
        shape: Fields of a ResNetShape, or {"torchvision": "vgg16"}.
        normalization: "unit" or "imagenet": what the network wants of images in [0, 1].
        origin: {"kind": "fetched" | "file" | "trained" | "random", "url": canonical address or
            None, "files": {name: SHA-256 of what was read}, "official": whether they are the
            publisher's own}.
        parts: Which of encoder, projection and classifier are there.
        classifier_after: Layers of the projection head between h and the classifier.
        golden: What `golden.py` measured when they were written, or None.
        sha256: Of the safetensors file; of a checkpoint that was read where it lies, of that.
        versions: Of the packages that wrote it.
        notes: Words: what was dropped, what is known.
    """

    name: str
    shape: dict[str, Any]
    normalization: str
    origin: dict[str, Any]
    parts: list[str]
    classifier_after: int = 0
    golden: dict[str, Any] | None = None
    sha256: str = ""
    versions: dict[str, str]
    notes: list[str]

    @property
    def resnet_shape(self) -> ResNetShape | None:
        """The network's shape, or None for VGG16."""
        return None if self.shape == VGG16 else ResNetShape(**self.shape)

    @property
    def architecture(self) -> str:
        """The network in one word."""
        shape = self.resnet_shape
        return shape.name if shape else "vgg16"

    @property
    def official(self) -> bool:
        """Whether these are the publisher's own weights."""
        return bool(self.origin["official"])


def shape_fields(shape: ResNetShape | str) -> dict[str, Any]:
    """A shape as a provenance has it."""
    return asdict(shape) if isinstance(shape, ResNetShape) else dict(VGG16)


def present_parts(state: Mapping[str, "Tensor"]) -> list[str]:
    """Which parts have tensors."""
    found = {name.partition(".")[0] for name in state}
    return [part for part in PARTS if part in found]


def part_of(state: Mapping[str, "Tensor"], part: str) -> State:
    """The tensors of a part, under their names in its network."""
    prefix = f"{part}."
    return {name[len(prefix) :]: t for name, t in state.items() if name.startswith(prefix)}


def writing_versions() -> dict[str, str]:
    """Versions of what writes weights now."""
    packages = {name: version(name) for name in ("torch", "safetensors")}
    return {"simclr_bench": simclr_bench.__version__, **packages}


def description_path(path: Path) -> Path:
    """The JSON file of a safetensors file."""
    return path.with_suffix(".json")


def write_weights(path: Path, state: Mapping[str, "Tensor"], provenance: Provenance) -> Provenance:
    """Writes tensors and their provenance, which appear whole or not at all.

    Args:
        path: NAME.safetensors. What was there before is replaced.
        state: Tensors by name, each of one of the parts.
        provenance: What they are; its `sha256` and `parts` are filled in here.

    Returns:
        The provenance as written.

    Raises:
        ValueError: A tensor belongs to no part, or there is no encoder.
        DataError: The disk refuses.
    """
    parts = present_parts(state)
    strangers = [name for name in state if name.partition(".")[0] not in PARTS]
    if path.suffix != ".safetensors" or strangers or "encoder" not in parts:
        raise ValueError(f"write_weights: {path.name} with parts {parts}, others: {strangers[:3]}")
    make_directory(path.parent, "the weights' directory", "set SIMCLR_BENCH_CACHE to another")
    provenance = replace(provenance, parts=parts, sha256=_write_tensors(path, state))
    write_atomically(description_path(path), _rendered(provenance))
    return provenance


def read_provenance(path: Path) -> Provenance:
    """Reads what is written about a safetensors file, without reading the tensors.

    Args:
        path: NAME.safetensors.

    Raises:
        DataError: It is missing or corrupt.
    """
    description = description_path(path)
    try:
        data = description.read_bytes()
    except OSError as error:
        raise DataError(
            f"{description}: cannot be read ({os.strerror(error.errno or 0)}); `simclr-bench"
            " weights fetch` or `convert` writes it"
        ) from error
    try:
        stated = json.loads(data)
        body = {name: stated[name] for name in sorted(stated.keys() - {"schema", "checksum"})}
        provenance = Provenance(**body)
        sound = stated["schema"] == SCHEMA and stated["checksum"] == sha256_of(body)
        # A byte between the values counts too: a file is what was written, or it is not.
        sound = sound and _rendered(provenance) == data
        sound = sound and _is_valid(provenance)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise _corrupt(description, "does not parse") from error
    if not sound:
        raise _corrupt(description, "its checksum differs")
    return provenance


def check_weights(path: Path) -> Provenance:
    """Reads the provenance and checks the tensors' SHA-256, without loading them.

    Raises:
        DataError: A file is missing or corrupt.
    """
    provenance = read_provenance(path)
    found = file_sha256(path)
    if found != provenance.sha256:
        raise _corrupt(path, f"its SHA-256 is {found}, not {provenance.sha256}")
    return provenance


def read_weights(path: Path) -> tuple[State, Provenance]:
    """Reads tensors back; their SHA-256 is always checked.

    Args:
        path: NAME.safetensors.

    Raises:
        DataError: A file is missing or corrupt.
    """
    provenance = check_weights(path)
    state = read_safetensors(path)
    if present_parts(state) != provenance.parts:
        raise _corrupt(path, f"it holds {present_parts(state)}, not {provenance.parts}")
    return state, provenance


def read_safetensors(path: Path) -> State:
    """The tensors of any safetensors file, mapped rather than copied.

    Raises:
        DataError: It cannot be read as one.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise DataError(f"{path}: not a readable safetensors file ({reason})") from error


def _write_tensors(path: Path, state: Mapping[str, "Tensor"]) -> str:
    """Streams tensors to a file; returns its SHA-256."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    tensors = {key: tensor.detach().contiguous().cpu() for key, tensor in state.items()}
    try:
        temporary.touch()
        mode = temporary.stat().st_mode  # as any new file; safetensors makes it private
        save_file(tensors, temporary, metadata={"format": "pt"})
        temporary.chmod(mode)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        digest = file_sha256(temporary)
        # Without its description the old file counts as unfinished, which it is from here on.
        description_path(path).unlink(missing_ok=True)
        temporary.replace(path)
    except (OSError, SafetensorError) as error:
        reason = str(error).strip().splitlines()[0]
        raise DataError(f"{path}: cannot be written ({reason})") from error
    finally:
        temporary.unlink(missing_ok=True)
    sync_directory(path.parent)
    return digest


def _is_valid(provenance: Provenance) -> bool:
    """Whether a provenance is of the kinds that it is read as; ValueError for no such network."""
    origin, shape = provenance.origin, provenance.resnet_shape
    return (
        isinstance(provenance.name, str)
        and (shape is not None or provenance.shape == VGG16)
        and provenance.normalization in ("unit", "imagenet")
        and isinstance(origin["kind"], str)
        and isinstance(origin["official"], bool)
        and isinstance(origin["url"], str | None)
        and isinstance(origin["files"], dict)
        and isinstance(provenance.classifier_after, int)
        and provenance.classifier_after >= 0
        and isinstance(provenance.golden, dict | None)
        and isinstance(provenance.versions, dict)
        and isinstance(provenance.notes, list)
    )


def _rendered(provenance: Provenance) -> bytes:
    body = {field.name: getattr(provenance, field.name) for field in fields(provenance)}
    stated = {"schema": SCHEMA, "checksum": sha256_of(body), **body}
    return (json.dumps(stated, indent=1, allow_nan=False) + "\n").encode()


def _corrupt(path: Path, how: str) -> DataError:
    return DataError(f"{path}: the weights are corrupt ({how}); fetch or convert them again")
