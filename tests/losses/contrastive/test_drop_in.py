"""In place of other libraries' losses: their formulas, written down again here, give the same."""

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


@pytest.mark.parametrize("impl", NT_XENT)
@pytest.mark.parametrize("tau", [0.07, 0.5])
def test_lightly_ntxentloss(impl: str, tau: float) -> None:
    views = [random(5, 6, seed=seed).requires_grad_() for seed in (1, 2)]
    want = value_and_gradients(lightly(*views, tau), views)
    got = value_and_gradients(NTXentLoss(tau, impl=impl)(*views), views)
    for one, other in zip(got, want, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("impl", NT_XENT)
def test_metric_learning_ntxentloss_of_two_views(impl: str) -> None:
    views = [random(4, 5, seed=seed).requires_grad_() for seed in (1, 2)]
    labels = torch.arange(4).repeat(2)
    theirs = metric_learning_nt_xent(torch.cat(views), labels, 0.07)
    ours = nt_xent(*views, 0.07, impl=impl)
    want, got = (value_and_gradients(loss, views) for loss in (theirs, ours))
    for one, other in zip(got, want, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("impl", LEARNABLE)
def test_metric_learning_supconloss(impl: str) -> None:
    z = [random(9, 5, seed=1).requires_grad_()]
    labels = torch.tensor([0, 1, 2, 0, 1, 0, 1, 3, 0])
    want = value_and_gradients(metric_learning_supcon(*z, labels, 0.1), z)
    got = value_and_gradients(supervised_contrastive(*z, labels, 0.1, impl=impl), z)
    for one, other in zip(got, want, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-12)
