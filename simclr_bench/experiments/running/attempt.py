"""One try at a job: whatever happens becomes a status, so that the other jobs go on."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from simclr_bench.errors import SimclrBenchError
from simclr_bench.experiments.execution.outcome import Outcome
from simclr_bench.experiments.planning.jobs import Job
from simclr_bench.results.store import Status
from simclr_bench.storage.files import canonical_json

Execute = Callable[[Job], Outcome]
Measure = Callable[[str, Mapping[str, np.ndarray]], dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """What became of one try; the fields are those of its record."""

    status: Status
    reason: str = ""
    metrics: dict[str, Any] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, np.ndarray] | None = None
    started: str
    seconds: float


def attempt(job: Job, execute: Execute, measure: Measure) -> Attempt:
    """Executes a job and computes its metrics.

    Args:
        job: The job.
        execute: Executes it.
        measure: Computes the metrics of a kind of job from its arrays.

    Returns:
        "done"; "diverged" after a FloatingPointError; "failed" after any other exception.

    Raises:
        SimclrBenchError: What is wrong is not the job: every other one would fail too.
    """
    started, clock = datetime.now(UTC).isoformat(timespec="seconds"), time.monotonic()

    def elapsed() -> float:
        return round(time.monotonic() - clock, 3)

    try:
        outcome = execute(job)
        metrics = measure(job.kind, outcome.arrays)
        canonical_json([metrics, outcome.details])  # a record could not hold a NaN
    except SimclrBenchError:
        raise
    except FloatingPointError as error:
        return Attempt(
            status="diverged", reason=_one_line(error), started=started, seconds=elapsed()
        )
    except Exception as error:
        reason = f"{type(error).__name__}: {_one_line(error)}".removesuffix(": ")
        return Attempt(status="failed", reason=reason, started=started, seconds=elapsed())
    return Attempt(
        status="done",
        metrics=metrics,
        details=outcome.details,
        arrays=outcome.arrays,
        started=started,
        seconds=elapsed(),
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
