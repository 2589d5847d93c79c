"""Extraction as it is raced: networks of equal work, and features that are theirs."""

from collections.abc import Callable

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.grid.cells import ImageCell
from benchmarks.providers import networks
from benchmarks.providers.everyone import PROVIDERS

R18 = ImageCell("extract", 3, 16, network="r18")


@pytest.mark.parametrize("name", ["ours", "torchvision"])
def test_features_are_those_of_the_network_in_float64(name: str) -> None:
    call = PROVIDERS[name].builders["extract"](R18)
    features = call()
    assert features.shape == (3, 512) and features.dtype == torch.float32
    assert not features.is_inference() or name == "torchvision"
    assert 0 < call.error() < 1e-5
    with torch.no_grad():
        next(call.network.parameters()).add_(0.01)
    assert torch.linalg.norm(call() - features) > 1e-3


def test_a_wrong_network_is_seen_in_the_error() -> None:
    call = networks.our_features(R18)
    other = networks.Extraction(call.network, call.views, lambda views: call.features(views) + 0.1)
    assert other.error() > 1e-3


def operations(build: Callable[[ImageCell], torch.nn.Module], network: str, side: int) -> int:
    """Of one image, two for each multiplication that is added."""
    with FlopCounterMode(display=False) as counter, torch.device("meta"), torch.no_grad():
        cell = ImageCell("extract", 1, side, network=network, device="meta")
        build(cell)(torch.empty(1, 3, side, side))
    return counter.get_total_flops()


def test_torchvision_has_as_many_operations_but_for_a_shortcut_of_r18() -> None:
    ours, theirs = networks.our_network, networks.torchvision_network
    assert operations(ours, "r50", 224) == operations(theirs, "r50", 224) > 8e9
    shortcut, all_others = 2 * 64 * 64 * 32 * 32, operations(theirs, "r18", 32)
    assert operations(ours, "r18", 32) == all_others + shortcut
    assert f"{100 * shortcut / all_others:.1f} %" in PROVIDERS["torchvision"].differs
