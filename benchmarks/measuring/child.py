"""A provider in a cell, in a process of its own: `python -m MODULE PROVIDER CELL`, CELL as JSON."""

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from benchmarks.grid.cells import LossCell

ROOT = Path(__file__).resolve().parents[2]


def run(
    module: str, provider: str, cell: LossCell, limit_s: float | None = None
) -> subprocess.CompletedProcess[str]:
    """What the module's process printed once it has ended.

    Raises:
        subprocess.TimeoutExpired: It took longer than the limit, and was killed.
    """
    command = [sys.executable, "-m", module, provider, json.dumps(asdict(cell))]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=limit_s)


def failure(code: int, err: str) -> str:
    """Why there is nothing of a process that failed, for a record."""
    last = (err.strip().splitlines() or [f"exit code {code}"])[-1]
    return f"failed: {last}"


def asked() -> tuple[str, LossCell]:
    """In such a process: the provider and cell of its command line."""
    return sys.argv[1], LossCell(**json.loads(sys.argv[2]))
