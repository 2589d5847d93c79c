"""The golden check: rounding passes, every planted fault does not."""

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from simclr_bench.errors import DataError
from simclr_bench.networks.resnet import ResNet
from simclr_bench.networks.shapes import ResNetShape
from simclr_bench.weights.golden import (
    LEAST_TOLERANCE,
    compare,
    golden_images,
    golden_values,
    measure,
)
from tests.weights.invented import SMALL, resnet


@pytest.fixture(scope="module")
def network() -> ResNet:
    return resnet()


@pytest.fixture(scope="module")
def stored(network: ResNet) -> dict[str, Any]:
    double = measure(copy.deepcopy(network).double(), dtype=torch.float64)
    return golden_values(double, measure(network))


def test_the_images_are_the_same_everywhere() -> None:
    images = golden_images(32)
    assert images.shape == (2, 3, 32, 32) and images.dtype == torch.float32
    # By hand: at x = 31, y = 30 the red wave is (31 * 5 + 30 * 3) % 510 = 245; the green texture is
    # (31 * 31 * 7 + 31 * 30 * 12 + 30 * 30 * 5 + 83) % 256 = 22470 % 256 = 198.
    assert images[0, 0, 30, 31] == torch.tensor(245.0) / 255
    assert images[1, 1, 30, 31] == torch.tensor(198.0) / 255
    assert images.min() == 0 and images.max() == 1


def test_rounding_passes(network: ResNet, stored: dict[str, Any]) -> None:
    assert stored["tolerance"] < 30 * LEAST_TOLERANCE
    assert compare(stored, measure(network), "here") <= 1 / 20
    threads = torch.get_num_threads()
    torch.set_num_threads(3 - min(threads, 2))
    try:
        assert compare(stored, measure(network), "here") < 0.5
    finally:
        torch.set_num_threads(threads)


def test_a_shorter_product_is_not_used_even_where_it_is_allowed(
    network: ResNet, stored: dict[str, Any]
) -> None:
    torch.set_float32_matmul_precision("medium")
    try:
        with torch.autocast("cpu", torch.bfloat16):
            assert compare(stored, measure(network), "here") < 0.5
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")


def pool_of_torchvision(network: ResNet) -> None:
    network.shape = replace(network.shape, pool="symmetric")


def epsilon(value: float) -> Callable[[ResNet], None]:
    def change(network: ResNet) -> None:
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eps = value

    return change


def swapped_inputs(network: ResNet) -> None:
    network.conv1.weight.data = network.conv1.weight.data.flip(1)


def swapped_channels(network: ResNet) -> None:
    weight = network.layer2[1].conv1.weight.data
    weight[:2] = weight[[1, 0]]


def two_convolutions_swapped(network: ResNet) -> None:
    block = network.layer3[1]
    block.conv1.weight, block.conv2.weight = block.conv2.weight, block.conv1.weight


def training_statistics(network: ResNet) -> None:
    network.layer4[0].bn1.train()


def a_forgotten_shift(network: ResNet) -> None:
    network.layer4[1].bn2.bias.data.zero_()


PLANTED = [
    pool_of_torchvision,
    epsilon(1e-3),
    epsilon(1e-4),
    swapped_inputs,
    swapped_channels,
    two_convolutions_swapped,
    training_statistics,
    a_forgotten_shift,
]


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_a_planted_fault_is_found(
    network: ResNet, stored: dict[str, Any], plant: Callable[[ResNet], None]
) -> None:
    broken = copy.deepcopy(network)
    plant(broken)
    with pytest.raises(DataError, match=r"file: the network does not compute .* off by"):
        compare(stored, measure(broken), "file")


def test_shuffled_blocks_are_found() -> None:
    network = resnet(ResNetShape(depth=34))
    stored = golden_values(
        measure(copy.deepcopy(network).double(), dtype=torch.float64), measure(network)
    )
    compare(stored, measure(network), "here")
    group = network.layer3
    network.layer3 = nn.Sequential(group[0], group[2], group[1], *group[3:])
    with pytest.raises(DataError, match="does not compute"):
        compare(stored, measure(network), "here")


def test_heads_are_looked_at_too(network: ResNet) -> None:
    linear = nn.Linear(SMALL.features, 3)
    found = measure(network, {"classifier": linear})
    stored = golden_values(found, found)
    linear.bias.data += 1e-2
    with pytest.raises(DataError, match="classifier values"):
        compare(stored, measure(network, {"classifier": linear}), "here")
    with pytest.raises(DataError, match="convert the weights again"):
        compare(stored, measure(network), "here")


class Says(nn.Module):
    """A network that says what it is told."""

    def __init__(self, say: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.say = say

    def forward(self, images: Tensor) -> Tensor:
        return self.say(images)


@pytest.mark.parametrize(
    ("say", "words"),
    [
        (lambda images: images.new_zeros(2, 4), "all zero"),
        (lambda images: images.new_ones(2, 4), "the same features"),
        (lambda images: torch.full((2, 4), torch.nan), "not finite"),
        (lambda images: 1 + 1e-6 * images[:, 0, 40, :4], "the same features"),
    ],
)
def test_dead_features_are_refused(say: Callable[[Tensor], Tensor], words: str) -> None:
    with pytest.raises(DataError, match=words):
        measure(Says(say))


def test_weights_whose_features_are_noise_say_so(stored: dict[str, Any]) -> None:
    noisy = copy.deepcopy(stored)
    values = noisy["features"]["values"]
    noisy["features"]["values"] = [value * 1.01 for value in values]
    assert golden_values(stored, noisy)["tolerance"] > 0.1
