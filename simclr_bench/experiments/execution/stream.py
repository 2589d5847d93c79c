"""The features of a seed's stream of augmented images, computed block by block as needed.

Blocks have a fixed size and fixed places in the stream, so that a job's numbers do not depend on
which other jobs ran before it, or on how much of the stream they took.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from simclr_bench.data.augment import training_views
from simclr_bench.data.images import ImageSet
from simclr_bench.data.resample import Images
from simclr_bench.experiments.execution.ahead import in_order
from simclr_bench.experiments.execution.classes import select_classes
from simclr_bench.networks.small_residual import IMAGE_SIZE, Encoder, represent
from simclr_bench.training.notebook_probe import image_stream

# Both batch sizes of the paper divide it, so a batch never needs a part of a block.
BLOCK = 320

# The settings of a head that its stream depends on.
STREAM_SETTINGS = (
    "seed",
    "single_pass",
    "augment",
    "framing",
    "color_strength",
    "class_count",
)


class FeatureStream:
    """One seed's stream over the training images of the classes that its settings select."""

    def __init__(
        self, encoder: Encoder, train: ImageSet, settings: dict[str, Any], workers: int
    ) -> None:
        """
        Args:
            encoder: The encoder, frozen.
            train: Training images.
            settings: A head's, of which `STREAM_SETTINGS` count.
            workers: Background threads that prepare views.
        """
        self._encoder, self._train, self._workers = encoder, train, workers
        self._settings = {name: settings[name] for name in STREAM_SETTINGS}
        chosen = select_classes(len(train.classes), settings["class_count"], settings["seed"])
        self._members = chosen.members(train.labels).numpy()
        self._features: list[Tensor] = []
        self._index: list[NDArray[np.int64]] = []

    def take(self, length: int) -> tuple[Tensor, Tensor, NDArray[np.int64]]:
        """The first `length` images of the stream, or all of a shorter single pass.

        Returns:
            Features, labels in the data set, and positions in its training images.
            [T, F], [T] and [T]
        """
        settings = self._settings
        blocks = -(-length // BLOCK)
        epochs, order = image_stream(
            len(self._members),
            blocks * BLOCK,
            settings["seed"],
            single_pass=settings["single_pass"],
        )
        # An image is augmented by its place in the data set, not among the classes selected.
        index = self._members[order]
        starts = range(len(self._features) * BLOCK, len(index), BLOCK)
        parts = [(epochs[at : at + BLOCK], index[at : at + BLOCK]) for at in starts]
        for (_, part), views in zip(
            parts, in_order(self._views, parts, self._workers), strict=True
        ):
            self._features.append(represent(self._encoder, [views]))
            self._index.append(part)
        taken = np.concatenate(self._index)[:length]
        labels = self._train.labels[torch.from_numpy(taken)]
        return torch.cat(self._features)[:length], labels, taken

    def _views(self, part: tuple[NDArray[np.int64], NDArray[np.int64]]) -> Tensor:
        epochs, index = part
        settings = self._settings
        return torch.cat(
            [
                training_views(
                    pick(self._train, index[epochs == epoch]),
                    index[epochs == epoch],
                    seed=settings["seed"],
                    epoch=int(epoch),
                    size=IMAGE_SIZE,
                    augment=settings["augment"],
                    framing=settings["framing"],
                    color_strength=settings["color_strength"],
                )
                for epoch in np.unique(epochs)
            ]
        )


def pick(images: ImageSet, index: NDArray[np.int64]) -> Images:
    """The images at these positions, stacked if the set is. [m] -> m of [3, H, W]"""
    if isinstance(images.images, Tensor):
        return images.images[torch.from_numpy(index)]
    return [images.images[i] for i in index]
