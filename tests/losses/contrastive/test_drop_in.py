"""In place of other libraries' losses: the same values and gradients.

Their formulas are written down again here; where the packages are installed (`pip install
lightly==1.6.0 pytorch-metric-learning==2.9.0`), their own code is compared with too.
"""

import importlib
import importlib.util
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from simclr_bench import NTXentLoss, nt_xent, supervised_contrastive
from tests.losses.contrastive.family import EVERY, LEARNABLE
from tests.losses.numerics import random

NT_XENT = [impl for objective, impl in EVERY if objective == "nt_xent"]


def lightly(z0: Tensor, z1: Tensor, tau: float) -> Tensor:
    """lightly's NTXentLoss, without a memory bank: four B x B blocks, diagonals cut out."""
    a, b = functional.normalize(z0, dim=1), functional.normalize(z1, dim=1)
    losses = []
    for one, other in ((a, b), (b, a)):
        for i in range(len(one)):
            own = [one[i] @ one[j] / tau for j in range(len(one)) if j != i]
            across = [one[i] @ other[j] / tau for j in range(len(other))]
            losses.append(torch.logsumexp(torch.stack(own + across), dim=0) - across[i])
    return torch.stack(losses).mean()


def metric_learning_nt_xent(z: Tensor, labels: Tensor, tau: float) -> Tensor:
    """pytorch-metric-learning's NTXentLoss: one term per positive pair, over all negatives of it.

    Its mean is over pairs, and other positives of the anchor are not in the denominator.
    """
    unit = functional.normalize(z, dim=1)
    terms = []
    for i in range(len(z)):
        negatives = [unit[i] @ unit[k] / tau for k in range(len(z)) if labels[k] != labels[i]]
        for j in range(len(z)):
            if j != i and labels[j] == labels[i]:
                positive = unit[i] @ unit[j] / tau
                terms.append(torch.logsumexp(torch.stack([positive, *negatives]), 0) - positive)
    return torch.stack(terms).mean()


def metric_learning_supcon(z: Tensor, labels: Tensor, tau: float) -> Tensor:
    """pytorch-metric-learning's SupConLoss: mean over the rows that have a positive."""
    unit = functional.normalize(z, dim=1)
    losses = []
    for i in range(len(z)):
        logits = {j: unit[i] @ unit[j] / tau for j in range(len(z)) if j != i}
        everything = torch.logsumexp(torch.stack(list(logits.values())), dim=0)
        positives = [everything - s for j, s in logits.items() if labels[j] == labels[i]]
        if positives:
            losses.append(torch.stack(positives).mean())
    return torch.stack(losses).mean()


def value_and_gradients(loss: Tensor, inputs: list[Tensor]) -> list[Tensor]:
    return [loss.detach(), *torch.autograd.grad(loss, inputs)]


Loss = Callable[..., Tensor]


def formula_and_package(formula: Loss, module: str, name: str) -> pytest.MarkDecorator:
    """Parametrizes `theirs`, which takes what the formula takes."""

    def package(*given: Tensor | float) -> Tensor:
        *tensors, tau = given
        loss: Tensor = getattr(importlib.import_module(module), name)(temperature=tau)(*tensors)
        return loss

    theirs = [pytest.param(formula, id="formula")]
    if importlib.util.find_spec(module.partition(".")[0]) is not None:
        theirs.append(pytest.param(package, id="package"))
    return pytest.mark.parametrize("theirs", theirs)


@formula_and_package(lightly, "lightly.loss", "NTXentLoss")
@pytest.mark.parametrize("impl", NT_XENT)
@pytest.mark.parametrize("tau", [0.07, 0.5])
def test_lightly_ntxentloss(theirs: Loss, impl: str, tau: float) -> None:
    views = [random(5, 6, seed=seed).requires_grad_() for seed in (1, 2)]
    want = value_and_gradients(theirs(*views, tau), views)
    got = value_and_gradients(NTXentLoss(tau, impl=impl)(*views), views)
    for one, other in zip(got, want, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-12)


@formula_and_package(metric_learning_nt_xent, "pytorch_metric_learning.losses", "NTXentLoss")
@pytest.mark.parametrize("impl", NT_XENT)
def test_metric_learning_ntxentloss_of_two_views(theirs: Loss, impl: str) -> None:
    views = [random(4, 5, seed=seed).requires_grad_() for seed in (1, 2)]
    labels = torch.arange(4).repeat(2)
    want = value_and_gradients(theirs(torch.cat(views), labels, 0.07), views)
    got = value_and_gradients(nt_xent(*views, 0.07, impl=impl), views)
    for one, other in zip(got, want, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-12)


@formula_and_package(metric_learning_supcon, "pytorch_metric_learning.losses", "SupConLoss")
@pytest.mark.parametrize("impl", LEARNABLE)
def test_metric_learning_supconloss(theirs: Loss, impl: str) -> None:
    z = [random(9, 5, seed=1).requires_grad_()]
    labels = torch.tensor([0, 1, 2, 0, 1, 0, 1, 3, 0])
    want = value_and_gradients(theirs(*z, labels, 0.1), z)
    got = value_and_gradients(supervised_contrastive(*z, labels, 0.1, impl=impl), z)
    for one, other in zip(got, want, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-12)
