"""What a run would take: time from a short probe of this machine, and room on disk."""

from collections.abc import Iterable, Set
from dataclasses import dataclass

from simclr_bench.experiments.materials.interface import Materials
from simclr_bench.experiments.planning.jobs import Job, Plan, stream_key

# Of a record, at most, without what its job predicts.
RECORD_BYTES = 8000


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What is left to do.

    Attributes:
        seconds: Wall-clock time, to within a factor of two.
        bytes: Room that records and predictions take, at most.
        to_make: Networks that have to be trained first.
        cache_bytes: Room that features take in the cache.
        memory_bytes: What one process needs, where that is worth a word.
    """

    seconds: float
    bytes: int
    to_make: tuple[str, ...]
    cache_bytes: int = 0
    memory_bytes: int = 0


def estimate(materials: Materials, plan: Plan, left: Set[str], *, processes: int) -> Estimate:
    """Estimates a run.

    Args:
        materials: What the jobs are made from.
        plan: What is wanted.
        left: Keys of the jobs that have no record.
        processes: Jobs at a time.
    """
    jobs = [job for job in plan.jobs if job.key in left]
    if not jobs:
        return Estimate(seconds=0.0, bytes=0, to_make=())
    costs = materials.costs(jobs, processes)
    return Estimate(
        seconds=costs.seconds,
        bytes=costs.record_bytes,
        to_make=costs.to_make,
        cache_bytes=costs.cache_bytes,
        memory_bytes=costs.memory_bytes,
    )


def streamed_views(jobs: Iterable[Job]) -> int:
    """Views in the streams of these jobs' heads and teachers; a shared stream counts once."""
    streams: dict[tuple[str, ...], int] = {}
    for job in jobs:
        match job.kind:
            case "head":
                settings = job.settings
            case "student":
                settings = {**job.settings["teacher"], "seed": job.seed}
            case _:
                continue
        key, length = stream_key(job.dataset, settings), settings["iterations"]
        streams[key] = max(streams.get(key, 0), length * settings["batch_size"])
    return sum(streams.values())
