"""A look at weights: what they are, whether their bytes and their network are what they were."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simclr_bench.errors import DataError
from simclr_bench.storage.pins import read_pins
from simclr_bench.weights.build import build_encoder, check_against_golden
from simclr_bench.weights.file import (
    Provenance,
    State,
    description_path,
    part_of,
    read_provenance,
    read_safetensors,
    read_weights,
)
from simclr_bench.weights.library import find_weights
from simclr_bench.weights.pins import PINS
from simclr_bench.weights.source import is_tensorflow, read_without_installing
from simclr_bench.weights.strict import COUNTER

# Tensors that are no parameters: what batch norms have counted.
STATISTICS = (".running_mean", ".running_var", COUNTER)


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What was found.

    Attributes:
        path: Of the file.
        ours: Whether it is in our format; if not, it has no stored hash and no golden values.
        provenance: What is said of it, or None where that cannot be read.
        parameters: Trainable ones of each part.
        golden: The largest deviation from the golden values, as a share of the tolerance; None
            where there are none.
        faults: One line each.
    """

    path: Path
    ours: bool
    provenance: Provenance | None
    parameters: dict[str, int]
    golden: float | None
    faults: list[str]


def inspect_weights(name_or_path: str) -> Inspection:
    """Reads weights, checks every hash, builds the network and runs the golden images.

    Args:
        name_or_path: A name of the library, one of our files, or a checkpoint of another library.

    Raises:
        DataError: There is no such file. What is wrong with one that is there is a fault.
    """
    given = Path(name_or_path)
    if name_or_path and is_tensorflow(given):
        raise DataError(f"{given}: a TensorFlow checkpoint; `weights convert` reads it")
    path = find_weights(name_or_path)
    ours = path.suffix == ".safetensors" and description_path(path).is_file()
    provenance, state, golden = None, None, None
    faults: list[str] = []
    if ours:
        with _noting(faults):
            read_pins(path.with_name(PINS))
        with _noting(faults):
            provenance = read_provenance(path)
        with _noting(faults):
            state, provenance = read_weights(path) if provenance else (read_safetensors(path), None)
    else:
        with _noting(faults):
            state, provenance = read_without_installing(path)
    if state is not None and provenance is not None:
        with _noting(faults):
            loaded = build_encoder(state, provenance, str(path))
            share = check_against_golden(loaded, str(path))
            golden = share if provenance.golden else None
    return Inspection(
        path=path,
        ours=ours,
        provenance=provenance,
        parameters=_parameters(state or {}),
        golden=golden,
        faults=faults,
    )


def as_json(inspection: Inspection) -> dict[str, Any]:
    """What was found, as a JSON object."""
    provenance = inspection.provenance
    return {
        "path": str(inspection.path),
        "format": "simclr-bench" if inspection.ours else "other",
        "name": provenance.name if provenance else None,
        "shape": provenance.shape if provenance else None,
        "normalization": provenance.normalization if provenance else None,
        "parameters": inspection.parameters,
        "origin": provenance.origin if provenance else None,
        "sha256": (provenance.sha256 or None) if provenance else None,
        "versions": provenance.versions if provenance else None,
        "notes": provenance.notes if provenance else [],
        "golden": inspection.golden,
        "faults": inspection.faults,
    }


@contextmanager
def _noting(faults: list[str]) -> Iterator[None]:
    try:
        yield
    except DataError as error:
        faults.append(str(error))


def _parameters(state: State) -> dict[str, int]:
    counts = {}
    for part in dict.fromkeys(name.partition(".")[0] for name in state):
        tensors = part_of(state, part)
        counts[part] = sum(t.numel() for n, t in tensors.items() if not n.endswith(STATISTICS))
    return counts
