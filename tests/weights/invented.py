"""Small networks with weights as a trained network's: batch norms with statistics of their own."""

import torch
from torch import nn

from simclr_bench.networks.projection import ProjectionHead
from simclr_bench.networks.resnet import ResNet, initialize
from simclr_bench.networks.shapes import ResNetShape
from simclr_bench.weights.file import Provenance, State, shape_fields, writing_versions
from simclr_bench.weights.golden import golden_images

SMALL = ResNetShape(depth=18)


def settle(network: nn.Module, seed: int = 0) -> nn.Module:
    """Random scales and shifts, and statistics of real activations, so that no layer is trivial."""
    generator = torch.Generator().manual_seed(seed)
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        norm.weight.data = torch.rand(norm.weight.shape, generator=generator) * 0.8 + 0.4
        norm.bias.data = torch.randn(norm.bias.shape, generator=generator) * 0.2
        norm.momentum = None  # one batch sets the statistics
    network.train()
    with torch.no_grad():
        network(golden_images() + 0.1 * torch.rand(2, 3, 96, 96, generator=generator))
    for norm in norms:
        norm.momentum = 0.1
    return network.eval()


def resnet(shape: ResNetShape = SMALL, seed: int = 0) -> ResNet:
    """A residual network that is not trivial anywhere."""
    network = ResNet(shape)
    initialize(network, torch.Generator().manual_seed(seed))
    settle(network, seed)
    return network


def heads(features: int, seed: int = 0) -> State:
    """A projection head of two layers and a classifier of ten classes."""
    generator = torch.Generator().manual_seed(seed)
    projection = ProjectionHead(features, layers=2, output=16)
    initialize(projection, generator)
    classifier = nn.Linear(features, 10)
    initialize(classifier, generator)
    state = {f"projection.{name}": tensor for name, tensor in projection.state_dict().items()}
    return state | {f"classifier.{n}": tensor for n, tensor in classifier.state_dict().items()}


def encoder_state(network: nn.Module) -> State:
    """A network's tensors as a weights file names them."""
    return {f"encoder.{name}": tensor for name, tensor in network.state_dict().items()}


def provenance(
    name: str = "own/small", shape: ResNetShape | str = SMALL, normalization: str = "unit"
) -> Provenance:
    """Of weights that somebody made."""
    return Provenance(
        name=name,
        shape=shape_fields(shape),
        normalization=normalization,
        origin={"kind": "trained", "url": None, "files": {}, "official": False},
        parts=[],
        versions=writing_versions(),
        notes=["invented"],
    )
