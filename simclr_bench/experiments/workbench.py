"""Executes jobs, sharing what successive jobs have in common: encoder, images, features.

Features are computed in blocks of fixed size from fixed places of the stream, so that a job's
numbers do not depend on which other jobs ran before it or are still missing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from simclr_bench.data.augment import Images, center_view, crop_and_flip
from simclr_bench.data.images import ImageSet
from simclr_bench.experiments.jobs import Job
from simclr_bench.training.converged_probe import converged_probe
from simclr_bench.training.encoder import IMAGE_SIZE, Encoder, represent
from simclr_bench.training.notebook_probe import (
    HeadSettings,
    count_correct,
    image_stream,
    train_head,
)

# Both batch sizes of the paper divide it, so a batch never needs a part of a block.
BLOCK = 320


@dataclass(frozen=True)
class LoadedData:
    """A data set, and what its records must say about it."""

    train: ImageSet
    heldout: ImageSet
    description: dict[str, Any]


class Workbench:
    """Runs jobs against one frozen encoder."""

    def __init__(
        self,
        encoder: Encoder,
        untrained: Callable[[], Encoder],
        load: Callable[[str], LoadedData],
    ) -> None:
        """
        Args:
            encoder: The encoder, frozen.
            untrained: Makes the control: the same network with its initial weights, frozen.
            load: Gets a data set by name.
        """
        self._encoder = encoder
        self._make_untrained = untrained
        self._untrained: Encoder | None = None
        self._load = load
        self._dataset: str | None = None
        self._data: LoadedData
        self._heldout: Tensor
        self._stream: _FeatureStream | None = None

    def execute(self, job: Job) -> dict[str, Any]:
        """Runs one job and returns its outcome, ready for a record."""
        threads = torch.get_num_threads()
        torch.set_num_threads(job.settings["threads"])
        try:
            with torch.inference_mode():
                self._select(job.dataset)
                run = {"head": self._head, "encoder_check": self._encoder_check}[job.kind]
                return {"data": self._data.description, **run(job.settings)}
        finally:
            torch.set_num_threads(threads)

    def _select(self, dataset: str) -> None:
        if dataset != self._dataset:
            self._data = self._load(dataset)
            self._heldout = center_features(self._encoder, self._data.heldout)
            self._dataset, self._stream = dataset, None

    def _head(self, settings: dict[str, Any]) -> dict[str, Any]:
        if settings["augment"] != ["crop", "flip"]:
            raise ValueError(f"augmentation {settings['augment']} is not available yet")
        data = self._data
        stream = self._stream
        if stream is None or not stream.serves(settings):
            stream = self._stream = _FeatureStream(self._encoder, data.train, settings)
        features, labels = stream.take(settings["iterations"] * settings["batch_size"])
        history = train_head(
            features,
            labels,
            len(data.train.classes),
            HeadSettings(
                batch_size=settings["batch_size"],
                iterations=settings["iterations"],
                learning_rate=settings["learning_rate"],
                momentum=settings["momentum"],
                weight_decay=settings["weight_decay"],
                seed=settings["seed"],
            ),
        )
        right = count_correct(history, self._heldout, data.heldout.labels)
        return {
            "as_published": _fraction(history.correct[-1], history.sizes[-1]),
            "heldout": _fraction(right, len(data.heldout)),
            "batches": {
                "correct": list(history.correct),
                "n": list(history.sizes),
                "loss": [round(loss, 6) for loss in history.losses],
            },
        }

    def _encoder_check(self, settings: dict[str, Any]) -> dict[str, Any]:
        if self._untrained is None:
            self._untrained = self._make_untrained()
        data = self._data
        accuracies = {}
        for name, encoder in (("pretrained", self._encoder), ("untrained", self._untrained)):
            train = center_features(encoder, data.train)
            heldout = (
                self._heldout
                if encoder is self._encoder
                else center_features(encoder, data.heldout)
            )
            accuracies[name] = list(
                converged_probe(
                    (train, data.train.labels),
                    (heldout, data.heldout.labels),
                    seeds=settings["seeds"],
                )
            )
        return {"n": len(data.heldout), **accuracies}


class _FeatureStream:
    """The features of a seed's stream of augmented images, computed block by block as needed."""

    def __init__(self, encoder: Encoder, train: ImageSet, settings: dict[str, Any]) -> None:
        self._encoder, self._train = encoder, train
        self._seed, self._single_pass = settings["seed"], settings["single_pass"]
        self._blocks: list[Tensor] = []
        self._labels: list[Tensor] = []

    def serves(self, settings: dict[str, Any]) -> bool:
        return (self._seed, self._single_pass) == (settings["seed"], settings["single_pass"])

    def take(self, length: int) -> tuple[Tensor, Tensor]:
        """Features and labels of the first `length` images, or of all in a shorter single pass."""
        blocks = -(-length // BLOCK)
        epochs, index = image_stream(
            len(self._train), blocks * BLOCK, self._seed, single_pass=self._single_pass
        )
        while len(self._blocks) * BLOCK < len(index) and len(self._blocks) < blocks:
            part = slice(len(self._blocks) * BLOCK, (len(self._blocks) + 1) * BLOCK)
            self._blocks.append(self._features(epochs[part], index[part]))
            self._labels.append(self._train.labels[torch.from_numpy(index[part])])
        return torch.cat(self._blocks)[:length], torch.cat(self._labels)[:length]

    def _features(self, epochs: np.ndarray, index: np.ndarray) -> Tensor:
        views = [
            crop_and_flip(
                _pick(self._train, index[epochs == epoch]),
                index[epochs == epoch],
                seed=self._seed,
                epoch=int(epoch),
                size=IMAGE_SIZE,
            )
            for epoch in np.unique(epochs)
        ]
        return represent(self._encoder, [torch.cat(views)])


def center_features(encoder: Encoder, images: ImageSet) -> Tensor:
    """Features of every image's evaluation view.

    Returns:
        float32. [n, F]
    """
    starts = range(0, len(images), BLOCK)
    blocks = (np.arange(at, min(at + BLOCK, len(images))) for at in starts)
    return represent(
        encoder, (center_view(_pick(images, index), size=IMAGE_SIZE) for index in blocks)
    )


def _pick(images: ImageSet, index: np.ndarray) -> Images:
    if isinstance(images.images, Tensor):
        return images.images[torch.from_numpy(index)]
    return [images.images[i] for i in index]


def _fraction(correct: int, n: int) -> dict[str, Any]:
    return {"value": correct / n, "correct": correct, "n": n}
