"""SimCLR pretraining at full size: an encoder and its projection head, without labels.

    loss    NT-Xent of two views of each image: the mean over all 2B rows, which is what is logged;
            gradients are those of twice as much, the sum of both views' means, as in the official
            code, whose learning rates are meant for that
    batch   both views pass the network at once, so that batch norms see them together

Source: SimCLR (arXiv:2002.05709), Algorithm 1; SimCLRv2 (arXiv:2006.10029); google-research/simclr.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn

from simclr_bench.data.augment import simclr_views
from simclr_bench.data.image_files import ImageFiles
from simclr_bench.losses import nt_xent
from simclr_bench.networks.projection import ProjectionHead
from simclr_bench.networks.resnet import ResNet, initialize
from simclr_bench.training.engine.batches import Batch
from simclr_bench.training.engine.loop import Loss
from simclr_bench.training.engine.processes import World
from simclr_bench.training.full_size.recipes import SimclrRecipe
from simclr_bench.training.full_size.run import Work

# The official NT-Xent, in means over all rows (objective.py adds up those of both views).
OFFICIAL_SCALE = 2.0


class SimclrNetwork(nn.Module):
    """Views to what NT-Xent compares.

    Args:
        recipe: Shape and layers.
    """

    def __init__(self, recipe: SimclrRecipe) -> None:
        super().__init__()
        self.encoder = ResNet(recipe.shape)
        self.projection = ProjectionHead(recipe.shape.features, layers=recipe.projection_layers)

    def forward(self, views: Tensor) -> Tensor:
        """float32 views in [0, 1], [2B, 3, S, S] -> projections [2B, 128]"""
        z: Tensor = self.projection(self.encoder(views))
        return z


def pretraining(
    recipe: SimclrRecipe, images: ImageFiles, world: World, circumstances: Mapping[str, Any]
) -> Work:
    """The pretraining of a recipe on the images of a folder.

    Args:
        recipe: The hyper-parameters.
        images: What it learns from.
        world: The processes.
        circumstances: What else determines the result: the code and the files left out; JSON.
    """
    network = SimclrNetwork(recipe)
    initialize(network, torch.Generator().manual_seed(recipe.optimization.seed))
    return Work(
        title=f"pretraining {recipe.shape.name} (SimCLR)",
        network=network,
        shape=recipe.shape,
        loss=contrastive(recipe, world),
        loss_weight=OFFICIAL_SCALE,
        read=images.read,
        images=len(images),
        optimization=recipe.optimization,
        identity={
            "training": "pretrain",
            "recipe": asdict(recipe),
            "images": len(images),
            "data": images.fingerprint(),
            **circumstances,
        },
    )


def contrastive(recipe: SimclrRecipe, world: World) -> Loss:
    """NT-Xent of a process's share of a batch, with the rows of all processes as negatives."""

    def loss(network: nn.Module, batch: Batch) -> Tensor:
        with torch.no_grad(), torch.autocast(world.device.type, enabled=False):
            views = torch.cat(
                simclr_views(
                    batch.images,
                    batch.draws,
                    seed=recipe.optimization.seed,
                    epoch=0,  # the addresses of the draws tell passes apart
                    size=recipe.image_size,
                    strength=recipe.strength,
                    kernel=recipe.kernel,
                    blur=recipe.blur,
                    step=batch.step,
                )
            )
        first, second = network(views).chunk(2)
        return nt_xent(first, second, recipe.temperature, group=world.group)

    return loss
