"""The embedded image sets: procedural stand-ins for the five sets of the paper's Table 4.

Training and held-out images come from different streams of nuisance over the same recipes. The
pretraining pool comes from recipes of its own, one per image, and has no labels.
"""

import torch
from torch import Tensor

from simclr_bench.data.dispositions import EMBEDDED_SETS, Disposition, Scene
from simclr_bench.data.images import ImageSet
from simclr_bench.data.procedural import draw_families, draw_recipes, render

SEED = 20210802  # the paper's date


def class_recipes(name: str) -> Tensor:
    """The recipe of each class of a set.

    Args:
        name: A key of `EMBEDDED_SETS`.

    Returns:
        Points of the unit cube. [C, RECIPE]
    """
    chosen = _find(name)
    return draw_families(
        chosen.families, chosen.members, spread=chosen.spread, seed=SEED, operation=name
    )


def load(name: str) -> tuple[ImageSet, ImageSet]:
    """Draw an embedded set.

    Args:
        name: A key of `EMBEDDED_SETS`.

    Returns:
        Training and held-out images, both class by class.

    Raises:
        ValueError: There is no such set.
    """
    chosen = _find(name)
    recipes = class_recipes(name)
    classes = tuple(f"{name} recipe {number}" for number in range(chosen.classes))
    sets = []
    for split, count in (
        ("train", chosen.train_per_class),
        ("held-out", chosen.heldout_per_class),
    ):
        labels = torch.arange(chosen.classes).repeat_interleave(count)
        images = render(recipes[labels], chosen.scene, seed=SEED, operation=f"{name} {split}")
        sets.append(ImageSet(images, labels, classes))
    return sets[0], sets[1]


def pool_recipes(n: int) -> Tensor:
    """The recipes of the pretraining pool, one per image.

    Args:
        n: How many.

    Returns:
        Points of the unit cube. [n, RECIPE]
    """
    return draw_recipes(n, seed=SEED, operation="pretraining pool")


def pretraining_pool(n: int) -> Tensor:
    """Unlabeled images of recipes that no embedded set uses, all at the native size.

    Args:
        n: How many; the first of a larger pool are the same images.

    Returns:
        uint8 images. [n, 3, native, native]
    """
    return render(pool_recipes(n), Scene(), seed=SEED, operation="pretraining pool")


def _find(name: str) -> Disposition:
    if name not in EMBEDDED_SETS:
        raise ValueError(f"embedded: name must be one of {', '.join(EMBEDDED_SETS)}, got {name}")
    return EMBEDDED_SETS[name]
