"""The control of a full-size encoder: the same architecture, which nobody trained."""

import torch
from torch import nn

from simclr_bench.data.augment import center_view
from simclr_bench.data.randomness import permutation
from simclr_bench.experiments.execution.extraction import Viewing
from simclr_bench.experiments.execution.inputs import LoadedData
from simclr_bench.experiments.execution.stream import pick
from simclr_bench.networks.shapes import ResNetShape
from simclr_bench.weights.build import random_encoder

# The control's batch norms measure this many training images, or all of fewer, so many at a time.
UNTRAINED_IMAGES, UNTRAINED_BATCH = 512, 32
UNTRAINED_SEED = 0


def untrained(shape: ResNetShape, data: LoadedData, viewing: Viewing) -> nn.Module:
    """The control, frozen: initial weights, batch-norm statistics of training images.

    Args:
        shape: The encoder's.
        data: Evaluation views of `UNTRAINED_IMAGES` of its training images are measured.
        viewing: How images are shown.
    """
    network = random_encoder(shape, UNTRAINED_SEED).network.to(viewing.device)
    drawn = permutation(len(data.train), UNTRAINED_SEED, 0, "untrained control: images")
    drawn = drawn[:UNTRAINED_IMAGES]
    norms = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all batches
        norm.train()
    with torch.no_grad():
        for at in range(0, len(drawn), UNTRAINED_BATCH):
            some = pick(data.train, drawn[at : at + UNTRAINED_BATCH], viewing.device)
            network(center_view(some, size=viewing.size, kernel=viewing.kernel))
    return network.eval()
