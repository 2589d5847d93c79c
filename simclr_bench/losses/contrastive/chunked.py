"""NT-Xent in pure PyTorch and in chunks: what runs where there is no compiled operator.

The formulas are those of csrc/cpu/nt_xent.cpp, a few rows at a time. No N x N matrix is ever
formed; saved for the backward are the inputs and a few numbers per row. Gradients are exact; a
second derivative is refused.
"""

from typing import Any

import torch
from torch import Tensor

from simclr_bench.losses.chunks import rows_per_chunk
from simclr_bench.losses.dispatch import second_derivative_refused
from simclr_bench.losses.precision import at_least_float32, loss_dtype

EPSILON = 1e-12  # torch.nn.functional.normalize's


def nt_xent(
    z0: Tensor, z1: Tensor, temperature: float, *, normalize: bool, chunk_rows: int | None = None
) -> Tensor:
    """NT-Xent per row, as `reference.nt_xent`, in memory O(N D + chunk_rows N).

    Args:
        z0: First view of each image. [B, D]
        z1: Second view, same order. [B, D]
        temperature: tau > 0.
        normalize: Whether rows are divided by their length first.
        chunk_rows: Rows of the similarity matrix to hold at once; chosen by size if None.

    Returns:
        Loss in nats. [2B]

    Source: SimCLR (arXiv:2002.05709), Eq. 1.
    """
    rows = 2 * z0.shape[0]
    chunk_rows = chunk_rows or rows_per_chunk(rows, rows, z0.device)
    loss: Tensor = _NTXent.apply(z0, z1, temperature, normalize, chunk_rows)
    return loss


def _unit_rows(z0: Tensor, z1: Tensor, normalize: bool) -> tuple[Tensor, Tensor]:
    """The N rows as the loss sees them [N, D], and their lengths, 1 without normalizing. [N, 1]

    In float64 on the CPU, since 1/tau magnifies the rounding of similarities; on a GPU, where that
    can be slow, in the dtype of the loss.
    """
    z = torch.cat([z0, z1])
    z = z.double() if z.device.type == "cpu" else at_least_float32(z)
    if not normalize:
        return z, torch.ones_like(z[:, :1])
    norms = torch.linalg.vector_norm(z, dim=1, keepdim=True)
    return z / norms.clamp_min(EPSILON), norms


def _pair_of(rows: Tensor, n: int) -> Tensor:
    return (rows + n // 2) % n


def _exponentials(logits: Tensor, maxima: Tensor, temperature: float, dtype: torch.dtype) -> Tensor:
    """exp((logits - maxima) / temperature), overwriting `logits`; 0, not NaN, without a maximum."""
    logits -= maxima.masked_fill(maxima == -torch.inf, 0)
    return logits.div_(temperature).to(dtype).exp_()


class _NTXent(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, z0: Tensor, z1: Tensor, temperature: float, normalize: bool, chunk_rows: int
    ) -> Tensor:
        u, _ = _unit_rows(z0, z1, normalize)
        n = u.shape[0]
        maxima, log_sums, positives = (u.new_empty(n) for _ in range(3))
        for rows in torch.arange(n, device=u.device).split(chunk_rows):
            pairs = _pair_of(rows, n)
            similarities = u[rows] @ u.T
            positives[rows] = similarities.gather(1, pairs[:, None])[:, 0]
            similarities.scatter_(1, torch.stack([rows, pairs], dim=1), -torch.inf)
            maxima[rows] = similarities.amax(dim=1)
            terms = _exponentials(similarities, maxima[rows, None], temperature, loss_dtype(z0))
            log_sums[rows] = terms.sum(dim=1, dtype=u.dtype).log_()
        gaps = (maxima - positives) / temperature + log_sums
        ctx.save_for_backward(z0, z1, maxima, log_sums, gaps)
        ctx.options = temperature, normalize, chunk_rows
        return (gaps.clamp_min(0) + torch.log1p(torch.exp(-gaps.abs()))).to(loss_dtype(z0))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        both = _NTXentGradient.apply(grad, *ctx.saved_tensors, *ctx.options)
        return *both, None, None, None


class _NTXentGradient(torch.autograd.Function):
    """The gradient as a function of its own, so that differentiating it is refused by name."""

    @staticmethod
    def forward(
        ctx: Any,
        grad: Tensor,
        z0: Tensor,
        z1: Tensor,
        maxima: Tensor,
        log_sums: Tensor,
        gaps: Tensor,
        temperature: float,
        normalize: bool,
        chunk_rows: int,
    ) -> tuple[Tensor, Tensor]:
        u, norms = _unit_rows(z0, z1, normalize)
        n = u.shape[0]
        upstream = grad * torch.sigmoid(gaps)  # sigmoid(gap) is 1 - p of the positive, unrounded
        # What multiplies exp((s - max) / tau); 0 for rows without negatives.
        coefficients = (upstream * torch.exp(-log_sums)).masked_fill(log_sums == -torch.inf, 0)
        grad_u = torch.zeros_like(u)
        right = u.to(loss_dtype(z0))
        for rows in torch.arange(n, device=u.device).split(chunk_rows):
            pairs = _pair_of(rows, n)
            similarities = u[rows] @ u.T
            weights = _exponentials(similarities, maxima[rows, None], temperature, right.dtype)
            weights *= coefficients[rows, None].to(right.dtype)
            weights.scatter_(1, rows[:, None], 0)
            weights.scatter_(1, pairs[:, None], -upstream[rows, None].to(right.dtype))
            # Row terms, then column terms. The latter not from exp((s_ij - max_j) / tau): s_ij and
            # s_ji come from different products, and 1/tau magnifies their last digit.
            grad_u[rows] += weights @ right
            grad_u += weights.T @ right[rows]
        grad_u /= temperature
        if normalize:
            along = (grad_u * u).sum(dim=1, keepdim=True).masked_fill(norms < EPSILON, 0)
            grad_u = (grad_u - along * u) / norms.clamp_min(EPSILON)
        grad_z0, grad_z1 = grad_u.to(z0.dtype).chunk(2)
        return grad_z0, grad_z1

    @staticmethod
    def backward(ctx: Any, *_: Tensor) -> Any:
        raise second_derivative_refused("nt_xent", "chunked")
