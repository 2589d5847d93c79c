"""Jobs of kind "student": a teacher of the job's seed distilled into dense layers on a frozen base.

The teacher is the pretrained encoder under a head that the notebook's loop trained with the same
seed. Teacher and base see the very same views: a fixed set of augmented ones of each training
image, drawn once for all seeds, and the evaluation view of each held-out image. Their features
are therefore computed once for all jobs of a process that run on the same bench.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from simclr_bench.data.images import ImageSet
from simclr_bench.experiments.execution.outcome import Outcome
from simclr_bench.experiments.networks.bases import EmbeddedBase
from simclr_bench.experiments.planning.jobs import Job
from simclr_bench.training.base_recipe import PlainShape
from simclr_bench.training.bases import Base
from simclr_bench.training.dense_student import StudentSettings, train_dense_student
from simclr_bench.training.encoder import Encoder, represent
from simclr_bench.training.notebook_probe import HeadSettings, train_head
from simclr_bench.training.recipe import EncoderShape

VIEWS_SEED = 0

Features = tuple[Tensor, Tensor]  # of the fixed training views, and of the held-out images


class LoadedImages(Protocol):
    """A data set, and what its records must say about it."""

    @property
    def train(self) -> ImageSet: ...

    @property
    def heldout(self) -> ImageSet: ...

    @property
    def description(self) -> dict[str, Any]: ...


class StudentBench(Protocol):
    """What a student job needs of the bench that it runs on."""

    @property
    def encoder(self) -> Encoder:
        """The pretrained encoder, frozen."""
        ...

    def data(self, dataset: str) -> LoadedImages:
        """The images of a data set."""
        ...

    def stream(
        self, dataset: str, settings: dict[str, Any]
    ) -> tuple[Tensor, Tensor, NDArray[np.int64]]:
        """Features, labels and positions of a head job's augmented images. [T, F], [T], [T]"""
        ...

    def views(
        self,
        dataset: str,
        *,
        augment: Sequence[str],
        framing: str,
        color_strength: float,
        views: int,
        seed: int,
    ) -> Iterator[Iterable[Tensor]]:
        """For each view, batches of the training images in order. views x [B, 3, 32, 32]"""
        ...

    def center_views(self, dataset: str, split: str) -> Iterable[Tensor]:
        """Batches of the evaluation views of a split, in order. [B, 3, 32, 32] each"""
        ...


def obtain_base(student: str) -> Base:
    """The frozen base of a student: from the cache, or trained now."""
    return EmbeddedBase(student).obtain()


def run_student(
    job: Job, bench: StudentBench, obtain: Callable[[str], Base] = obtain_base
) -> Outcome:
    """Runs one job.

    Args:
        job: A job of kind "student".
        bench: Data and encoder.
        obtain: Gets a frozen base by its name; asked once for each name and bench.

    Raises:
        FloatingPointError: The teacher's or the student's training diverged.
    """
    settings, data = job.settings, bench.data(job.dataset)
    shared = _SHARED.setdefault(bench, _Shared())
    shared.select(job.dataset)
    weight, bias = shared.teacher(job, bench)
    views, heldout = shared.features(bench.encoder, ("teacher",), job, bench)
    base = shared.base(settings["student"], obtain)
    normalization = settings["normalization"]
    inputs = shared.features(
        lambda images: base(images, normalization),
        (settings["student"], normalization),
        job,
        bench,
    )
    history = train_dense_student(
        inputs[0], views @ weight + bias, data.train.labels, inputs[1], _student_settings(settings)
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


class _Shared:
    """What the student jobs on one bench have in common: bases, features, teachers."""

    def __init__(self) -> None:
        self._dataset: str | None = None
        self._bases: dict[str, Base] = {}
        self._features: dict[tuple[str, ...], Features] = {}
        self._teachers: dict[str, tuple[Tensor, Tensor]] = {}

    def select(self, dataset: str) -> None:
        """Drops what belongs to another data set."""
        if dataset != self._dataset:
            self._features.clear()
            self._teachers.clear()
            self._dataset = dataset

    def base(self, student: str, obtain: Callable[[str], Base]) -> Base:
        if student not in self._bases:
            self._bases[student] = obtain(student)
        return self._bases[student]

    def features(
        self,
        network: Callable[[Tensor], Tensor],
        name: tuple[str, ...],
        job: Job,
        bench: StudentBench,
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
        # Sums are split by thread, so their number is part of the result.
        key = (*name, json.dumps(drawn), str(torch.get_num_threads()))
        if key not in self._features:
            passes = bench.views(job.dataset, **drawn, seed=VIEWS_SEED)
            self._features[key] = (
                torch.stack([represent(network, batches) for batches in passes]),
                represent(network, bench.center_views(job.dataset, "heldout")),
            )
        return self._features[key]

    def teacher(self, job: Job, bench: StudentBench) -> tuple[Tensor, Tensor]:
        """The head of the job's teacher: weight and bias. [F, C] and [C]"""
        settings = {**job.settings["teacher"], "seed": job.settings["seed"]}
        key = json.dumps([settings, torch.get_num_threads()], sort_keys=True)
        if key not in self._teachers:
            features, labels, _ = bench.stream(job.dataset, settings)
            head = train_head(features, labels, job.classes, _head_settings(settings))
            self._teachers[key] = head.weight, head.bias
        return self._teachers[key]


# A bench takes what it shares with it when it goes.
_SHARED: WeakKeyDictionary[StudentBench, _Shared] = WeakKeyDictionary()


def _head_settings(settings: dict[str, Any]) -> HeadSettings:
    return HeadSettings(
        batch_size=settings["batch_size"],
        iterations=settings["iterations"],
        learning_rate=settings["learning_rate"],
        momentum=settings["momentum"],
        weight_decay=settings["weight_decay"],
        seed=settings["seed"],
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


def _parameters(shape: EncoderShape | PlainShape) -> int:
    """Parameters of a network before its batch norms were folded away."""
    return sum(parameter.numel() for parameter in Base(shape).body.parameters())
