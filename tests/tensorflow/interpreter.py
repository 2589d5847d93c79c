"""The environment that has TensorFlow, and how a program runs in it.

torch and TensorFlow never share a process: a test hands arrays over in a file and gets arrays back.
"""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
VARIABLE = "SIMCLR_BENCH_TENSORFLOW"
PROGRAMS = Path(__file__).parent / "programs"

# Silence is golden: one warning of its C++ side would look like a failure.
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}


def find_python() -> Path | None:
    """The interpreter: $SIMCLR_BENCH_TENSORFLOW, or that of `make tensorflow`, if it is there."""
    chosen = os.environ.get(VARIABLE)
    path = Path(chosen) if chosen else ROOT / ".venv-tensorflow" / "bin" / "python"
    return path if path.exists() else None


def run_program(
    name: str, directory: Path, inputs: Mapping[str, np.ndarray], *words: str
) -> dict[str, np.ndarray]:
    """Runs a program of `programs/` under TensorFlow.

    Args:
        name: Its file, without suffix. It reads argv[1], an npz file, and writes argv[2], another.
        directory: Where both files go.
        inputs: What it reads.
        words: Further arguments.

    Returns:
        What it wrote.

    Raises:
        RuntimeError: It failed; the text ends with what it printed.
    """
    given, made = directory / f"{name}-inputs.npz", directory / f"{name}-outputs.npz"
    np.savez(given, **inputs)  # type: ignore[arg-type]
    python = find_python()
    assert python is not None, "no TensorFlow here: `make tensorflow`"
    done = subprocess.run(
        [python, PROGRAMS / f"{name}.py", given, made, *words],
        capture_output=True,
        text=True,
        env={**os.environ, **QUIET},
    )
    if done.returncode:
        raise RuntimeError(f"{name}.py ended with {done.returncode}:\n{done.stderr[-3000:]}")
    with np.load(made) as arrays:
        return dict(arrays)
