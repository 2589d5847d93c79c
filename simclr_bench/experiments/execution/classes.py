"""The classes that a job is about: all of its data set's, or a seed's draw of some of them."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from simclr_bench.data.randomness import permutation


@dataclass(frozen=True)
class ClassSubset:
    """Some classes of a data set, known by their rank among them.

    Attributes:
        numbers: Their numbers in the data set, ascending. int64 [C]
        total: Classes of the data set.
    """

    numbers: Tensor
    total: int

    def __len__(self) -> int:
        return len(self.numbers)

    def members(self, labels: Tensor) -> Tensor:
        """Positions of the images that belong to these classes. [n] -> [m]"""
        return torch.isin(labels, self.numbers).nonzero()[:, 0]

    def ranks(self, labels: Tensor) -> Tensor:
        """From numbers in the data set, all of these classes, to 0 .. C - 1. [n] -> [n]"""
        return torch.searchsorted(self.numbers, labels)

    def original(self, ranks: Tensor) -> np.ndarray:
        """From 0 .. C - 1 to numbers in the data set, as a record holds them. [n] -> [n]"""
        return self.compact(self.numbers[ranks])

    def compact(self, labels: Tensor) -> np.ndarray:
        """Numbers in the data set, in the smallest unsigned type for its classes. [n] -> [n]"""
        return labels.numpy().astype(np.min_scalar_type(self.total - 1))


def select_classes(total: int, count: int | None, seed: int) -> ClassSubset:
    """All classes of a data set, or a random subset that holds every smaller one of its seed.

    Args:
        total: Classes of the data set.
        count: Classes wanted; None for all.
        seed: Draws them.

    Raises:
        ValueError: The count is below 2 or above the total.
    """
    if count is None:
        return ClassSubset(torch.arange(total), total)
    if not 2 <= count <= total:
        raise ValueError(f"select_classes: class_count must be 2 to {total}, got {count}")
    drawn = permutation(total, seed, 0, "class count")[:count]
    return ClassSubset(torch.from_numpy(np.sort(drawn)), total)
