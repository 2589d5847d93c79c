"""The losses under torch.compile: one graph, few compilations, the same values."""

import pytest
import torch
from torch import Tensor
from torch._dynamo.testing import CompileCounter

from simclr_bench import (
    decoupled_nt_xent,
    distillation_loss,
    info_nce,
    nt_xent,
    supervised_contrastive,
)
from tests.losses.numerics import random


def supervised(z: Tensor, other: Tensor, tau: float | Tensor) -> Tensor:
    labels = torch.arange(len(z), device=z.device) % 3
    return supervised_contrastive(z + other, labels, tau)


def distillation(student: Tensor, teacher: Tensor, tau: float) -> Tensor:
    return distillation_loss(student, teacher, temperature=tau)


CONTRASTIVE = [nt_xent, decoupled_nt_xent, info_nce, supervised]


@pytest.fixture(autouse=True)
def forgetful() -> None:
    torch._dynamo.reset()


@pytest.mark.parametrize("loss", [*CONTRASTIVE, distillation])
def test_one_graph_and_the_same_gradients(loss) -> None:
    x, y = random(6, 4, seed=1).requires_grad_(), random(6, 4, seed=2)
    compiled = torch.compile(loss, backend="aot_eager", fullgraph=True)
    value = compiled(x, y, 0.5)
    (got,) = torch.autograd.grad(value, x)
    (want,) = torch.autograd.grad(loss(x, y, 0.5), x)
    torch.testing.assert_close(value, loss(x, y, 0.5))
    torch.testing.assert_close(got, want)


@pytest.mark.parametrize("loss", CONTRASTIVE)
def test_a_learned_temperature_stays_in_the_graph(loss) -> None:
    x, y = random(6, 4, seed=1), random(6, 4, seed=2)
    tau = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    compiled = torch.compile(loss, backend="aot_eager", fullgraph=True)
    (got,) = torch.autograd.grad(compiled(x, y, tau), tau)
    (want,) = torch.autograd.grad(loss(x, y, tau), tau)
    torch.testing.assert_close(got, want)


@pytest.mark.parametrize("loss", [*CONTRASTIVE, distillation])
def test_batches_of_any_size_take_two_compilations(loss) -> None:
    counter = CompileCounter()
    compiled = torch.compile(loss, backend=counter, fullgraph=True)
    for rows in (4, 6, 9, 12, 31):
        x, y = random(rows, 5, seed=1), random(rows, 5, seed=2)
        torch.testing.assert_close(compiled(x, y, 0.5), loss(x, y, 0.5))
    assert counter.frame_count <= 2
