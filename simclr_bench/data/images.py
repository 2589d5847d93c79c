"""Labeled images in memory: what every source of data hands to training."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class ImageSet:
    """Labeled images in memory.

    Attributes:
        images: One uint8 tensor an image, of any size. A stacked tensor serves too. n x [3, H, W]
        labels: Index into `classes`, int64. [n]
        classes: Class names.
    """

    images: Sequence[Tensor] | Tensor
    labels: Tensor
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.images)
