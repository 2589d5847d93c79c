"""The contrastive losses as their papers print them: the specification for every other path.

Plain PyTorch, differentiable any number of times, right in float64; half types are computed in
float32. Temporaries are of size N x N: use it for small problems and for checking.
"""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from simclr_bench.losses.precision import at_least_float32

Objective = Literal["nt_xent", "decoupled", "info_nce", "supervised"]

PUBLIC_NAMES: dict[Objective, str] = {
    "nt_xent": "nt_xent",
    "decoupled": "decoupled_nt_xent",
    "info_nce": "info_nce",
    "supervised": "supervised_contrastive",
}


def rows(
    objective: Objective,
    z0: Tensor,
    z1: Tensor | None,
    temperature: float | Tensor,
    *,
    normalize: bool,
    labels: Tensor | None = None,
) -> Tensor:
    """The loss of each row.

    With s_ij the product of two rows, p(i) the other view of row i and P(i) the other rows of its
    label, row i loses

        nt_xent     -log(exp(s_ip/tau) / sum of exp(s_ia/tau) over a != i)
        decoupled   the same with the sum over a != i, p
        info_nce    the same with the sum over the rows of the other tower, p among them
        supervised  the mean over p in P(i) of nt_xent's; 0 where P(i) is empty

    Args:
        objective: Which of the four.
        z0: First views, or the first tower; all rows if supervised. [B, D], or [N, D]
        z1: Second views, or the second tower, same order; None if supervised. [B, D]
        temperature: tau > 0, a number or a tensor on the same device or the CPU. []
        normalize: Whether rows are divided by their length first.
        labels: Of the rows, for supervised only. [N]

    Returns:
        Loss in nats, z0's rows and then z1's. [N]

    Source: SimCLR (arXiv:2002.05709), Eq. 1; Decoupled Contrastive Learning (arXiv:2110.06848),
        L_DC; CLIP (arXiv:2103.00020), Figure 3; Supervised Contrastive Learning
        (arXiv:2004.11362), Eq. 2.
    """
    z = at_least_float32(z0 if z1 is None else torch.cat([z0, z1]))
    if normalize:
        z = functional.normalize(z, dim=1)
    if objective == "info_nce":
        first, second = z.chunk(2)
        logits = first @ second.T / temperature
        own = torch.arange(len(first), device=z.device)
        both = [functional.cross_entropy(x, own, reduction="none") for x in (logits, logits.T)]
        return torch.cat(both)
    index = torch.arange(len(z), device=z.device)
    itself = index[:, None] == index[None, :]
    # Divided before masked: -inf / tau would make the temperature's gradient NaN.
    logits = (z @ z.T / temperature).masked_fill(itself, -torch.inf)
    if objective == "supervised":
        assert labels is not None
        return _supervised(logits, (labels[:, None] == labels[None, :]) & ~itself)
    positives = torch.roll(index, len(z) // 2)
    if objective == "nt_xent":
        return functional.cross_entropy(logits, positives, reduction="none")
    positive = positives[:, None] == index[None, :]
    negatives = logits.masked_fill(positive, -torch.inf)
    return torch.logsumexp(negatives, dim=1) - logits[positive]


def _supervised(logits: Tensor, positive: Tensor) -> Tensor:
    """Eq. 2 of SupCon from logits with the diagonal at -inf, and who is whose positive. [N]"""
    counts = positive.sum(dim=1)
    # Rows without positives are a constant: nothing of theirs may reach the gradient.
    logits = logits.masked_fill((counts == 0)[:, None], 0)
    log_probabilities = torch.where(positive, torch.log_softmax(logits, dim=1), 0)
    return -log_probabilities.sum(dim=1) / counts.clamp_min(1)
