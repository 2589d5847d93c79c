"""The features of a seed's stream of augmented images, computed block by block as needed.

Blocks have a fixed size and fixed places in the stream, so that a job's numbers do not depend on
which other jobs ran before it, or on how much of the stream they took.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from simclr_bench.data.augment import training_views
from simclr_bench.data.images import ImageSet
from simclr_bench.data.resample import Images
from simclr_bench.experiments.execution.blocks import joined
from simclr_bench.experiments.execution.classes import select_classes
from simclr_bench.experiments.execution.extraction import Viewing
from simclr_bench.experiments.execution.kept import Block
from simclr_bench.training.notebook_probe import image_stream

# The settings of a head that its stream depends on.
STREAM_SETTINGS = (
    "seed",
    "single_pass",
    "augment",
    "framing",
    "color_strength",
    "class_count",
)

Part = tuple[NDArray[np.int64], NDArray[np.int64]]  # the pass, and the image's position, of each
Extract = Callable[[Mapping[int, Part], Callable[[Part], Tensor]], list[Block]]


class FeatureStream:
    """One seed's stream over the training images of the classes that its settings select."""

    def __init__(
        self, extract: Extract, train: ImageSet, settings: dict[str, Any], viewing: Viewing
    ) -> None:
        """
        Args:
            extract: Gets the features of blocks, from what each shows and how that is viewed.
            train: Training images.
            settings: A head's, of which `STREAM_SETTINGS` count.
            viewing: How images are shown.
        """
        self._extract, self._train, self._viewing = extract, train, viewing
        self._settings = {name: settings[name] for name in STREAM_SETTINGS}
        chosen = select_classes(len(train.classes), settings["class_count"], settings["seed"])
        self._members = chosen.members(train.labels).numpy()
        self._blocks: list[Block] = []
        self._index: list[NDArray[np.int64]] = []

    def take(self, length: int) -> tuple[Tensor, Tensor, NDArray[np.int64]]:
        """The first `length` images of the stream, or all of a shorter single pass.

        Returns:
            Features, labels in the data set, and positions in its training images.
            [T, F], [T] and [T]
        """
        settings, size = self._settings, self._viewing.block
        epochs, order = image_stream(
            len(self._members),
            -(-length // size) * size,
            settings["seed"],
            single_pass=settings["single_pass"],
        )
        # An image is augmented by its place in the data set, not among the classes selected.
        index = self._members[order]
        parts = {
            at // size: (epochs[at : at + size], index[at : at + size])
            for at in range(len(self._blocks) * size, len(index), size)
        }
        self._blocks += self._extract(parts, self._views)
        self._index += [part for _, part in parts.values()]
        taken = np.concatenate(self._index)[:length]
        labels = self._train.labels[torch.from_numpy(taken)]
        return joined(self._blocks)[:length], labels, taken

    def _views(self, part: Part) -> Tensor:
        epochs, index = part
        settings = self._settings
        return torch.cat(
            [
                training_views(
                    pick(self._train, index[epochs == epoch], self._viewing.device),
                    index[epochs == epoch],
                    seed=settings["seed"],
                    epoch=int(epoch),
                    size=self._viewing.size,
                    kernel=self._viewing.kernel,
                    augment=settings["augment"],
                    framing=settings["framing"],
                    color_strength=settings["color_strength"],
                )
                for epoch in np.unique(epochs)
            ]
        )


def pick(images: ImageSet, index: NDArray[np.int64], device: str = "cpu") -> Images:
    """The images at these positions, stacked if the set is. [m] -> m of [3, H, W]"""
    if isinstance(images.images, Tensor):
        return images.images[torch.from_numpy(index)].to(device)
    return [images.images[int(i)].to(device) for i in index]
