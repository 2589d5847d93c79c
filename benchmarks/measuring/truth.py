"""Inputs of a cell, one step of a loss, and how far it is from float64."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.grid.cells import LossCell
from benchmarks.providers.losses import ALPHA
from benchmarks.providers.provider import LossFunction

# Elements of a block of similarities in float64: 128 MB.
BLOCK = 2**24


@dataclass(frozen=True)
class Inputs:
    """What a loss is called with, and which of it gets a gradient."""

    arguments: tuple[Tensor, ...]
    leaves: tuple[Tensor, ...]


def make_inputs(cell: LossCell) -> Inputs:
    """Seeded inputs: z1 is a noisy z0, and the teacher is near the student, as in training."""
    device = cell.device
    generator = torch.Generator(device).manual_seed(0)
    rows = cell.rows // 2 if cell.loss == "nt_xent" else cell.rows
    size = rows, cell.columns
    x = torch.randn(size, generator=generator, device=device)
    y = 0.7 * x + 0.7 * torch.randn(size, generator=generator, device=device)
    dtype = getattr(torch, cell.dtype)
    x, y = x.to(dtype).requires_grad_(), y.to(dtype)
    if cell.loss == "nt_xent":
        return Inputs((x, y), (x, y.requires_grad_()))
    target = torch.randint(cell.columns, (rows,), generator=generator, device=device)
    return Inputs((x, y, target), (x,))


def cast(inputs: Inputs, dtype: str | None) -> Inputs:
    """Copies of the inputs in a floating dtype, as leaves of their own; None for their dtype."""
    wanted = None if dtype is None else getattr(torch, dtype)
    copies = {
        id(x): (x.detach().to(wanted) if x.is_floating_point() else x).clone()
        for x in inputs.arguments
    }
    for leaf in inputs.leaves:
        copies[id(leaf)].requires_grad_()
    return Inputs(
        tuple(copies[id(x)] for x in inputs.arguments),
        tuple(copies[id(x)] for x in inputs.leaves),
    )


def step(function: LossFunction, inputs: Inputs) -> tuple[Tensor, tuple[Tensor, ...]]:
    """One loss and its gradients: what is timed."""
    loss = function(*inputs.arguments)
    return loss, torch.autograd.grad(loss, inputs.leaves)


def exact(cell: LossCell, inputs: Inputs) -> tuple[float, Tensor]:
    """The mean loss and its gradients, one below the other, in float64."""
    losses, gradients = exact_rows(cell, inputs)
    return losses.mean().item(), gradients / cell.rows


def exact_rows(cell: LossCell, inputs: Inputs) -> tuple[Tensor, Tensor]:
    """Each row's loss, and the gradients of their sum, one below the other, in float64.

    By blocks of rows, where the inputs are.
    """
    if cell.loss == "distillation":
        return _exact_distillation(cell, inputs)
    return _exact_nt_xent(cell.temperature, *cast(inputs, "float64").leaves)


def _exact_distillation(cell: LossCell, inputs: Inputs) -> tuple[Tensor, Tensor]:
    t, alpha, losses, gradients = cell.temperature, ALPHA, [], []
    size = max(1, BLOCK // cell.columns)
    for block in zip(*(x.detach().split(size) for x in inputs.arguments), strict=True):
        student, teacher, target = block[0].double(), block[1].double(), block[2]
        p, q, hard = (torch.softmax(x, dim=1) for x in (teacher / t, student / t, student))
        gaps = torch.log_softmax(teacher / t, dim=1) - torch.log_softmax(student / t, dim=1)
        labels = functional.cross_entropy(student, target, reduction="none")
        losses.append(alpha * t * t * (p * gaps).sum(dim=1) + (1 - alpha) * labels)
        hard[torch.arange(len(target)), target] -= 1
        gradients.append(alpha * t * (q - p) + (1 - alpha) * hard)
    return torch.cat(losses), torch.cat(gradients)


def _exact_nt_xent(tau: float, z0: Tensor, z1: Tensor) -> tuple[Tensor, Tensor]:
    """With the positive left out of the sum.

    As a truth the printed formula is not enough: once the positive has all the mass it returns the
    rounding of 1, also in float64. The gap of a row is the log-sum-exp of its negatives less its
    positive's similarity; its loss is softplus(gap), and sigmoid(gap) of its mass is wrong.
    """
    z = functional.normalize(torch.cat([z0, z1]), dim=1)
    with torch.no_grad():
        n = z.shape[0]
        partner = torch.arange(n, device=z.device).roll(n // 2)
        losses, gradient = [], torch.zeros_like(z)
        for rows in torch.arange(n, device=z.device).split(max(1, BLOCK // n)):
            block, mates = torch.arange(len(rows), device=z.device), partner[rows]
            logits = z[rows] @ z.T / tau
            positives = logits[block, mates]
            logits[block, rows] = -torch.inf
            logits[block, mates] = -torch.inf
            negatives = logits.logsumexp(dim=1)
            gaps = negatives - positives
            losses.append(functional.softplus(gaps))
            wrong = torch.sigmoid(gaps)
            weights = logits.sub_(negatives[:, None]).exp_().mul_(wrong[:, None])
            weights[block, mates] = -wrong
            gradient[rows] += weights @ z
            gradient += weights.T @ z[rows]
    return torch.cat(losses), torch.cat(torch.autograd.grad(z, (z0, z1), gradient / tau))


def errors(
    truth: tuple[float, Tensor], loss: Tensor, gradients: tuple[Tensor, ...]
) -> tuple[float, float]:
    """The relative error of the loss, and of the gradients by their norms."""
    exact_loss, exact_gradient = truth
    got = torch.cat(gradients).double()
    loss_error = abs(loss.item() - exact_loss) / abs(exact_loss)
    return loss_error, ((got - exact_gradient).norm() / exact_gradient.norm()).item()
