"""A data set and an encoder so small that a whole job takes milliseconds."""

from functools import cache
from typing import Any

import torch

from simclr_bench.data.augment import center_view
from simclr_bench.data.images import ImageSet
from simclr_bench.experiments.execution.features import Bench
from simclr_bench.experiments.execution.inputs import LoadedData, Networks
from simclr_bench.experiments.planning.jobs import Job
from simclr_bench.networks.small_residual import (
    IMAGE_SIZE,
    Encoder,
    EncoderShape,
    freeze,
    initialize,
)

CLASSES = 7
TRAIN, HELDOUT = 30, 9  # images of each class

HEAD = {
    "augment": ["crop", "flip"],
    "framing": "center",
    "color_strength": 0.3,
    "batch_size": 64,
    "iterations": 8,
    "learning_rate": 0.1,
    "momentum": 0.9,
    "weight_decay": 0.0,
    "head_initialization": "glorot_uniform",
    "single_pass": False,
    "class_count": None,
    "threads": 1,
    "seed": 0,
}
CONVERGED = {
    "weights": "pretrained",
    "penalty": 0.01,
    "fraction": 0.8,
    "class_count": None,
    "threads": 1,
    "seed": 0,
}


def tiny_set(per_class: int, seed: int, *, stacked: bool) -> ImageSet:
    """Noise about a color of each class's own; not class by class."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(CLASSES).repeat(per_class)
    colors = torch.rand(CLASSES, 3, 1, 1, generator=torch.Generator().manual_seed(9))
    noise = torch.rand(len(labels), 3, 24, 28, generator=generator)
    images = (0.42 * colors[labels] + 0.58 * noise).mul(255).to(torch.uint8)
    names = tuple(f"class {number}" for number in range(CLASSES))
    if stacked:
        return ImageSet(images, labels, names)
    # Every third image is of another size.
    sizes = [(20, 26) if position % 3 == 0 else (24, 28) for position in range(len(labels))]
    cut = [image[:, :h, :w] for image, (h, w) in zip(images, sizes, strict=True)]
    return ImageSet(cut, labels, names)


@cache
def tiny_encoder(seed: int) -> Encoder:
    """Random weights; batch norms know the images, or all features would be nearly alike."""
    encoder = Encoder(EncoderShape(stem=8, widths=(16, 32), strides=(2, 2)))
    initialize(encoder, torch.Generator().manual_seed(seed))
    views = center_view(tiny_set(TRAIN, 0, stacked=True).images, size=IMAGE_SIZE)
    with torch.no_grad():
        for _ in range(10):
            encoder.train()(views)
    return freeze(encoder)


def tiny_data(name: str) -> LoadedData:
    """A set of this name; "listed" has images of two sizes."""
    seed = sum(name.encode())
    train, heldout = (
        tiny_set(count, seed + shift, stacked=name != "listed")
        for shift, count in ((0, TRAIN), (1, HELDOUT))
    )
    return LoadedData(train, heldout, {"train_images": len(train), "split": "invented"})


def tiny_bench(workers: int = 0) -> Bench:
    return Bench(tiny_networks(), tiny_data, workers)


def tiny_networks() -> Networks:
    return Networks(
        encoder=tiny_encoder(0), untrained=lambda _: tiny_encoder(1), base=lambda _: tiny_encoder(2)
    )


def job(kind: str, dataset: str = "stacked", **changes: Any) -> Job:
    settings = {"head": HEAD, "converged": CONVERGED}[kind]
    return Job(
        kind=kind,
        profile="embedded",
        dataset=dataset,
        classes=CLASSES,
        settings={**settings, **changes},
        inputs={},
    )
