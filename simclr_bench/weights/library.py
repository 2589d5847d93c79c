"""The weights that are on this machine: one folder each, under a name.

    CACHE/weights/<name>/weights.safetensors    see `file.py`
    CACHE/weights/<name>/weights.json
    CACHE/weights/<name>/pins.json              what it was made from, see `storage/pins.py`
    CACHE/weights/<name>/original/              what was downloaded

Nothing here imports torch.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from simclr_bench.errors import DataError, UsageError
from simclr_bench.storage.cache import cache_directory
from simclr_bench.weights.catalog import WEIGHTS, WeightsEntry
from simclr_bench.weights.file import Provenance, check_weights, read_provenance

FILE, ORIGINAL = "weights.safetensors", "original"

NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)*")


@dataclass(frozen=True, kw_only=True)
class Installed:
    """Weights in the library.

    Attributes:
        name: Theirs.
        path: The safetensors file.
        provenance: What they are, or None if that cannot be read.
        fault: What is wrong with them, or "".
    """

    name: str
    path: Path
    provenance: Provenance | None
    fault: str = ""


def weights_directory() -> Path:
    """Where the library is."""
    return cache_directory() / "weights"


def folder_of(name: str) -> Path:
    """The folder of weights.

    Raises:
        UsageError: The name cannot be one.
    """
    if not NAME.fullmatch(name) or ORIGINAL in name.split("/"):
        raise UsageError(
            f"{name!r} cannot name weights: words of letters, digits, '_', '.' and '-' with '/'"
            " between them"
        )
    return weights_directory() / name


def path_of(name: str) -> Path:
    """The safetensors file of weights, there or not."""
    return folder_of(name) / FILE


def is_installed(name: str) -> bool:
    """Whether weights of this name were written to the end."""
    return path_of(name).with_suffix(".json").is_file()


def installed(*, check: bool = False) -> list[Installed]:
    """Every weights in the library, by name.

    Args:
        check: Whether to check the SHA-256 of the tensors, which reads them all.
    """
    folders = sorted(path.parent for path in weights_directory().rglob("weights.json"))
    return [_installed(folder, check) for folder in folders]


def state_of(entry: WeightsEntry) -> str:
    """What is here of published weights: "missing", "fetched" or "converted"."""
    if is_installed(entry.name):
        return "converted"
    original = folder_of(entry.name) / ORIGINAL
    there = all((original / file.name).is_file() for file in entry.files)
    return "fetched" if there else "missing"


def find_weights(name_or_path: str | Path) -> Path:
    """The file of weights that a user names: in the library, or anywhere.

    Raises:
        DataError: There is none; the error says what gets it.
    """
    name, path = str(name_or_path), Path(name_or_path)
    named = isinstance(name_or_path, str) and NAME.fullmatch(name)
    if named and is_installed(name):
        return path_of(name)
    if path.is_file():
        return path
    if name in WEIGHTS:
        raise DataError(f"{name}: not here yet; `simclr-bench weights fetch {name}` gets it")
    raise DataError(
        f"{name}: neither weights of the library nor a file; `simclr-bench weights list` names them"
    )


def _installed(folder: Path, check: bool) -> Installed:
    name, path = folder.relative_to(weights_directory()).as_posix(), folder / FILE
    try:
        provenance = check_weights(path) if check else read_provenance(path)
    except DataError as error:
        return Installed(name=name, path=path, provenance=None, fault=str(error))
    missing = "" if path.is_file() else f"{path}: missing; fetch or convert the weights again"
    return Installed(name=name, path=path, provenance=provenance, fault=missing)
