"""Distillation of a teacher with a classifier into a student that starts from nothing.

    loss    T^2 CE(softmax(teacher / T), softmax(student / T)), labels unused; or mixed with the
            cross-entropy of true labels by --hard-weight
    views   crop and flip, the same for both

Source: SimCLRv2 (arXiv:2006.10029), section 3 (Eq. 2 and 3); the factor T^2 is the notebook's
(google-research/simclr, colabs/distillation_self_training.ipynb), and 1 at T = 1.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from simclr_bench.data.image_files import ImageFiles
from simclr_bench.errors import UsageError
from simclr_bench.losses import distillation_loss
from simclr_bench.networks.resnet import ResNet, initialize
from simclr_bench.training.engine.batches import Batch
from simclr_bench.training.engine.processes import World
from simclr_bench.training.full_size.classifier import Classifier, augmented
from simclr_bench.training.full_size.recipes import DistillRecipe
from simclr_bench.training.full_size.run import Work
from simclr_bench.weights.build import LoadedEncoder


def distillation(
    recipe: DistillRecipe,
    teacher: LoadedEncoder,
    images: ImageFiles,
    labeled: tuple[NDArray[np.int64], tuple[str, ...]] | None,
    world: World,
    circumstances: Mapping[str, Any],
) -> Work:
    """The distillation of a teacher on the images of a folder.

    Args:
        recipe: The hyper-parameters.
        teacher: Weights with a classifier.
        images: What both see.
        labeled: For the hard term, the true class of each image, [n], and the classes' names; None
            without it.
        world: The processes.
        circumstances: What else determines the result: the code and the files left out; JSON.

    Raises:
        UsageError: The teacher has no classifier, or another number of classes than the folder.
    """
    if teacher.classifier is None:
        raise UsageError(
            f"--teacher {teacher.provenance.name}: has no classifier; `simclr-bench finetune` makes"
            " weights that have one"
        )
    classes = teacher.classifier.out_features
    # Fewer folders would be classes of the teacher too, but nobody knows which.
    if labeled is not None and len(labeled[1]) != classes:
        raise UsageError(
            f"--hard-weight: there are {len(labeled[1])} class folders, and the teacher knows"
            f" {classes} classes; --data needs one for each of them, in their order, or leave"
            " --hard-weight out"
        )
    network = Classifier(ResNet(recipe.shape), None, until=0, classes=classes)
    initialize(network, torch.Generator().manual_seed(recipe.optimization.seed))
    for part in (teacher.network, teacher.projection, teacher.classifier):
        if part is not None:
            part.to(world.device)
    targets = None if labeled is None else torch.from_numpy(labeled[0]).to(world.device)

    def loss(call: nn.Module, batch: Batch) -> Tensor:
        views = augmented(
            batch,
            seed=recipe.optimization.seed,
            size=recipe.image_size,
            kernel=recipe.kernel,
            device=world.device,
        )
        with torch.no_grad():
            taught = teacher.classify(teacher.network(views)).float()
        numbers = torch.from_numpy(batch.numbers).to(world.device)
        return distillation_loss(
            call(views).float(),
            taught,
            None if targets is None else targets[numbers],
            temperature=recipe.temperature,
            alpha=1 - recipe.hard_weight,
        )

    return Work(
        title=f"distilling {teacher.provenance.name} into {recipe.shape.name}",
        network=network,
        shape=recipe.shape,
        loss=loss,
        read=images.read,
        images=len(images),
        optimization=recipe.optimization,
        identity={
            "training": "distill",
            "recipe": asdict(recipe),
            "teacher": teacher.provenance.sha256,
            "images": len(images),
            "data": images.fingerprint(),
            **circumstances,
        },
    )
