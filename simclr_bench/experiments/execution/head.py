"""A linear head trained by the notebook's loop (Tables 1 and 4, and their controls)."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from simclr_bench.experiments.execution.classes import select_classes
from simclr_bench.experiments.execution.features import Bench
from simclr_bench.experiments.execution.outcome import Outcome
from simclr_bench.experiments.planning.jobs import Job
from simclr_bench.training.notebook_probe import HeadSettings, predict, train_head


def run_head(job: Job, bench: Bench) -> Outcome:
    """Trains a head and keeps what it predicted: batch by batch, and of all images in the end.

    Args:
        job: A job of kind "head".
        bench: Encoder, images and features.

    Returns:
        Predictions of every batch before its update, and, after the last update, of the evaluation
        views of the training and of the held-out images; all of the job's classes only, by their
        numbers in the data set.

    Raises:
        FloatingPointError: The training diverged.
        ValueError: The settings ask for what there is not.
    """
    settings = job.settings
    if settings["head_initialization"] != "glorot_uniform":
        raise ValueError(
            "run_head: head_initialization must be glorot_uniform, got"
            f" {settings['head_initialization']}"
        )
    data = bench.data(job.dataset)
    classes = select_classes(len(data.train.classes), settings["class_count"], settings["seed"])
    features, labels, _ = bench.stream(job.dataset, settings)
    head = train_head(
        features,
        classes.ranks(labels),
        len(classes),
        head_settings(settings),
    )
    arrays = {
        "batch_sizes": np.array(head.sizes, dtype=np.min_scalar_type(max(head.sizes))),
        "batch_predicted": classes.original(head.predicted),
        "batch_label": classes.compact(labels),
    }
    for split, images, known in (
        ("heldout", data.heldout, bench.heldout_features(job.dataset)),
        ("train", data.train, bench.train_features(job.dataset)),
    ):
        members = classes.members(images.labels)
        arrays[f"{split}_predicted"] = classes.original(predict(head, known[members]))
        arrays[f"{split}_label"] = classes.compact(images.labels[members])
    losses = [round(loss, 6) for loss in head.losses]
    return Outcome(details={**bench.describe(job.dataset), "loss": losses}, arrays=arrays)


def head_settings(settings: Mapping[str, Any]) -> HeadSettings:
    """What a job's settings, or those of a student's teacher, say of how a head is trained."""
    return HeadSettings(**{field.name: settings[field.name] for field in fields(HeadSettings)})
