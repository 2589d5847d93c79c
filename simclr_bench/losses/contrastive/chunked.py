"""The contrastive losses in pure PyTorch and in chunks: for where there is no compiled operator.

Row i has positives P, at most one but for the supervised loss, and negatives N. With logits s/tau,

    missed = LSE(N) - LSE(P)                       log-sum-exps over the logits of either set
    loss   = LSE(P) - mean(P) + softplus(missed)   decoupled: + missed

so that nothing is lost where the positives have all the mass. Per unit of loss the logits get, with
q = sigmoid(missed) (decoupled: 1),

    q · softmax over N                                  if negative
    (softmax over P - 1/|P|) - q · softmax over P       if positive: -q, unrounded, for a single one

A few rows of logits are held at a time and no N x N matrix is ever formed; saved for the backward
are the inputs and a few numbers per row. Gradients are exact; a second derivative is refused.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from simclr_bench.losses.chunks import rows_per_chunk
from simclr_bench.losses.contrastive.reference import PUBLIC_NAMES, Objective
from simclr_bench.losses.dispatch import second_derivative_refused
from simclr_bench.losses.precision import loss_dtype

EPSILON = 1e-12  # torch.nn.functional.normalize's


def rows(
    objective: Objective,
    z0: Tensor,
    z1: Tensor | None,
    temperature: float | Tensor,
    *,
    normalize: bool,
    labels: Tensor | None = None,
    chunk_rows: int | None = None,
) -> Tensor:
    """The loss of each row, as `reference.rows`, in memory O(N D + chunk_rows N).

    Args:
        objective: Which loss.
        z0: First views, or the first tower; all rows if supervised. [B, D], or [N, D]
        z1: Second views, or the second tower, same order; None if supervised. [B, D]
        temperature: tau > 0, a number or a tensor on the same device or the CPU. []
        normalize: Whether rows are divided by their length first.
        labels: Of the rows, for supervised only. [N]
        chunk_rows: Rows of logits to hold at once; chosen by size if None.

    Returns:
        Loss in nats. [N]
    """
    n = len(z0) if z1 is None else 2 * len(z0)
    chunk_rows = chunk_rows or rows_per_chunk(n, len(z0), z0.device)
    tau = as_tensor(temperature, z0)
    loss: Tensor = _Rows.apply(z0, z1, tau, labels, objective, normalize, chunk_rows)
    return loss


def _similarity_dtype(z: Tensor) -> torch.dtype:
    """float64 on the CPU, since 1/tau magnifies the rounding of similarities.

    On a GPU, where that can be slow, the dtype of the loss.
    """
    return torch.float64 if z.device.type == "cpu" else loss_dtype(z)


def as_tensor(temperature: float | Tensor, z: Tensor) -> Tensor:
    if isinstance(temperature, Tensor):
        return temperature.to(z.device, _similarity_dtype(z), non_blocking=True)
    return torch.full((), temperature, device=z.device, dtype=_similarity_dtype(z))


def unit_rows(z0: Tensor, z1: Tensor | None, normalize: bool) -> tuple[Tensor, Tensor]:
    """The N rows as the loss sees them [N, D], and their lengths, 1 without normalizing. [N, 1]"""
    z = z0 if z1 is None else torch.cat([z0, z1])
    z = z.to(_similarity_dtype(z))
    if not normalize:
        return z, torch.ones_like(z[:, :1])
    norms = torch.linalg.vector_norm(z, dim=1, keepdim=True)
    return z / norms.clamp_min(EPSILON), norms


def _chunks(
    objective: Objective, n: int, chunk_rows: int, device: torch.device
) -> Iterator[tuple[Tensor, slice]]:
    """Which rows to take at once, and the rows that each of them is compared with."""
    every = torch.arange(n, device=device)
    sides = [(every, slice(0, n))]
    if objective == "info_nce":
        half = n // 2
        sides = [(every[:half], slice(half, n)), (every[half:], slice(0, half))]
    for side, others in sides:
        for part in side.split(chunk_rows):
            yield part, others


def _pair_columns(index: Tensor, others: slice, n: int) -> Tensor:
    """Where in the logits of these rows the other view is. [rows, 1]"""
    return ((index + n // 2) % n - others.start)[:, None]


def _alike(index: Tensor, labels: Tensor) -> Tensor:
    """Which rows are positives of these: those of one label, not themselves. [rows, N]"""
    return (labels[index, None] == labels).scatter_(1, index[:, None], False)


def _exponentials(logits: Tensor, maxima: Tensor, tau: Tensor, dtype: torch.dtype) -> Tensor:
    """exp((logits - maxima) / tau), overwriting `logits`; 0, not NaN, without a maximum."""
    logits -= maxima.masked_fill(maxima == -torch.inf, 0)
    return logits.div_(tau).to(dtype).exp_()


def log_sum(logits: Tensor, tau: Tensor, dtype: torch.dtype) -> Tensor:
    """Per row the maximum, and log of the sum of exp((logits - maximum) / tau). [2, rows]"""
    maxima = logits.amax(dim=1)
    terms = _exponentials(logits, maxima[:, None], tau, dtype)
    return torch.stack([maxima, terms.sum(dim=1, dtype=maxima.dtype).log_()])


def times_exp(weights: Tensor, log_sums: Tensor) -> Tensor:
    """weights · exp(-log_sums): what multiplies an exponential; 0 for an empty sum."""
    return (weights * torch.exp(-log_sums)).masked_fill(log_sums == -torch.inf, 0)


def through_normalize(grad_u: Tensor, u: Tensor, norms: Tensor, normalize: bool) -> Tensor:
    """The gradient of the rows before normalizing, from that of the rows after."""
    if not normalize:
        return grad_u
    along = (grad_u * u).sum(dim=1, keepdim=True).masked_fill(norms < EPSILON, 0)
    return (grad_u - along * u) / norms.clamp_min(EPSILON)


class _Rows(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        z0: Tensor,
        z1: Tensor | None,
        tau: Tensor,
        labels: Tensor | None,
        objective: Objective,
        normalize: bool,
        chunk_rows: int,
    ) -> Tensor:
        u, _ = unit_rows(z0, z1, normalize)
        n, dtype = len(u), loss_dtype(z0)
        # Maximum and log-sum of the negatives and of the positives: of one, its logit and 0.
        negatives, positives = u.new_zeros(2, n), u.new_zeros(2, n)
        means, counts = u.new_empty(n), u.new_ones(n)
        for index, others in _chunks(objective, n, chunk_rows, u.device):
            similarities = u[index] @ u[others].T
            if labels is None:
                pairs = _pair_columns(index, others, n)
                positives[0, index] = means[index] = similarities.gather(1, pairs)[:, 0]
                similarities.scatter_(1, pairs, -torch.inf)
            else:
                alike = _alike(index, labels)
                counts[index] = alike.sum(dim=1, dtype=u.dtype)
                means[index] = (similarities.where(alike, 0).sum(dim=1)) / counts[index]
                only = similarities.masked_fill(~alike, -torch.inf)
                positives[:, index] = log_sum(only, tau, dtype)
                similarities.masked_fill_(alike, -torch.inf)
            if objective != "info_nce":
                similarities.scatter_(1, index[:, None], -torch.inf)
            negatives[:, index] = log_sum(similarities, tau, dtype)
        missed = (negatives[0] - positives[0]) / tau + negatives[1] - positives[1]
        loss = (positives[0] - means) / tau + positives[1]
        if objective == "decoupled":
            loss += missed
        else:
            loss += missed.clamp_min(0) + torch.log1p(torch.exp(-missed.abs()))
        ctx.save_for_backward(z0, z1, tau, labels, negatives, positives, missed, counts)
        ctx.options = objective, normalize, chunk_rows
        return loss.masked_fill(counts == 0, 0).to(dtype)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        learned = ctx.needs_input_grad[2]
        gradients = _RowsGradient.apply(grad, *ctx.saved_tensors, *ctx.options, learned)
        return *gradients, None, None, None, None


class _RowsGradient(torch.autograd.Function):
    """The gradient as a function of its own, so that differentiating it is refused by name."""

    @staticmethod
    def forward(
        ctx: Any,
        grad: Tensor,
        z0: Tensor,
        z1: Tensor | None,
        tau: Tensor,
        labels: Tensor | None,
        negatives: Tensor,
        positives: Tensor,
        missed: Tensor,
        counts: Tensor,
        objective: Objective,
        normalize: bool,
        chunk_rows: int,
        learned: bool,
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        ctx.name = PUBLIC_NAMES[objective]
        u, norms = unit_rows(z0, z1, normalize)
        # The temperature's gradient is a sum that cancels: it would show the rounding of weights.
        n, dtype = len(u), u.dtype if learned else loss_dtype(z0)
        upstream = grad.to(u.dtype).masked_fill(counts == 0, 0)
        q = torch.ones_like(missed) if objective == "decoupled" else torch.sigmoid(missed)
        push = times_exp(upstream * q, negatives[1]).to(dtype)[:, None]
        pull = (-upstream * q).to(dtype)[:, None]
        softmax = times_exp(torch.ones_like(q), positives[1]).to(dtype)[:, None]
        mean = (1 / counts.clamp_min(1)).to(dtype)[:, None]
        grad_u, grad_tau = torch.zeros_like(u), torch.zeros_like(tau) if learned else None
        tops = negatives[0].masked_fill(negatives[0] == -torch.inf, 0)[:, None]
        right = u.to(dtype)
        for index, others in _chunks(objective, n, chunk_rows, u.device):
            similarities = u[index] @ u[others].T
            if labels is not None:
                alike = _alike(index, labels)
                only = similarities.masked_fill(~alike, -torch.inf)
                shares = _exponentials(only, positives[0, index, None], tau, dtype)
                shares *= softmax[index]
                attracted = pull[index] * shares
                attracted += shares.sub_(mean[index]).mul_(upstream[index, None].to(dtype))
            above = similarities - tops[index] if learned else None
            weights = _exponentials(similarities, negatives[0, index, None], tau, dtype)
            weights *= push[index]
            if objective != "info_nce":
                weights.scatter_(1, index[:, None], 0)
            if labels is None:
                weights.scatter_(1, _pair_columns(index, others, n), pull[index])
            else:
                weights = torch.where(alike, attracted, weights)
            if grad_tau is not None and above is not None:
                # A row's weights add up to 0, so that any number may be taken from its logits. This
                # is -sum(u · grad_u) / (2 tau), but grad_u's rounding would outweigh a small sum.
                grad_tau -= above.mul_(weights).sum()
            # Row terms, then column terms. The latter not from exp((s_ij - max_j) / tau): s_ij and
            # s_ji come from different products, and 1/tau magnifies their last digit.
            grad_u[index] += weights @ right[others]
            grad_u[others] += weights.T @ right[index]
        grad_u /= tau
        if grad_tau is not None:
            grad_tau /= tau * tau
        grad_z = through_normalize(grad_u, u, norms, normalize).to(z0.dtype)
        if z1 is None:
            return grad_z, None, grad_tau
        grad_z0, grad_z1 = grad_z.chunk(2)
        return grad_z0, grad_z1, grad_tau

    @staticmethod
    def backward(ctx: Any, *_: Tensor) -> Any:
        raise second_derivative_refused(ctx.name, "chunked")
