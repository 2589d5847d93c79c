"""What a run would take: time from a short probe of this machine, and room on disk."""

import time
from collections.abc import Iterable, Set
from dataclasses import dataclass

from simclr_bench.experiments.materials.bases import EmbeddedBase
from simclr_bench.experiments.materials.encoders import RECIPE, EmbeddedEncoder
from simclr_bench.experiments.planning.jobs import Job, Plan, share_key
from simclr_bench.training.encoder_cache import encoder_paths

# Views of the probe: one block of a stream.
PROBED = 320

# In views through the encoder, rounded, from the times of one `reproduce --all` on two cores: what
# training costs for a view (3.4 the encoder, 6 the bases), a converged fit, and a student's epoch.
TRAINING_VIEW = 4
CONVERGED_FIT = 1500
STUDENT_EPOCH = 110

# Clean training and held-out images, which every process looks at once per data set; start-up.
CLEAN_VIEWS = 4000
START_UP_SECONDS = 5.0

# Of a record, and of what a job predicts: both at most, before compression.
RECORD_BYTES = 8000
PREDICTION_BYTES = {"head": 24_000, "converged": 6000, "student": 250_000}


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What is left to do.

    Attributes:
        seconds: Wall-clock time, to within a factor of two.
        bytes: Room that records and predictions take, at most.
        to_make: Networks that have to be trained first.
    """

    seconds: float
    bytes: int
    to_make: tuple[str, ...]


def estimate(plan: Plan, left: Set[str], *, processes: int) -> Estimate:
    """Estimates a run.

    Args:
        plan: What is wanted.
        left: Keys of the jobs that have no record.
        processes: Jobs at a time.
    """
    jobs = [job for job in plan.jobs if job.key in left]
    if not jobs:
        return Estimate(seconds=0.0, bytes=0, to_make=())
    made = {"encoder": (EmbeddedEncoder().key, RECIPE.epochs * RECIPE.pool * 2)}
    for name in sorted({job.settings["student"] for job in jobs if job.kind == "student"}):
        base = EmbeddedBase(name)
        images = base.recipe.classes * base.recipe.per_class
        made[f"{name} base"] = (base.key, base.recipe.epochs * images)
    missing = {n: views for n, (key, views) in made.items() if not encoder_paths(key)[1].exists()}
    datasets = len({job.dataset for job in jobs})
    views = _views_of(jobs) / processes + datasets * CLEAN_VIEWS
    views += sum(missing.values()) * TRAINING_VIEW / 2  # their recipes use two threads
    return Estimate(
        seconds=START_UP_SECONDS + views * _seconds_per_view(),
        bytes=sum(RECORD_BYTES + PREDICTION_BYTES[job.kind] for job in jobs),
        to_make=tuple(missing),
    )


def _views_of(jobs: Iterable[Job]) -> float:
    """What jobs cost, in views through the encoder; jobs that share a stream compute it once."""
    streams: dict[tuple[str, ...], int] = {}
    others = 0
    for job in jobs:
        settings = job.settings
        match job.kind:
            case "head":
                length = settings["iterations"] * settings["batch_size"]
                key = share_key(job)
                streams[key] = max(streams.get(key, 0), length)
            case "student":
                others += STUDENT_EPOCH * settings["epochs"]
            case _:
                others += CONVERGED_FIT
    return sum(streams.values()) + others


def _seconds_per_view() -> float:
    import numpy as np
    import torch

    from simclr_bench.data.augment import crop_and_flip
    from simclr_bench.data.embedded import pretraining_pool
    from simclr_bench.networks.small_residual import IMAGE_SIZE, Encoder, freeze, represent

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        images, index = pretraining_pool(PROBED), np.arange(PROBED)
        encoder = freeze(Encoder(RECIPE.shape).eval())
        best = float("inf")
        for _ in range(3):
            started = time.perf_counter()
            views = crop_and_flip(images, index, seed=0, epoch=0, size=IMAGE_SIZE)
            represent(encoder, [views])
            best = min(best, time.perf_counter() - started)
        return best / PROBED
    finally:
        torch.set_num_threads(threads)
