"""Conversion of official checkpoints: read in a process that has TensorFlow, checked, transposed.

torch and TensorFlow never share a process, and need not share an environment: the reading program
runs under any interpreter that has TensorFlow, and hands the variables over in a file.
"""

import glob
import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from simclr_bench.errors import DataError, UsageError
from simclr_bench.networks.shapes import ResNetShape
from simclr_bench.storage.files import file_sha256
from simclr_bench.weights.tensorflow.names import DROPPED, dropped, match_variables, translate
from simclr_bench.weights.tensorflow.read_checkpoint import NO_TENSORFLOW, UNREADABLE

if TYPE_CHECKING:
    from torch import Tensor

PROGRAM = Path(__file__).with_name("read_checkpoint.py")

REMEDY = (
    "install the extra: pip install 'simclr-bench[convert]', "
    "or name an interpreter that has it: --python PATH"
)


@dataclass(frozen=True, kw_only=True)
class Converted:
    """What a checkpoint holds.

    Attributes:
        state: Tensors named encoder.*, projection.* and classifier.*, the last two if it has them.
        shape: The network.
        global_step: Steps that it was trained for; None if it does not say.
        files: SHA-256 by name of the files that it was read from.
        dropped: How many variables were left out, by what they are.
        tensorflow: The version of TensorFlow that read it.
    """

    state: "dict[str, Tensor]"
    shape: ResNetShape
    global_step: int | None
    files: dict[str, str]
    dropped: dict[str, int]
    tensorflow: str


def convert_checkpoint(
    prefix: Path, shape: ResNetShape | None = None, *, python: Path | None = None
) -> Converted:
    """Reads a TensorFlow checkpoint of SimCLR, v1 or v2.

    Args:
        prefix: Prefix of its files, one of these, or the directory of one checkpoint.
        shape: The network that it must hold; None: whichever it holds.
        python: An interpreter that has TensorFlow; None: this one.

    Raises:
        UsageError: There is no such interpreter.
        DataError: No checkpoint, no TensorFlow, a damaged file, or variables that do not make the
            network.
    """
    prefix, files = find_checkpoint(prefix)
    hashes = {path.name: file_sha256(path) for path in files}
    with tempfile.TemporaryDirectory(prefix="simclr-bench-") as directory:
        unpacked = Path(directory) / "variables.npz"
        report = _read(prefix, unpacked, python or Path(sys.executable))
        shapes = {name: tuple(size) for name, size in report["shapes"].items()}
        held, variables = match_variables(shapes, shape, str(prefix))
        with np.load(unpacked) as arrays:
            state = translate(variables, arrays, str(prefix))
    import torch

    return Converted(
        state={name: torch.from_numpy(array) for name, array in state.items()},
        shape=held,
        global_step=report["global_step"],
        files=hashes,
        dropped={what: len(names) for what, names in dropped(shapes).items()},
        tensorflow=report["tensorflow"],
    )


def find_checkpoint(path: Path) -> tuple[Path, list[Path]]:
    """Finds the files of a checkpoint.

    Args:
        path: Prefix of its files, one of these, or a directory: of one checkpoint, or of a
            SavedModel or hub module of TensorFlow 1.

    Returns:
        The prefix, and its index and data files.

    Raises:
        DataError: There is none, more than one, or one that lacks files.
    """
    if path.is_dir():
        indices = sorted(path.glob("*.index")) or sorted(path.glob("variables/*.index"))
        if len(indices) != 1:
            found = ", ".join(index.name for index in indices) or "none"
            raise DataError(f"{path}: wanted the files of one checkpoint, got {found}")
        path = indices[0]
    name = re.sub(r"\.(index|meta|data-\d{5}-of-\d{5})$", "", path.name)
    prefix = path.with_name(name)
    index = path.with_name(f"{name}.index")
    data = sorted(Path(found) for found in glob.glob(f"{glob.escape(str(prefix))}.data-*-of-*"))
    if not index.is_file():
        raise DataError(f"{prefix}: no checkpoint of TensorFlow 1: {index.name} is not there")
    total = int(data[0].name[-5:]) if data else 1
    if len(data) != total:
        raise DataError(
            f"{prefix}: wanted {total} files {name}.data-*-of-{total:05} beside {index.name}, "
            f"got {len(data)}"
        )
    return prefix, [index, *data]


def _read(prefix: Path, target: Path, python: Path) -> dict[str, Any]:
    """Runs the reading program, which writes the target, and returns its report."""
    try:
        done = subprocess.run(
            [python, PROGRAM, prefix, target, *DROPPED],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise UsageError(f"--python {python}: cannot be run ({reason})") from error
    last = next(reversed(done.stderr.strip().splitlines()), "no message")
    if done.returncode == NO_TENSORFLOW:
        raise DataError(f"{python} has no TensorFlow, which reads checkpoints; {REMEDY}")
    if done.returncode == UNREADABLE:
        raise DataError(f"{prefix}: {last}")
    if done.returncode:
        raise DataError(f"{prefix}: reading it ended with exit code {done.returncode}: {last}")
    try:
        report: dict[str, Any] = json.loads(next(reversed(done.stdout.strip().splitlines())))
    except (StopIteration, ValueError) as error:
        raise UsageError(f"--python {python}: is no Python interpreter") from error
    return report
