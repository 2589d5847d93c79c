"""What jobs of the paper profile cost, from a probe of this machine: some views, one product."""

import time
from collections.abc import Callable, Sequence
from itertools import pairwise

from simclr_bench.experiments.materials.interface import Costs
from simclr_bench.experiments.materials.process_memory import FEATURES, process_memory
from simclr_bench.experiments.planning.estimate import RECORD_BYTES, streamed_views
from simclr_bench.experiments.planning.jobs import Job
from simclr_bench.experiments.planning.resolve import Sources
from simclr_bench.experiments.settings.tree import NetworkSettings
from simclr_bench.networks.shapes import ResNetShape
from simclr_bench.paper.sizes import TEST

# Views of the probe, of a photograph of usual size.
PROBED, PHOTOGRAPH = 8, (375, 500)

# Passes over the features that a converged fit makes: evaluations of its objective, each of two
# products; twice the number that were counted on embedded features.
EVALUATIONS = 200

START_UP_SECONDS = 10.0


def paper_costs(
    jobs: Sequence[Job], sources: Sources, network: NetworkSettings, device: str, processes: int
) -> Costs:
    """What these jobs cost; features that are kept already are not deducted.

    Args:
        jobs: At least one.
        sources: Sizes of the data sets.
        network: What is shown to the networks.
        device: Where these run.
        processes: Jobs at a time.
    """
    views = _views(jobs, sources)
    per_view, per_product = _probe(network, device)
    # On one GPU processes wait for each other.
    seconds = views * per_view / (processes if device == "cpu" else 1)
    seconds += _products(jobs, sources) * per_product / processes
    return Costs(
        seconds=START_UP_SECONDS + seconds,
        record_bytes=sum(RECORD_BYTES + _predicted(job, sources) for job in jobs),
        cache_bytes=4 * FEATURES * views,
        memory_bytes=process_memory(jobs, sources),
    )


def _views(jobs: Sequence[Job], sources: Sources) -> int:
    """Views that networks look at, each of which is kept."""
    views = streamed_views(jobs)
    clean, fixed = set(), set()
    for job in jobs:
        if job.kind == "student":
            bases = job.settings["student"], job.settings["normalization"]
            fixed |= {(job.dataset, job.settings["views"], name) for name in ("encoder", bases)}
            clean.add((job.dataset, bases))
        clean.add((job.dataset, job.settings.get("weights", "pretrained")))
    views += sum(count * _train_images(sources, dataset) for dataset, count, _ in fixed)
    for dataset, _ in clean:
        views += _train_images(sources, dataset) + _heldout_images(sources, dataset)
    return views


def _predicted(job: Job, sources: Sources) -> int:
    """Bytes of what a job predicts: one for each label and each prediction."""
    settings, heldout = job.settings, _heldout_images(sources, job.dataset)
    if job.kind == "student":
        return (2 + settings["epochs"]) * heldout
    if job.kind == "converged":
        return 2 * heldout
    streamed = settings["iterations"] * settings["batch_size"]
    return 2 * (heldout + _train_images(sources, job.dataset) + streamed)


def _products(jobs: Sequence[Job], sources: Sources) -> float:
    """Multiplications and additions of fits and students, in units of 1e9."""
    total = 0.0
    for job in jobs:
        images, settings = _train_images(sources, job.dataset), job.settings
        if job.kind == "converged":
            images = round(images * settings["fraction"])
            images = images * (settings["class_count"] or job.classes) // job.classes
            classes = settings["class_count"] or job.classes
            # The two products with all axes are in float64, half as fast.
            total += images * FEATURES * (8 * FEATURES + 4 * classes * EVALUATIONS)
        elif job.kind == "student":
            widths = [FEATURES, *settings["widths"], job.classes]
            weights = sum(a * b for a, b in pairwise(widths))
            total += settings["epochs"] * images * 6 * weights
    return total / 1e9


def _heldout_images(sources: Sources, dataset: str) -> int:
    """As published; where nothing is, a fifth of all."""
    return TEST.get(dataset, _train_images(sources, dataset) // 4)


def _train_images(sources: Sources, dataset: str) -> int:
    return sources.sets[dataset].train_images or 0


def _probe(network: NetworkSettings, device: str) -> tuple[float, float]:
    """Seconds for a view through ResNet-50, and for 1e9 operations of a product, on one thread."""
    import numpy as np
    import torch

    from simclr_bench.data.augment import training_views
    from simclr_bench.experiments.execution.extraction import Extractor
    from simclr_bench.weights.build import random_encoder

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        encoder = random_encoder(ResNetShape(), 0).network.to(device)
        extract = Extractor(device=device, precision=network.precision)
        shape = (PROBED, 3, *PHOTOGRAPH)
        images = torch.randint(0, 256, shape, dtype=torch.uint8, device=device)
        matrix = torch.rand(1024, 1024)

        def view() -> None:
            views = training_views(
                images,
                np.arange(PROBED),
                seed=0,
                epoch=0,
                size=network.image_size,
                kernel=network.resize,
                augment=("crop", "flip"),
            )
            extract(encoder, views)

        return _best(view) / PROBED, _best(lambda: matrix @ matrix) / (2 * 1.024**3)
    finally:
        torch.set_num_threads(threads)


def _best(work: Callable[[], object]) -> float:
    times = []
    for _ in range(2):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)
