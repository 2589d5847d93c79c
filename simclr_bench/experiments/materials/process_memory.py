"""What memory a process of the paper profile needs, by the largest data set that it may get."""

from collections.abc import Sequence

from simclr_bench.experiments.planning.jobs import Job
from simclr_bench.experiments.planning.resolve import Sources

FEATURES = 2048  # of ResNet-50; the bases have no more

# A feature of a training image in memory: of both encoders and a stream in float32, and a converged
# fit's copies in float32 and float64.
BYTES_PER_FEATURE = 40
PROCESS_BYTES = 2 * 2**30  # torch, a network, views in the making


def process_memory(jobs: Sequence[Job], sources: Sources) -> int:
    """Bytes that one process needs at most.

    Args:
        jobs: At least one.
        sources: Sizes of the data sets.
    """
    largest = max(sources.sets[job.dataset].train_images or 0 for job in jobs)
    return PROCESS_BYTES + BYTES_PER_FEATURE * FEATURES * largest
