"""Jobs of kind "student": a teacher of the job's seed distilled into dense layers on a frozen base.

The teacher is the pretrained encoder under a head that the notebook's loop trained with the same
seed. Teacher and base see the very same views: a fixed set of augmented ones of each training
image, drawn once for all seeds, and the evaluation view of each held-out image. Their features
are therefore computed once for all jobs of a process that run on the same bench.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from simclr_bench.experiments.execution.features import Bench
from simclr_bench.experiments.execution.head import head_settings
from simclr_bench.experiments.execution.outcome import Outcome
from simclr_bench.experiments.materials.bases import EmbeddedBase
from simclr_bench.experiments.planning.jobs import Job
from simclr_bench.networks.shapes import EncoderShape, PlainShape
from simclr_bench.networks.small_residual import represent
from simclr_bench.training.bases import Base
from simclr_bench.training.dense_student import StudentSettings, train_dense_student
from simclr_bench.training.notebook_probe import train_head

VIEWS_SEED = 0

Features = tuple[Tensor, Tensor]  # of the fixed training views, and of the held-out images


def obtain_base(student: str) -> Base:
    """The frozen base of a student: from the cache, or trained now."""
    return EmbeddedBase(student).obtain()


def run_student(job: Job, bench: Bench, obtain: Callable[[str], Base] = obtain_base) -> Outcome:
    """Runs one job.

    Args:
        job: A job of kind "student".
        bench: Encoder, images and features.
        obtain: Gets a frozen base by its name; what it gives is kept on the bench.

    Raises:
        FloatingPointError: The teacher's or the student's training diverged.
    """
    settings, data = job.settings, bench.data(job.dataset)
    weight, bias = _teacher(job, bench)
    views, heldout = _features(bench.encoder, ("teacher",), job, bench)
    student, normalization = settings["student"], settings["normalization"]
    base = bench.once(("base", student), lambda: obtain(student))
    inputs, heldout_inputs = _features(
        lambda images: base(images, normalization), (student, normalization), job, bench
    )
    history = train_dense_student(
        inputs,
        views @ weight + bias,
        data.train.labels,
        heldout_inputs,
        _student_settings(settings),
    )
    smallest = np.min_scalar_type(job.classes - 1)
    return Outcome(
        details={
            "data": data.description,
            "loss": [round(loss, 6) for loss in history.losses],
            "parameters": {
                "student_trainable": history.parameters,
                "student_base": _parameters(base.body.shape),
                "teacher": _parameters(bench.encoder.shape) + weight.numel() + bias.numel(),
            },
        },
        arrays={
            "heldout_label": data.heldout.labels.numpy().astype(smallest),
            "teacher_predicted": (heldout @ weight + bias).argmax(1).numpy().astype(smallest),
            "predicted": history.predictions.astype(smallest),
        },
    )


def _teacher(job: Job, bench: Bench) -> tuple[Tensor, Tensor]:
    """The head of the job's teacher: weight and bias. [F, C] and [C]"""
    settings = {**job.settings["teacher"], "seed": job.settings["seed"]}
    features, labels, _ = bench.stream(job.dataset, settings)
    head = train_head(features, labels, job.classes, head_settings(settings))
    return head.weight, head.bias


def _features(
    network: Callable[[Tensor], Tensor], name: Sequence[str], job: Job, bench: Bench
) -> Features:
    """A network's features of the job's fixed views, and of the held-out images.

    Args:
        network: Views to features.
        name: What tells the network from the others on this bench.
        job: Says which views.
        bench: Draws them.

    Returns:
        Features. [views, n, F] and [m, F]
    """
    drawn = {k: job.settings[k] for k in ("augment", "framing", "color_strength", "views")}

    def make() -> Features:
        passes = bench.views(job.dataset, **drawn, seed=VIEWS_SEED)
        return (
            torch.stack([represent(network, batches) for batches in passes]),
            represent(network, bench.center_views(job.dataset, "heldout")),
        )

    return bench.once(("fixed views", *name, json.dumps(drawn)), make)


def _student_settings(settings: dict[str, Any]) -> StudentSettings:
    return StudentSettings(
        learns_from=settings["learns_from"],
        widths=tuple(settings["widths"]),
        batch_size=settings["batch_size"],
        epochs=settings["epochs"],
        learning_rate=settings["learning_rate"],
        momentum=settings["momentum"],
        weight_decay=settings["weight_decay"],
        temperature=settings["temperature"],
        optimizer=settings["optimizer"],
        seed=settings["seed"],
    )


def _parameters(shape: EncoderShape | PlainShape) -> int:
    """Parameters of a network before its batch norms were folded away."""
    return sum(parameter.numel() for parameter in Base(shape).body.parameters())
