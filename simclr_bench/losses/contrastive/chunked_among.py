"""What the global batch asks of the chunked path: rows compared with those of other processes.

The formulas are those of `chunked`, for the objectives with one positive per row. `fused` has the
same two functions.
"""

import torch
from torch import Tensor

from simclr_bench.losses.chunks import rows_per_chunk
from simclr_bench.losses.contrastive.chunked import (
    as_tensor,
    log_sum,
    through_normalize,
    times_exp,
    unit_rows,
)
from simclr_bench.losses.contrastive.reference import Objective
from simclr_bench.losses.precision import loss_dtype


def forward_among(
    objective: Objective,
    z0: Tensor,
    z1: Tensor,
    others: Tensor,
    temperature: float | Tensor,
    *,
    normalize: bool,
) -> tuple[Tensor, Tensor]:
    """The loss of each row, compared with the rows of `others` [2, M / 2, D] too. [N]

    And its statistics [3, N]: the largest similarity among the negatives, the log of the sum of
    exponentials above it, and the similarity of the positive.
    """
    u, _ = unit_rows(z0, z1, normalize)
    every = torch.cat([u, unit_rows(others[0], others[1], normalize)[0]])
    tau, n = as_tensor(temperature, z0), len(u)
    statistics = u.new_empty(3, n)
    for index in torch.arange(n, device=u.device).split(rows_per_chunk(n, len(every), u.device)):
        similarities = u[index] @ every.T
        pairs = (index + n // 2) % n
        statistics[2, index] = similarities.gather(1, pairs[:, None])[:, 0]
        similarities.scatter_(1, torch.stack([index, pairs], dim=1), -torch.inf)
        statistics[:2, index] = log_sum(similarities, tau, loss_dtype(z0))
    missed = _missed(statistics, tau)
    if objective != "decoupled":
        missed = missed.clamp_min(0) + torch.log1p(torch.exp(-missed.abs()))
    return missed.to(loss_dtype(z0)), statistics.double()


def backward_among(
    objective: Objective,
    z0: Tensor,
    z1: Tensor,
    others: Tensor,
    statistics: Tensor,
    weight: float,
    temperature: float | Tensor,
    *,
    normalize: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of `weight` times the sum over all rows, for z0, z1 and the temperature.

    `statistics` [3, N + M] are those of these rows, then those of `others`.
    """
    u, norms = unit_rows(z0, z1, normalize)
    every = torch.cat([u, unit_rows(others[0], others[1], normalize)[0]])
    tau, n, dtype = as_tensor(temperature, z0), len(u), loss_dtype(z0)
    statistics = statistics.to(u.dtype)
    missed = _missed(statistics, tau)
    q = weight * (torch.ones_like(missed) if objective == "decoupled" else torch.sigmoid(missed))
    push = times_exp(q, statistics[1])
    # Rows without negatives weigh nothing, whatever is above them.
    maxima = statistics[0].masked_fill(statistics[0] == -torch.inf, torch.inf)
    grad_u = torch.empty_like(u)
    for index in torch.arange(n, device=u.device).split(rows_per_chunk(n, len(every), u.device)):
        similarities = u[index] @ every.T
        pairs = (index + n // 2) % n
        # A row's own role, and its role in the sums of all others.
        weights = ((similarities - maxima[index, None]) / tau).to(dtype).exp_() * push[index, None]
        weights += ((similarities - maxima) / tau).to(dtype).exp_() * push
        weights.scatter_(1, index[:, None], 0)
        weights.scatter_(1, pairs[:, None], -(q[index] + q[pairs])[:, None].to(weights.dtype))
        grad_u[index] = weights.to(u.dtype) @ every
    grad_u /= tau
    # The loss is a function of u·u/tau: scaling u by c is dividing tau by c².
    grad_tau = (u * grad_u).sum() / (-2 * tau)
    grad_z0, grad_z1 = through_normalize(grad_u, u, norms, normalize).to(z0.dtype).chunk(2)
    return grad_z0, grad_z1, grad_tau.double()


def _missed(statistics: Tensor, tau: Tensor) -> Tensor:
    maxima, log_sums, positives = statistics
    return (maxima - positives) / tau + log_sums
