"""Fine-tuning of a pretrained network on labeled images, as the official recipe has it.

    views    crop and flip; held-out images are scored by their central views
    head     a new linear layer, on h or on a layer of the projection head: SimCLRv2 keeps the first
             for few labels
    trained  everything, or that layer alone with batch norms as in evaluation

Source: SimCLRv2 (arXiv:2006.10029), section 3; google-research/simclr, README.md (fine-tuning).
"""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from simclr_bench.errors import UsageError
from simclr_bench.networks.resnet import ResNet, initialize
from simclr_bench.training.engine.batches import Batch
from simclr_bench.training.engine.processes import World
from simclr_bench.training.full_size.classifier import (
    Classifier,
    augmented,
    predict,
    write_result,
)
from simclr_bench.training.full_size.labeled import LabeledImages
from simclr_bench.training.full_size.recipes import FinetuneRecipe
from simclr_bench.training.full_size.run import Work
from simclr_bench.weights.build import LoadedEncoder


def finetuning(
    recipe: FinetuneRecipe,
    start: LoadedEncoder,
    images: LabeledImages,
    world: World,
    workers: int,
    circumstances: Mapping[str, Any],
) -> Work:
    """The fine-tuning of weights on the images of a folder.

    Args:
        recipe: The hyper-parameters.
        start: Where it starts from.
        images: Train and held-out images.
        world: The processes.
        workers: Threads that read images.
        circumstances: What else determines the result: the code and the files left out; JSON.

    Raises:
        UsageError: The weights are not a residual network's, or lack the layer asked for.
    """
    shape, body = start.provenance.resnet_shape, start.network.body
    if shape is None or not isinstance(body, ResNet) or start.network.normalized:
        raise UsageError(
            f"{start.provenance.name}: fine-tuning takes SimCLR's residual networks, on images in"
            " [0, 1]"
        )
    layers = 0 if start.projection is None else len(start.projection.dense)
    if recipe.from_layer and layers <= recipe.from_layer:
        raise UsageError(
            f"--from-projection-layer {recipe.from_layer}: the weights of {start.provenance.name}"
            f" have a projection head of {layers} layers; give 0"
        )
    network = Classifier(
        body,
        start.projection,
        until=recipe.from_layer,
        classes=len(images.classes),
        head_only=recipe.head_only,
    )
    generator = torch.Generator().manual_seed(recipe.optimization.seed)
    initialize(network.classifier, generator)
    labels = torch.from_numpy(images.train_labels).to(world.device)

    def loss(call: nn.Module, batch: Batch) -> Tensor:
        views = augmented(
            batch,
            seed=recipe.optimization.seed,
            size=recipe.image_size,
            kernel=recipe.kernel,
            device=world.device,
        )
        wanted = labels[torch.from_numpy(batch.numbers).to(world.device)]
        return F.cross_entropy(call(views).float(), wanted)

    def evaluate(out: Path) -> None:
        predicted = predict(
            network,
            images.heldout,
            size=recipe.image_size,
            kernel=recipe.kernel,
            workers=workers,
            device=world.device,
        )
        write_result(out, images.heldout, predicted, images.heldout_labels, images.classes)

    return Work(
        title=f"fine-tuning {shape.name}",
        network=network,
        shape=shape,
        classifier_after=recipe.from_layer,
        loss=loss,
        read=images.train.read,
        images=len(images.train),
        optimization=recipe.optimization,
        identity={
            "training": "finetune",
            "recipe": asdict(recipe),
            "weights": start.provenance.sha256,
            "classes": list(images.classes),
            "train": {"images": len(images.train), "data": images.train.fingerprint()},
            "heldout": {"images": len(images.heldout), "data": images.heldout.fingerprint()},
            **circumstances,
        },
        evaluate=evaluate,
    )
