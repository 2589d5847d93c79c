"""DIR/plan.json: what a run directory was last asked for.

Records alone do not say which table wanted them: one job may serve several.
"""

import json
import os
from pathlib import Path
from typing import Any

from simclr_bench.errors import DataError
from simclr_bench.experiments.planning.jobs import Plan, read_plan
from simclr_bench.storage.files import sha256_of, write_atomically

NAME = "plan.json"


def write_plan(directory: Path, plan: Plan, margin: float) -> None:
    """Keeps a plan; the directory must be held.

    Args:
        directory: The run directory.
        plan: What was asked for.
        margin: The difference that matters to its verdicts.
    """
    content: dict[str, Any] = {"margin": margin, **plan.as_dict()}
    content["sha256"] = sha256_of(content)
    write_atomically(directory / NAME, json.dumps(content, indent=1).encode())


def load_plan(directory: Path) -> tuple[Plan, float]:
    """The plan and the margin that a run directory was last asked for.

    Raises:
        DataError: There is none, or it is corrupt.
    """
    path = directory / NAME
    try:
        content = json.loads(path.read_bytes())
        stated = content.pop("sha256")
        intact = sha256_of(content) == stated
        margin = content.pop("margin")
        plan = read_plan(content)
    except FileNotFoundError:
        raise DataError(
            f"{directory}: no run is here; give another with --out, or run"
            f" `simclr-bench reproduce --all --out {directory}`"
        ) from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({os.strerror(error.errno or 0)})") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _corrupt(path, "does not parse") from error
    if not intact:
        raise _corrupt(path, "its checksum differs")
    return plan, margin


def _corrupt(path: Path, how: str) -> DataError:
    return DataError(f"{path}: corrupt ({how}); run the same command again, which writes it anew")
