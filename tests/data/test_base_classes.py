"""The classes of the student bases: their own, balanced, all different."""

import torch

from simclr_bench.data import embedded
from simclr_bench.data.base_classes import base_classes, base_recipes


def test_the_classes_of_the_bases_are_shared_with_no_set_and_not_with_the_pool() -> None:
    own = base_recipes(64)
    others = [embedded.pool_recipes(10240), *map(embedded.class_recipes, embedded.EMBEDDED_SETS)]
    assert torch.cdist(own, torch.cat(others)).min() > 0.125
    assert torch.cdist(own, own).fill_diagonal_(torch.inf).min() > 0.125


def test_the_images_of_the_bases_are_balanced_and_all_different() -> None:
    data = base_classes(5, 7)
    assert torch.bincount(data.labels).tolist() == [7] * 5
    assert data.images.shape == (35, 3, 48, 48) and len(set(data.classes)) == 5
    assert len({image.numpy().tobytes() for image in data.images}) == 35
