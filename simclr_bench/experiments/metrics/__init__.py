"""Metrics: the only place where one is computed, from per-example predictions alone.

A fraction is {"value": correct / n, "correct": correct, "n": n}.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from simclr_bench.experiments.metrics.head import converged_metrics, head_metrics


def metrics_of(kind: str, arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """The metrics of a job's outcome, ready for a record.

    Args:
        kind: Of the job.
        arrays: Its predictions.

    Raises:
        ValueError: The kind is unknown, or the arrays do not fit together.
    """
    if kind == "head":
        return head_metrics(arrays)
    if kind == "converged":
        return converged_metrics(arrays)
    if kind == "student":
        from simclr_bench.experiments.metrics.student import student_metrics

        return student_metrics(arrays)
    raise ValueError(f"metrics_of: kind must be head, converged or student, got {kind}")
