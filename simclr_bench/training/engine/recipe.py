"""What a training of a whole network is told: numbers and words only, so that a plan can show them.

The schedule is that of the official code, in steps of which the first has rate 0:

    warm-up    rate k / w at step k < w                  w = round(warm-up epochs · N // B)
    then       rate (1 + cos(pi (k - w) / (T - w))) / 2  T = N · epochs // B + 1
    rate       learning rate · B / 256 (linear) or · sqrt(B)

Source: google-research/simclr, model_util.py (learning_rate_schedule, get_train_steps).
"""

import math
from dataclasses import dataclass
from typing import Literal

Optimizer = Literal["lars", "sgd", "adamw"]
Scaling = Literal["linear", "sqrt", "none"]
Precision = Literal["float32", "bfloat16", "float16"]

OPTIMIZERS: tuple[Optimizer, ...] = ("lars", "sgd", "adamw")
SCALINGS: tuple[Scaling, ...] = ("linear", "sqrt", "none")
PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16", "float16")


@dataclass(frozen=True, kw_only=True)
class Optimization:
    """How a network is trained, whatever its loss.

    Attributes:
        epochs: Passes over the images.
        batch_size: Images in a batch, over all processes.
        optimizer: "lars" as the official code has it, "sgd" with Nesterov's momentum, or "adamw".
        learning_rate: Before scaling.
        scaling: By the batch size: "linear", "sqrt" or "none".
        warmup_epochs: Passes in which the rate rises from 0.
        momentum: Of LARS and SGD.
        weight_decay: Of LARS and AdamW outside biases and batch norms; of SGD outside batch norms.
        precision: In which the network runs; parameters and loss are float32.
        seed: Draws the initial weights, the order of the images and their views.
    """

    epochs: int
    batch_size: int
    optimizer: Optimizer
    learning_rate: float
    scaling: Scaling
    warmup_epochs: float
    momentum: float
    weight_decay: float
    precision: Precision
    seed: int


def total_steps(optimization: Optimization, images: int) -> int:
    """Optimizer steps of a training on this many images."""
    return images * optimization.epochs // optimization.batch_size + 1


def warmup_steps(optimization: Optimization, images: int) -> int:
    """Steps in which the rate rises from 0."""
    return round(optimization.warmup_epochs * images // optimization.batch_size)


def peak_rate(optimization: Optimization) -> float:
    """The learning rate after scaling."""
    scales = {
        "linear": optimization.batch_size / 256,
        "sqrt": math.sqrt(optimization.batch_size),
        "none": 1.0,
    }
    return optimization.learning_rate * scales[optimization.scaling]


def rate_at(optimization: Optimization, images: int, step: int) -> float:
    """The learning rate of one step.

    Args:
        optimization: How the network is trained.
        images: Images in a pass.
        step: Steps already taken.
    """
    peak, warmup = peak_rate(optimization), warmup_steps(optimization, images)
    if step < warmup:
        return peak * step / warmup
    # A warm-up that fills the training leaves no step for the cosine.
    span = max(total_steps(optimization, images) - warmup, 1)
    return peak * 0.5 * (1 + math.cos(math.pi * min((step - warmup) / span, 1.0)))
