"""Inputs of a cell, one step of a loss, and how far it is from float64."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.grid import Cell
from benchmarks.providers import ALPHA, LossFunction

# Elements of a block of similarities in float64: 128 MB.
BLOCK = 2**24


@dataclass(frozen=True)
class Inputs:
    """What a loss is called with, and which of it gets a gradient."""

    arguments: tuple[Tensor, ...]
    leaves: tuple[Tensor, ...]


def make_inputs(cell: Cell, device: str = "cpu") -> Inputs:
    """Seeded inputs: z1 is a noisy z0, and the teacher is near the student, as in training."""
    generator = torch.Generator().manual_seed(0)
    rows = cell.rows // 2 if cell.loss == "nt_xent" else cell.rows
    x = torch.randn(rows, cell.columns, generator=generator)
    y = 0.7 * x + 0.7 * torch.randn(rows, cell.columns, generator=generator)
    dtype = getattr(torch, cell.dtype)
    x, y = x.to(device, dtype).requires_grad_(), y.to(device, dtype)
    if cell.loss == "nt_xent":
        return Inputs((x, y), (x, y.requires_grad_()))
    target = torch.randint(cell.columns, (rows,), generator=generator).to(device)
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


def exact(cell: Cell, inputs: Inputs) -> tuple[float, Tensor]:
    """The mean loss and its gradients, one below the other, in float64."""
    wide = cast(inputs, "float64")
    if cell.loss == "distillation":
        loss, gradients = _exact_distillation(cell, wide)
    else:
        loss, gradients = _exact_nt_xent(cell.temperature, *wide.leaves)
    return loss, torch.cat(gradients)


def _exact_distillation(cell: Cell, wide: Inputs) -> tuple[float, tuple[Tensor, ...]]:
    student, teacher, target = wide.arguments
    t, alpha = cell.temperature, ALPHA
    with torch.no_grad():
        p, q, hard = (torch.softmax(x, dim=1) for x in (teacher / t, student / t, student))
        gaps = torch.log_softmax(teacher / t, dim=1) - torch.log_softmax(student / t, dim=1)
        labels = functional.cross_entropy(student, target)
        loss = alpha * t * t * (p * gaps).sum(dim=1).mean() + (1 - alpha) * labels
        hard[torch.arange(cell.rows), target] -= 1
        gradient = (alpha * t * (q - p) + (1 - alpha) * hard) / cell.rows
    return loss.item(), (gradient,)


def _exact_nt_xent(tau: float, z0: Tensor, z1: Tensor) -> tuple[float, tuple[Tensor, ...]]:
    """By blocks of rows, with the positive left out of the sum.

    As a truth the printed formula is not enough: once the positive has all the mass it returns the
    rounding of 1, also in float64. The gap of a row is the log-sum-exp of its negatives less its
    positive's similarity; its loss is softplus(gap), and sigmoid(gap) of its mass is wrong.
    """
    z = functional.normalize(torch.cat([z0, z1]), dim=1)
    with torch.no_grad():
        n = z.shape[0]
        partner = torch.arange(n, device=z.device).roll(n // 2)
        total, gradient = 0.0, torch.zeros_like(z)
        for rows in torch.arange(n, device=z.device).split(max(1, BLOCK // n)):
            block, mates = torch.arange(len(rows), device=z.device), partner[rows]
            logits = z[rows] @ z.T / tau
            positives = logits[block, mates]
            logits[block, rows] = -torch.inf
            logits[block, mates] = -torch.inf
            negatives = logits.logsumexp(dim=1)
            gaps = negatives - positives
            total += functional.softplus(gaps).sum().item()
            wrong = torch.sigmoid(gaps)
            weights = logits.sub_(negatives[:, None]).exp_().mul_(wrong[:, None])
            weights[block, mates] = -wrong
            gradient[rows] += weights @ z
            gradient += weights.T @ z[rows]
    return total / n, torch.autograd.grad(z, (z0, z1), gradient / (n * tau))


def errors(
    truth: tuple[float, Tensor], loss: Tensor, gradients: tuple[Tensor, ...]
) -> tuple[float, float]:
    """The relative error of the loss, and of the gradients by their norms."""
    exact_loss, exact_gradient = truth
    got = torch.cat(gradients).double()
    loss_error = abs(loss.item() - exact_loss) / abs(exact_loss)
    return loss_error, ((got - exact_gradient).norm() / exact_gradient.norm()).item()
