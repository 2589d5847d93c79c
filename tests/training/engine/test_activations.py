"""Recomputed blocks: the same gradients, and batch norms that follow each batch once."""

import copy

import pytest
import torch
from torch import nn

from simclr_bench.networks.resnet import ResNet, initialize
from simclr_bench.networks.shapes import ResNetShape
from simclr_bench.training.engine.activations import recompute_blocks


class Counted(nn.Module):
    """Counts how often it is computed."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return x


def shallow(depth: int) -> ResNet:
    """Its first two groups: both strides, both kinds of shortcut, a tenth of the weights."""
    network = ResNet(ResNetShape(depth=depth, selective_kernels=depth == 50, stem="cifar"))
    network.layer3, network.layer4 = nn.Sequential(), nn.Sequential()
    return network


@pytest.mark.parametrize("depth", [18, 50])
def test_gradients_and_statistics_are_those_of_the_plain_network(depth: int) -> None:
    plain = shallow(depth)
    initialize(plain, torch.Generator().manual_seed(0))
    for module in plain.modules():  # branches that start at zero would hide what is in them
        if isinstance(module, nn.BatchNorm2d):
            nn.init.constant_(module.weight, 0.7)
    again = copy.deepcopy(plain)
    recompute_blocks(again)
    images = torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    for network in (plain, again):
        for _ in range(2):
            network.train()(images).square().sum().backward()
    for (name, wanted), got in zip(plain.named_parameters(), again.parameters(), strict=True):
        assert wanted.grad is not None and got.grad is not None
        assert torch.equal(got.grad, wanted.grad), name
    for (name, wanted), got in zip(plain.named_buffers(), again.buffers(), strict=True):
        assert torch.equal(got, wanted), name
    assert again.layer1[0].bn1.num_batches_tracked == 2
    assert list(again.state_dict()) == list(plain.state_dict())
    with torch.no_grad():
        assert torch.equal(again.eval()(images), plain.eval()(images))


def test_blocks_are_computed_twice_and_only_for_a_backward_pass() -> None:
    network = nn.Module()
    counted = Counted()
    network.layer1 = nn.Sequential(nn.Sequential(nn.Linear(2, 2), nn.Tanh(), counted, nn.Tanh()))
    recompute_blocks(network)
    x = torch.ones(1, 2, requires_grad=True)
    network.layer1(x).sum().backward()
    assert counted.calls == 2
    network.eval()
    network.layer1(x)
    assert counted.calls == 3
