"""What successive jobs share: the encoder, one data set's images, and features of both.

Every feature is a pure function of the data set and of the settings that it is asked for with, so
that a job's numbers are the same alone, after other jobs, and for any number of workers.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from simclr_bench.data.augment import center_view, training_views
from simclr_bench.data.images import ImageSet
from simclr_bench.experiments.execution.ahead import in_order
from simclr_bench.experiments.execution.stream import (
    BLOCK,
    STREAM_SETTINGS,
    FeatureStream,
    pick,
)
from simclr_bench.networks.small_residual import IMAGE_SIZE, Encoder, represent

Made = TypeVar("Made")

# Streams kept: jobs that share one are neighbors in the running order, or nearly.
STREAMS = 4


@dataclass(frozen=True)
class LoadedData:
    """A data set, and what its records must say about it."""

    train: ImageSet
    heldout: ImageSet
    description: dict[str, Any]


class Bench:
    """The images and features of one data set at a time, against one frozen encoder."""

    def __init__(
        self,
        encoder: Encoder,
        untrained: Callable[[], Encoder],
        load: Callable[[str], LoadedData],
        workers: int = 0,
    ) -> None:
        """
        Args:
            encoder: The encoder, frozen.
            untrained: Makes the control: the same network with its initial weights, frozen.
            load: Gets a data set by name.
            workers: Background threads that prepare views while the encoder runs; 0 for none.
        """
        self.encoder = encoder
        self._make_untrained = untrained
        self._untrained: Encoder | None = None
        self._load = load
        self._workers = workers
        self._dataset: str | None = None
        self._data: LoadedData
        self._kept: dict[Hashable, Any] = {}
        self._streams: OrderedDict[str, FeatureStream] = OrderedDict()

    def data(self, dataset: str) -> LoadedData:
        """A data set's images; those of the one before, and their features, are dropped."""
        if dataset != self._dataset:
            self._kept.clear()
            self._streams.clear()
            self._data, self._dataset = self._load(dataset), dataset
        return self._data

    def untrained(self) -> Encoder:
        """The control: the same network with its initial weights, frozen."""
        if self._untrained is None:
            self._untrained = self._make_untrained()
        return self._untrained

    def train_features(self, dataset: str, weights: str = "pretrained") -> Tensor:
        """Features of the evaluation view of every training image. [n, F]

        Args:
            dataset: Name of the data set.
            weights: Of the encoder: "pretrained" or "untrained".
        """
        return self._center_features(dataset, "train", weights)

    def heldout_features(self, dataset: str, weights: str = "pretrained") -> Tensor:
        """Features of the evaluation view of every held-out image. [n, F]

        Args:
            dataset: Name of the data set.
            weights: Of the encoder: "pretrained" or "untrained".
        """
        return self._center_features(dataset, "heldout", weights)

    def stream(
        self, dataset: str, settings: dict[str, Any]
    ) -> tuple[Tensor, Tensor, NDArray[np.int64]]:
        """The stream of augmented training images that a head's batches are cut from.

        Args:
            dataset: Name of the data set.
            settings: The head's, its seed included.

        Returns:
            Features, labels in the data set, and positions in its training images, of
            `iterations` batches or of a shorter single pass. [T, F], [T] and [T]
        """
        train = self.data(dataset).train
        key = repr(([settings[name] for name in STREAM_SETTINGS], torch.get_num_threads()))
        if key not in self._streams:
            self._streams[key] = FeatureStream(self.encoder, train, settings, self._workers)
        self._streams.move_to_end(key)
        while len(self._streams) > STREAMS:
            self._streams.popitem(last=False)
        return self._streams[key].take(settings["iterations"] * settings["batch_size"])

    def views(
        self,
        dataset: str,
        *,
        augment: Sequence[str],
        framing: str,
        color_strength: float,
        views: int,
        seed: int,
    ) -> Iterator[Iterator[Tensor]]:
        """A fixed set of augmented views of every training image.

        Args:
            dataset: Name of the data set.
            augment: Which of crop, flip and color are on.
            framing: What a view without a crop shows: "center" or "whole".
            color_strength: Jitter strength s.
            views: Views of each image.
            seed: Draws them, independently of every stream.

        Returns:
            For each view, an iterator over batches in the order of the training images, to be
            consumed before the next. [B, 3, 32, 32] each
        """
        train = self.data(dataset).train
        for view in range(views):

            def augmented(index: NDArray[np.int64], view: int = view) -> Tensor:
                return training_views(
                    pick(train, index),
                    index,
                    seed=seed,
                    epoch=view,
                    size=IMAGE_SIZE,
                    augment=augment,
                    framing=framing,
                    color_strength=color_strength,
                    operation="fixed view",
                )

            yield in_order(augmented, _blocks(len(train)), self._workers)

    def center_views(self, dataset: str, split: str) -> Iterator[Tensor]:
        """The evaluation views of a split, in its order.

        Args:
            dataset: Name of the data set.
            split: "train" or "heldout".

        Returns:
            An iterator over batches. [B, 3, 32, 32] each
        """
        data = self.data(dataset)
        images = {"train": data.train, "heldout": data.heldout}[split]
        return in_order(
            lambda index: center_view(pick(images, index), size=IMAGE_SIZE),
            _blocks(len(images)),
            self._workers,
        )

    def once(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """What `make` gives, made once and kept until another data set is asked for.

        Args:
            key: What tells it from all else that is kept.
            make: Makes it.
        """
        # Sums are split by thread, so their number is part of a result.
        key = (key, torch.get_num_threads())
        if key not in self._kept:
            self._kept[key] = make()
        made: Made = self._kept[key]
        return made

    def _center_features(self, dataset: str, split: str, weights: str) -> Tensor:
        self.data(dataset)
        encoder = {"pretrained": lambda: self.encoder, "untrained": self.untrained}[weights]
        return self.once(
            ("center", weights, split),
            lambda: represent(encoder(), self.center_views(dataset, split)),
        )


def _blocks(n: int) -> list[NDArray[np.int64]]:
    return [np.arange(at, min(at + BLOCK, n)) for at in range(0, n, BLOCK)]
