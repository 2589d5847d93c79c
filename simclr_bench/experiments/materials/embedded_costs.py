"""What jobs of the embedded profile cost, in views through its encoder."""

import time
from collections.abc import Sequence

from simclr_bench.experiments.materials.bases import EmbeddedBase
from simclr_bench.experiments.materials.encoders import RECIPE, EmbeddedEncoder
from simclr_bench.experiments.materials.interface import Costs
from simclr_bench.experiments.planning.estimate import RECORD_BYTES, streamed_views
from simclr_bench.experiments.planning.jobs import Job
from simclr_bench.training.encoder_cache import encoder_paths

# Views of the probe: one block of a stream.
PROBED = 320

# In views through the encoder, rounded, from the times of one `reproduce --all` on two cores: what
# training costs for a view (3.4 the encoder, 6 the bases), a converged fit, and a student's epoch.
TRAINING_VIEW = 4
CONVERGED_FIT = 1500
STUDENT_EPOCH = 110

# What a job predicts: at most, before compression.
PREDICTION_BYTES = {"head": 24_000, "converged": 6000, "student": 250_000}

# Clean training and held-out images, which every process looks at once per data set; start-up.
CLEAN_VIEWS = 4000
START_UP_SECONDS = 5.0


def embedded_costs(jobs: Sequence[Job], processes: int) -> Costs:
    """What these jobs cost, and the networks that they miss.

    Args:
        jobs: At least one.
        processes: Jobs at a time.
    """
    made = {"encoder": (EmbeddedEncoder().key, RECIPE.epochs * RECIPE.pool * 2)}
    for name in sorted({job.settings["student"] for job in jobs if job.kind == "student"}):
        base = EmbeddedBase(name)
        images = base.recipe.classes * base.recipe.per_class
        made[f"{name} base"] = (base.key, base.recipe.epochs * images)
    missing = {n: views for n, (key, views) in made.items() if not encoder_paths(key)[1].exists()}
    views = float(streamed_views(jobs))
    views += sum(STUDENT_EPOCH * job.settings["epochs"] for job in jobs if job.kind == "student")
    views += sum(CONVERGED_FIT for job in jobs if job.kind == "converged")
    views = views / processes + len({job.dataset for job in jobs}) * CLEAN_VIEWS
    views += sum(missing.values()) * TRAINING_VIEW / 2  # their recipes use two threads
    return Costs(
        seconds=START_UP_SECONDS + views * _seconds_per_view(),
        record_bytes=sum(RECORD_BYTES + PREDICTION_BYTES[job.kind] for job in jobs),
        to_make=tuple(missing),
    )


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
