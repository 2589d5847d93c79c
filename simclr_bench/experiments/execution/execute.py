"""From a job to its outcome, whatever its kind."""

import torch

from simclr_bench.experiments.execution.converged import run_converged
from simclr_bench.experiments.execution.features import Bench
from simclr_bench.experiments.execution.head import run_head
from simclr_bench.experiments.execution.outcome import Outcome
from simclr_bench.experiments.planning.jobs import Job


def execute(job: Job, bench: Bench) -> Outcome:
    """Runs one job with the number of threads that it states.

    Args:
        job: What to run.
        bench: Encoder, images and features.

    Raises:
        ValueError: The kind is unknown, or a setting is outside its range.
        FloatingPointError: The training diverged.
        RuntimeError: A converged probe did not converge.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(job.settings["threads"])
    try:
        if job.kind == "head":
            return run_head(job, bench)
        if job.kind == "converged":
            return run_converged(job, bench)
        if job.kind == "student":
            from simclr_bench.experiments.execution.student import run_student

            return run_student(job, bench)
        raise ValueError(f"execute: kind must be head, converged or student, got {job.kind}")
    finally:
        torch.set_num_threads(threads)
