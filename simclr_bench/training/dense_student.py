"""The trainable part of a distilled student: dense layers on the features of a frozen base.

    logits = dense layers (features)       ReLU between them; kernels Glorot-uniform, biases zero
    loss   = T^2 · CE(softmax(teacher / T), softmax(student / T))      or, as a control, CE(labels)

Every epoch walks through the training images in a seeded order of its own, in batches of which the
last may be short, and sees each image in one of its fixed views: epoch e in view e mod views. The
teacher's logits are those of that very view. After each epoch the held-out images are classified.

    "sgd"     torch.optim.SGD: heavy ball, weight decay on kernels and biases alike
    "lars"    training/lars.py: decay and trust ratio on kernels, biases excluded from both

Source: google-research/simclr, colabs/distillation_self_training.ipynb, for the loss and LARS.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from simclr_bench.data.randomness import permutation
from simclr_bench.losses import distillation_loss
from simclr_bench.training.lars import LARS
from simclr_bench.training.notebook_probe import glorot_uniform

PART = 250  # held-out images that are classified at once

LearnsFrom = Literal["teacher", "labels"]
Optimizer = Literal["sgd", "lars"]


@dataclass(frozen=True, kw_only=True)
class StudentSettings:
    """What determines a student's training, given the features.

    Attributes:
        learns_from: "teacher" for its logits alone, "labels" for the true labels alone.
        widths: Outputs of each hidden dense layer; empty for a linear student.
        batch_size: Images in a batch.
        epochs: Passes over the training images.
        learning_rate: Constant.
        momentum: Of the heavy ball, without dampening and without Nesterov's correction.
        weight_decay: See the module for what it applies to.
        temperature: T of the distillation loss; unused with labels.
        optimizer: "sgd" or "lars".
        seed: Draws the kernels and the order of each epoch.
    """

    learns_from: LearnsFrom
    widths: tuple[int, ...]
    batch_size: int
    epochs: int
    learning_rate: float
    momentum: float
    weight_decay: float
    temperature: float
    optimizer: Optimizer
    seed: int


@dataclass(frozen=True, kw_only=True)
class StudentHistory:
    """How a training went.

    Attributes:
        predictions: Top-1 class of each held-out image after each epoch. [epochs, m]
        losses: Mean loss over the images of each epoch, before their updates, in nats. [epochs]
        parameters: Number of trained parameters.
    """

    predictions: NDArray[np.int64]
    losses: tuple[float, ...]
    parameters: int


@torch.inference_mode(False)  # callers may be inside it, and training needs gradients
def train_dense_student(
    features: Tensor,
    teacher_logits: Tensor,
    labels: Tensor,
    heldout: Tensor,
    settings: StudentSettings,
) -> StudentHistory:
    """Trains dense layers on the base's features of fixed views.

    Args:
        features: Features of the training images in each view, float32. [views, n, F]
        teacher_logits: The teacher's logits of the same views, float32. [views, n, C]
        labels: Class of each training image. [n]
        heldout: Features of the held-out images. [m, F]
        settings: How to train.

    Returns:
        The history; the layers themselves are not kept.

    Raises:
        ValueError: The shapes do not belong together.
        FloatingPointError: A loss, or a logit of a held-out image, is not finite.
    """
    _check(features, teacher_logits, labels, heldout)
    views, n, width = features.shape
    kernels, biases = _layers((width, *settings.widths, teacher_logits.shape[2]), settings.seed)
    optimizer = _optimizer(kernels, biases, settings)
    predictions, losses = [], []
    for epoch in range(settings.epochs):
        order = torch.from_numpy(permutation(n, settings.seed, epoch, "student: order"))
        total = 0.0
        for step, index in enumerate(order.split(settings.batch_size)):
            student = _logits(features[epoch % views].index_select(0, index), kernels, biases)
            if settings.learns_from == "teacher":
                teacher = teacher_logits[epoch % views].index_select(0, index)
                loss = distillation_loss(student, teacher, temperature=settings.temperature)
            else:
                loss = F.cross_entropy(student, labels.index_select(0, index))
            value = loss.item()
            if not math.isfinite(value):
                raise FloatingPointError(
                    f"the loss became {value} at epoch {epoch + 1}, step {step + 1}"
                )
            total += value * len(index)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        losses.append(total / n)
        predictions.append(_classify(heldout, kernels, biases, epoch))
    return StudentHistory(
        predictions=np.stack(predictions),
        losses=tuple(losses),
        parameters=sum(tensor.numel() for tensor in (*kernels, *biases)),
    )


def _layers(widths: Sequence[int], seed: int) -> tuple[list[Tensor], list[Tensor]]:
    """Kernels and biases of dense layers with these numbers of inputs and outputs."""
    kernels = [
        glorot_uniform(inputs, outputs, seed, f"student: dense {layer}").requires_grad_()
        for layer, (inputs, outputs) in enumerate(pairwise(widths))
    ]
    return kernels, [torch.zeros(kernel.shape[1], requires_grad=True) for kernel in kernels]


def _logits(x: Tensor, kernels: list[Tensor], biases: list[Tensor]) -> Tensor:
    """[B, F] -> [B, C]"""
    for kernel, bias in zip(kernels[:-1], biases[:-1], strict=True):
        x = torch.addmm(bias, x, kernel).relu_()
    return torch.addmm(biases[-1], x, kernels[-1])


def _optimizer(
    kernels: list[Tensor], biases: list[Tensor], settings: StudentSettings
) -> torch.optim.Optimizer:
    rate, momentum, decay = settings.learning_rate, settings.momentum, settings.weight_decay
    if settings.optimizer == "lars":
        groups: list[dict[str, Any]] = [
            {"params": kernels},
            {"params": biases, "excluded": True},
        ]
        return LARS(groups, lr=rate, momentum=momentum, weight_decay=decay)
    return torch.optim.SGD([*kernels, *biases], lr=rate, momentum=momentum, weight_decay=decay)


@torch.no_grad()
def _classify(
    heldout: Tensor, kernels: list[Tensor], biases: list[Tensor], epoch: int
) -> NDArray[np.int64]:
    """[m, F] -> [m]"""
    # In parts whose hidden layer stays in the cache: three times as fast.
    parts = heldout.split(PART)
    logits = torch.cat([_logits(part, kernels, biases) for part in parts])
    # The last update of an epoch may have ruined the weights, and no loss has seen them yet.
    if not logits.isfinite().all():
        raise FloatingPointError(f"a held-out logit is not finite after epoch {epoch + 1}")
    return logits.argmax(dim=1).numpy()


def _check(features: Tensor, teacher_logits: Tensor, labels: Tensor, heldout: Tensor) -> None:
    if features.ndim != 3 or 0 in features.shape:
        raise ValueError(
            f"train_dense_student: features must be [views, n, F], got {list(features.shape)}"
        )
    views, n, width = features.shape
    for name, wanted, as_wanted in (
        ("teacher_logits", f"[{views}, {n}, C]", teacher_logits.shape[:2] == (views, n)),
        ("labels", f"[{n}]", labels.shape == (n,)),
        ("heldout", f"[m, {width}]", heldout.ndim == 2 and heldout.shape[1] == width),
    ):
        if not as_wanted:
            raise ValueError(f"train_dense_student: {name} must be {wanted}")
