"""The losses as the papers print them: the specification for every other implementation.

Plain PyTorch, differentiable any number of times, right in float64; half types are computed in
float32. Temporaries are of size N x N and B x C: use it for small problems and for checking.
"""

import torch
from torch import Tensor
from torch.nn import functional


def loss_dtype(x: Tensor) -> torch.dtype:
    """The dtype of losses of `x`: float64 for float64, float32 for everything else."""
    return torch.float64 if x.dtype == torch.float64 else torch.float32


def at_least_float32(x: Tensor) -> Tensor:
    """`x` in the dtype its loss is computed in."""
    return x.to(loss_dtype(x))


def nt_xent(z0: Tensor, z1: Tensor, temperature: float, *, normalize: bool) -> Tensor:
    """The normalized temperature-scaled cross-entropy of each row.

    Args:
        z0: First view of each image. [B, D]
        z1: Second view, same order. [B, D]
        temperature: tau > 0.
        normalize: Whether rows are divided by their length first.

    Returns:
        Loss in nats, z0's rows and then z1's. [2B]

    Source: SimCLR (arXiv:2002.05709), Eq. 1.
    """
    pairs = z0.shape[0]
    z = at_least_float32(torch.cat([z0, z1]))
    if normalize:
        z = functional.normalize(z, dim=1)
    rows = torch.arange(2 * pairs, device=z.device)
    itself = rows[:, None] == rows[None, :]
    logits = (z @ z.T / temperature).masked_fill(itself, -torch.inf)
    positives = torch.roll(rows, pairs)
    return functional.cross_entropy(logits, positives, reduction="none")


def distillation(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Cross-entropy of the student under the teacher's soft labels, per row.

    A class to which the teacher gives probability 0 contributes 0, whatever the student's logit.

    Args:
        student: Logits. [B, C]
        teacher: Logits; gets no gradient. [B, C]
        temperature: tau > 0; divides both.

    Returns:
        Loss in nats, without a factor tau^2. [B]

    Source: SimCLRv2 (arXiv:2006.10029), Eq. 2.
    """
    soft_labels = torch.softmax(at_least_float32(teacher.detach()) / temperature, dim=1)
    log_predictions = torch.log_softmax(at_least_float32(student) / temperature, dim=1)
    terms = torch.where(soft_labels == 0, 0, soft_labels * log_predictions)
    return -terms.sum(dim=1)
