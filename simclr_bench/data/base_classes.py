"""Labeled procedural classes of their own, on which the student bases are trained.

The bases of the paper's students come with weights from ImageNet. Those of the embedded profile
come from these classes, whose recipes are shared with no embedded set and not with the pretraining
pool.
"""

import torch
from torch import Tensor

from simclr_bench.data.embedded import SEED
from simclr_bench.data.images import ImageSet
from simclr_bench.data.procedural import Scene, draw_recipes, render

OPERATION = "student bases"


def base_recipes(classes: int) -> Tensor:
    """The recipe of each class.

    Args:
        classes: How many.

    Returns:
        Points of the unit cube. [classes, RECIPE]
    """
    return draw_recipes(classes, seed=SEED, operation=OPERATION)


def base_classes(classes: int, per_class: int) -> ImageSet:
    """Labeled images, class by class, all at the native size.

    Args:
        classes: Number of classes.
        per_class: Images of each.
    """
    labels = torch.arange(classes).repeat_interleave(per_class)
    images = render(base_recipes(classes)[labels], Scene(), seed=SEED, operation=OPERATION)
    names = tuple(f"{OPERATION} recipe {number}" for number in range(classes))
    return ImageSet(images, labels, names)
