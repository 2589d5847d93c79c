"""The projection head: widths, what is left out, where fine-tuning starts."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from simclr_bench.networks.projection import ProjectionHead
from simclr_bench.networks.resnet import initialize
from tests.networks.test_resnet import randomize


@pytest.mark.parametrize(
    "features, layers, parameters",
    [
        (2048, 3, 8_659_072),
        (2048, 2, 4_460_672),
        (4096, 3, 34_095_232),
        (8192, 3, 135_299_200),
        (6144, 3, 76_308_608),
    ],
)
def test_counts_are_those_of_the_official_heads(
    features: int, layers: int, parameters: int
) -> None:
    with torch.device("meta"):
        head = ProjectionHead(features, layers=layers)
    assert sum(parameter.numel() for parameter in head.parameters()) == parameters


def test_every_layer_can_be_the_last_that_is_read() -> None:
    head = ProjectionHead(6, layers=3, output=4).eval()
    randomize(head, 0)
    h = torch.randn(5, 6, generator=torch.Generator().manual_seed(1))
    state = head.state_dict()
    expected = [h]
    for index in range(3):
        z = expected[-1] @ state[f"dense.{index}.weight"].T
        z = (z - state[f"norm.{index}.running_mean"]) * state[f"norm.{index}.weight"]
        z = z / (state[f"norm.{index}.running_var"] + 1e-5).sqrt()
        if index < 2:
            z = F.relu(z + state[f"norm.{index}.bias"])
        expected.append(z)
    with torch.inference_mode():
        for until, wanted in enumerate(expected):
            torch.testing.assert_close(head(h, until), wanted)
        torch.testing.assert_close(head(h), expected[3])
    assert expected[3].min() < 0


def test_the_last_norm_alone_has_no_shift() -> None:
    state = ProjectionHead(6, layers=2).state_dict()
    assert "norm.0.bias" in state and "norm.1.bias" not in state
    assert "norm.0.bias" not in ProjectionHead(6, layers=1).state_dict()


def test_it_trains_without_that_shift() -> None:
    head = ProjectionHead(6, output=4)
    initialize(head, torch.Generator().manual_seed(0))
    head(torch.randn(8, 6)).square().sum().sqrt().backward()
    z = head(torch.randn(8, 6))
    torch.testing.assert_close(z.mean(dim=0), torch.zeros(4), atol=1e-5, rtol=0)
    assert all(parameter.grad is not None for parameter in head.parameters())


def test_initialization_of_linear_layers() -> None:
    head, classifier = ProjectionHead(512), nn.Linear(512, 1000)
    generator = torch.Generator().manual_seed(0)
    for module in (head, classifier):
        initialize(module, generator)
    for weight in (head.dense[0].weight, classifier.weight):
        assert weight.std().item() == pytest.approx(0.01, rel=0.01)
    assert not classifier.bias.any()


@pytest.mark.parametrize("until", [-1, 4])
def test_layers_that_are_not_there_are_refused(until: int) -> None:
    with pytest.raises(ValueError, match=f"until must be 0 to 3, got {until}"):
        ProjectionHead(6)(torch.randn(2, 6), until)


def test_no_layer_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1 layer, got 0"):
        ProjectionHead(6, layers=0)
