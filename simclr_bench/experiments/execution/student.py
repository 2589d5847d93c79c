"""Jobs of kind "student": a teacher of the job's seed distilled into dense layers on a frozen base.

The teacher is the pretrained encoder under a head that the notebook's loop trained with the same
seed. Teacher and base see the very same views: a fixed set of augmented ones of each training
image, drawn once for all seeds, and the evaluation view of each held-out image. Their features
are therefore computed once for all jobs of a process that run on the same bench.
"""

from typing import Any

import numpy as np
from torch import Tensor

from simclr_bench.experiments.execution.extraction import Network
from simclr_bench.experiments.execution.features import Bench
from simclr_bench.experiments.execution.head import head_settings
from simclr_bench.experiments.execution.outcome import Outcome
from simclr_bench.experiments.planning.jobs import Job
from simclr_bench.networks.small_residual import parameter_count
from simclr_bench.training.dense_student import StudentSettings, train_dense_student
from simclr_bench.training.notebook_probe import train_head

VIEWS_SEED = 0

Features = tuple[Tensor, Tensor]  # of the fixed training views, and of the held-out images


def run_student(job: Job, bench: Bench) -> Outcome:
    """Runs one job.

    Args:
        job: A job of kind "student".
        bench: Networks, images and features.

    Raises:
        FloatingPointError: The teacher's or the student's training diverged.
    """
    settings, data = job.settings, bench.data(job.dataset)
    weight, bias = _teacher(job, bench)
    views, heldout = _features(bench.encoder, "pretrained", job, bench)
    student, normalization = settings["student"], settings["normalization"]
    base = bench.base(student)
    inputs, heldout_inputs = _features(
        lambda images: base(images, normalization), f"{student} {normalization}", job, bench
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
            **bench.describe(job.dataset),
            "loss": [round(loss, 6) for loss in history.losses],
            "parameters": {
                "student_trainable": history.parameters,
                "student_base": parameter_count(base),
                "teacher": parameter_count(bench.encoder) + weight.numel() + bias.numel(),
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


def _features(network: Network, name: str, job: Job, bench: Bench) -> Features:
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
    return (
        bench.fixed_features(job.dataset, name, network, **drawn, seed=VIEWS_SEED),
        bench.center_features(job.dataset, "heldout", name, network),
    )


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
