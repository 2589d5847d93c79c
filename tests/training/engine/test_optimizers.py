"""LARS on a whole network against the formulas in float64, and who is left out of what."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from simclr_bench.networks.projection import ProjectionHead
from simclr_bench.networks.resnet import ResNet, initialize
from simclr_bench.networks.shapes import ResNetShape
from simclr_bench.training.engine.optimizers import make_optimizer
from simclr_bench.training.lars import LARS
from tests.training.engine.tiny import RECIPE


class Whole(nn.Module):
    """An encoder, a projection head and a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = ResNet(ResNetShape(depth=18, stem="cifar"))
        self.projection = ProjectionHead(512, layers=2, output=8)
        self.classifier = nn.Linear(512, 3)
        initialize(self, torch.Generator().manual_seed(0))


def official_name(name: str, module: nn.Module) -> str:
    """What the official code would call a parameter, as far as its exclusions look."""
    if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
        return f"batch_normalization/{'beta' if name.endswith('bias') else 'gamma'}"
    prefix = "head_supervised/" if name.startswith("classifier") else ""
    return prefix + ("dense/bias" if name.endswith("bias") else "dense/kernel")


def gradients(network: nn.Module, step: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(100 + step)
    return {
        name: torch.randn(parameter.shape, generator=generator) * 10 ** (step - 2)
        for name, parameter in network.named_parameters()
    }


def test_a_network_moves_as_the_official_formulas_say() -> None:
    network = Whole()
    recipe = replace(RECIPE, weight_decay=1e-2)
    optimizer = make_optimizer(network, recipe)
    owners = {
        name: official_name(name, network.get_submodule(name.rpartition(".")[0]))
        for name, _ in network.named_parameters()
    }
    assert sum("batch_normalization" in owner for owner in owners.values()) == 2 * 21 + 3
    w = {name: p.detach().double().clone() for name, p in network.named_parameters()}
    v = {name: torch.zeros_like(value) for name, value in w.items()}
    for step, rate in enumerate((0.0, 0.5, 2.0, 0.1)):
        for group in optimizer.param_groups:
            group["lr"] = rate
        given = gradients(network, step)
        for name, parameter in network.named_parameters():
            parameter.grad = given[name].clone()
        optimizer.step()
        for name, owner in owners.items():
            g = given[name].double()
            # The head's decay is a term of the loss: in the gradient, without a trust ratio.
            if not any(word in owner for word in ("batch_normalization", "bias")):
                g = g + 1e-2 * w[name]
            ratio = 1.0
            if not any(word in owner for word in ("batch_normalization", "bias", "head_super")):
                ratio = float(0.001 * w[name].norm() / g.norm())
            v[name] = 0.9 * v[name] + rate * ratio * g
            w[name] = w[name] - v[name]
    for name, parameter in network.named_parameters():
        torch.testing.assert_close(parameter.detach().double(), w[name], rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("group", [{}, {"adapted": False}, {"excluded": True}], ids=str)
def test_the_steps_of_a_gpu_are_those_of_the_cpu(group: dict[str, bool]) -> None:
    """The path that a GPU takes, on the CPU, in float64; norms of zero among others."""
    generator = torch.Generator().manual_seed(2)
    shapes = [(3, 4), (5,), (2, 3, 3, 3), (4,), ()]
    starts = [torch.randn(s, dtype=torch.float64, generator=generator) for s in shapes]
    starts[3].zero_()
    one, other = ([start.clone().requires_grad_() for start in starts] for _ in range(2))
    optimizers = [
        LARS([{"params": tensors, **group}], lr=0.0, weight_decay=0.1) for tensors in (one, other)
    ]
    for rate in (0.0, 0.3, 2.0):
        for tensors, optimizer in zip((one, other), optimizers, strict=True):
            optimizer.param_groups[0]["lr"] = rate
            generator.manual_seed(int(10 * rate))
            for number, tensor in enumerate(tensors):
                tensor.grad = torch.randn(tensor.shape, dtype=torch.float64, generator=generator)
                if number == 1:
                    tensor.grad = -0.1 * tensor.detach()  # with decay, nothing is left of it
        optimizers[0].step()
        with torch.no_grad():
            optimizers[1]._update_together(other, optimizers[1].param_groups[0])
    for wanted, got in zip(one, other, strict=True):
        assert torch.isfinite(got).all()
        torch.testing.assert_close(got, wanted, rtol=1e-12, atol=1e-14)


def test_sgd_decays_biases_too_and_has_nesterovs_momentum() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    optimizer = make_optimizer(network, replace(RECIPE, optimizer="sgd", weight_decay=0.5))
    start = {name: p.detach().clone() for name, p in network.named_parameters()}
    for group in optimizer.param_groups:
        group["lr"] = 0.1
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    for name, parameter in network.named_parameters():
        decay = 0.5 if name.startswith("0") else 0.0
        g = 1 + decay * start[name]
        torch.testing.assert_close(parameter.detach(), start[name] - 0.1 * (g + 0.9 * g))


def test_what_is_frozen_is_in_no_group() -> None:
    network = Whole()
    network.encoder.requires_grad_(False)
    for optimizer in ("lars", "sgd"):
        made = make_optimizer(network, replace(RECIPE, optimizer=optimizer))
        chosen = {id(p) for group in made.param_groups for p in group["params"]}
        assert chosen == {id(p) for p in network.parameters() if p.requires_grad}
