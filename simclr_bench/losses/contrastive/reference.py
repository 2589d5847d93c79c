"""NT-Xent as the paper prints it: the specification for every other implementation.

Plain PyTorch, differentiable any number of times, right in float64; half types are computed in
float32. Temporaries are of size N x N: use it for small problems and for checking.
"""

import torch
from torch import Tensor
from torch.nn import functional

from simclr_bench.losses.precision import at_least_float32


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
