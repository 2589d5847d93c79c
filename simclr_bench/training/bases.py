"""The student bases of the embedded profile: networks trained here with labels, then frozen.

    "resnet50"   stands for a small residual network, exactly the teacher's architecture
    "vgg16"      stands for a small plain network

Both see the same images in the same order with the same crops and flips, for as many steps of the
same AdamW: cross-entropy over procedural classes of their own. The input is normalized per channel
by the mean and standard deviation of the training images, which the base keeps ("native"); whoever
feeds the body plain images in [0, 1] feeds it what it was not trained on ("simclr").

Everything that determines the weights is in `BaseRecipe`: equal recipes give the same bits on the
same machine.
"""

import math
from collections.abc import Callable, Iterator
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from simclr_bench.data.augment import training_views
from simclr_bench.data.base_classes import base_classes
from simclr_bench.data.images import ImageSet
from simclr_bench.data.randomness import permutation
from simclr_bench.networks.shapes import EncoderShape, PlainShape
from simclr_bench.networks.small_plain import PlainNetwork
from simclr_bench.networks.small_residual import IMAGE_SIZE, Encoder, initialize
from simclr_bench.training.base_recipe import BaseRecipe
from simclr_bench.training.optimization import adamw, fixed_threads, warmup_cosine

Normalization = Literal["native", "simclr"]
Progress = Callable[[int, int, float], None]


class Base(nn.Module):
    """A student's base: a network, and the constants by which its input is normalized.

    Args:
        shape: Of a residual or a plain network.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, shape: EncoderShape | PlainShape) -> None:
        super().__init__()
        self.body = PlainNetwork(shape) if isinstance(shape, PlainShape) else Encoder(shape)
        self.register_buffer("mean", torch.zeros(3, 1, 1))
        self.register_buffer("std", torch.ones(3, 1, 1))

    def forward(self, images: Tensor, normalization: Normalization = "native") -> Tensor:
        """float32 images in [0, 1], [B, 3, 32, 32] -> representations [B, features]"""
        if normalization == "native":
            images = (images - self.mean) / self.std
        representations: Tensor = self.body(images)
        return representations


def train_base(
    recipe: BaseRecipe, data: ImageSet | None = None, *, progress: Progress | None = None
) -> Base:
    """Train a base with labels.

    Args:
        recipe: The hyper-parameters.
        data: The training images; by default those of the recipe's classes.
        progress: Called after each step with steps done, steps in all and the loss in nats.

    Returns:
        The base, without the classifier that it was trained with.

    Raises:
        ValueError: The images are not as many as the recipe says, or do not fill one batch.
        FloatingPointError: The loss stopped being finite.
    """
    with fixed_threads(recipe.threads):
        data = base_classes(recipe.classes, recipe.per_class) if data is None else data
        _check(recipe, data)
        base, classifier = initial_base(recipe, data)
        network = nn.Sequential(base, classifier).train()
        optimizer = adamw(
            network,
            learning_rate=recipe.learning_rate,
            betas=recipe.betas,
            weight_decay=recipe.weight_decay,
        )
        for step, (views, labels) in enumerate(_batches(recipe, data)):
            for group in optimizer.param_groups:
                group["lr"] = warmup_cosine(
                    step,
                    steps=recipe.steps,
                    warmup=recipe.warmup_epochs * recipe.steps / recipe.epochs,
                    peak=recipe.learning_rate,
                )
            loss = F.cross_entropy(network(views), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            value = loss.item()
            if not math.isfinite(value):
                raise FloatingPointError(f"train_base: loss became {value} at step {step + 1}")
            if progress is not None:
                progress(step + 1, recipe.steps, value)
    return base.eval()


def initial_base(recipe: BaseRecipe, data: ImageSet) -> tuple[Base, nn.Linear]:
    """A base and its classifier before the first step, the normalization constants included.

    Args:
        recipe: The hyper-parameters.
        data: The training images.
    """
    generator = torch.Generator().manual_seed(recipe.seed)
    base = Base(recipe.shape)
    classifier = nn.Linear(recipe.shape.features, recipe.classes)
    for part in (base, classifier):
        initialize(part, generator)
    pixels = torch.stack(list(data.images)).double() / 255
    std, mean = torch.std_mean(pixels, dim=(0, 2, 3), correction=0)
    base.mean.copy_(mean[:, None, None])
    base.std.copy_(std[:, None, None].clamp(min=1e-3))
    return base, classifier


def _batches(recipe: BaseRecipe, data: ImageSet) -> Iterator[tuple[Tensor, Tensor]]:
    images = torch.stack(list(data.images))
    for epoch in range(recipe.epochs):
        order = permutation(len(data), recipe.seed, epoch, "student bases: order")
        for start in range(0, len(data) - recipe.batch_size + 1, recipe.batch_size):
            index = order[start : start + recipe.batch_size]
            chosen = torch.from_numpy(index)
            views = training_views(
                images[chosen],
                index,
                seed=recipe.seed,
                epoch=epoch,
                size=IMAGE_SIZE,
                augment=("crop", "flip"),
                operation="student bases",
                area_range=(recipe.smallest_crop, 1.0),
                min_coverage=recipe.smallest_crop,
            )
            yield views, data.labels[chosen]


def _check(recipe: BaseRecipe, data: ImageSet) -> None:
    wanted = recipe.classes * recipe.per_class
    if len(data) != wanted:
        raise ValueError(f"train_base: data must hold {wanted} images, got {len(data)}")
    if not 1 < recipe.batch_size <= wanted:
        raise ValueError(
            f"train_base: batch_size must be in 2 .. {wanted}, got {recipe.batch_size}"
        )
