"""What the tests of the contrastive losses share: who is tested, on what, and against which truth.

All four losses are called on two matrices of B rows here; the supervised one sees them as one of N.
"""

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from simclr_bench import decoupled_nt_xent, info_nce, nt_xent, supervised_contrastive
from tests.losses.numerics import SEEDS, Case, random, rows_and_gradients

OBJECTIVES = ("nt_xent", "decoupled", "info_nce", "supervised")
FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    "nt_xent": nt_xent,
    "decoupled": decoupled_nt_xent,
    "info_nce": info_nce,
    "supervised": supervised_contrastive,
}

# Every fast implementation of every loss, at a temperature that may be learned.
IMPLS = ("chunked", "fused")
FAST = [(objective, impl) for objective in OBJECTIVES for impl in IMPLS]
EVERY = [*FAST, *((objective, "reference") for objective in OBJECTIVES)]
LEARNABLE = (*IMPLS, "reference")

# 1: no negatives; 2: two of them; 5 and 19: no multiple of the 16-row block or of the 4-wide panel,
# below and above one block; 33 x 70: more than one block and more than one partial sum of 64.
SHAPES = [(1, 1), (2, 3), (5, 8), (19, 5), (33, 70)]

# Independent Gaussians are the easy case: no row is near a decision and nothing cancels.
REGIMES = {
    "random": lambda x, y: (x, y),
    "collapsed": lambda x, y: (1 + 1e-3 * x, 1 + 1e-3 * y),  # all embeddings in one place
    "converged": lambda x, y: (x, x + 1e-3 * y),  # late in training: the positive has all the mass
    "antipodal": lambda x, y: (x, -x),  # the worst positive there is
    "duplicates": lambda x, y: (x[:1].expand_as(x), y),  # negatives as good as the anchor itself
    "scaled": lambda x, y: (1e4 * x, 1e-4 * y),  # length must not matter
}
# At least this long are the rows of each regime, for the shapes below; shorter ones turn faster.
LENGTHS = dict.fromkeys(REGIMES, 0.01) | {"scaled": 1e-6}
TEMPERATURES = [0.002, 0.02, 0.1, 1.0, 100.0]


def allowed(objective: str, pairs: int) -> bool:
    """Whether the loss is defined for so few pairs."""
    return not (objective == "decoupled" and pairs == 1)


def class_labels(rows: int) -> Tensor:
    """Labels of a third as many classes, mixed, the last row alone in its own. [rows]"""
    labels = torch.arange(rows) * 7 % max(1, rows // 3)
    if rows >= 4:
        labels[-1] = -1
    return labels


def pair_labels(rows: int) -> Tensor:
    """Labels that make the other view the only positive. [rows]"""
    return torch.arange(rows // 2).repeat(2)


def loss_of(
    objective: str,
    impl: str,
    temperature: float = 0.1,
    normalize: bool = True,
    reduction: str = "none",
    labels: Callable[[int], Tensor] = class_labels,
) -> Callable[..., Tensor]:
    """The loss of two matrices of views and, if given third, a temperature tensor."""

    def loss(z0: Tensor, z1: Tensor, tau: Tensor | None = None) -> Tensor:
        options: dict[str, Any] = {"reduction": reduction, "normalize": normalize, "impl": impl}
        divisor = temperature if tau is None else tau
        if objective == "supervised":
            z = torch.cat([z0, z1])
            return supervised_contrastive(z, labels(len(z)).to(z.device), divisor, **options)
        return FUNCTIONS[objective](z0, z1, divisor, **options)

    return loss


def exact_of(
    objective: str, normalize: bool = True, labels: Callable[[int], Tensor] = class_labels
) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """The loss per row in float64 with positives and negatives apart; gradients by autograd.

    As a truth the printed formula is not enough: once the positive has all the mass it returns the
    rounding of 1, also in float64.
    """

    def loss(z0: Tensor, z1: Tensor, tau: Tensor) -> Tensor:
        z = torch.cat([z0, z1]).double()
        if normalize:
            z = functional.normalize(z, dim=1)
        logits = z @ z.T / tau
        n, half = len(z), len(z0)
        itself = torch.eye(n, dtype=torch.bool, device=z.device)
        positive = itself.roll(half, dims=1)
        if objective == "supervised":
            of = labels(n).to(z.device)
            positive = (of[:, None] == of[None, :]) & ~itself
        compared = ~itself
        if objective == "info_nce":
            second = torch.arange(n, device=z.device) >= half
            compared = second[:, None] != second[None, :]
        counts = positive.sum(dim=1)
        alone = (counts == 0)[:, None]
        # Rows without one of the two sets get a stand-in of logits 0, and are overwritten below.
        attracting = logits.masked_fill(~positive, -torch.inf).masked_fill(alone, 0)
        repelling = compared & ~positive
        free = (~repelling.any(dim=1))[:, None]
        repelling = logits.masked_fill(~repelling, -torch.inf).masked_fill(free, 0)
        pull = torch.logsumexp(attracting, dim=1)
        if objective != "supervised":
            pull = logits[positive]  # the same, but that its gradient is 1 without rounding
        missed = torch.logsumexp(repelling, dim=1) - pull
        if objective == "decoupled":
            return missed
        rows = torch.logaddexp(missed, torch.zeros_like(missed)).masked_fill(free[:, 0], 0)
        if objective == "supervised":
            rows = rows + pull - torch.where(positive, logits, 0).sum(dim=1) / counts.clamp_min(1)
        return rows.masked_fill(alone[:, 0], 0)

    return loss


@functools.cache
def known_draws(
    objective: str,
    regime: str,
    temperature: float,
    dtype: torch.dtype,
    shape: tuple[int, int],
    normalize: bool,
    device: str,
) -> list[tuple[tuple[Tensor, ...], Tensor, list[Tensor], list[Tensor]]]:
    """Per draw: inputs, upstream gradient, and what the formula gives naively and exactly."""
    results = []
    tau = torch.tensor(
        temperature, dtype=torch.float64 if dtype is torch.float64 else torch.float32, device=device
    )
    for seed in SEEDS:
        x, y = random(*shape, seed=seed), random(*shape, seed=100 + seed)
        views = tuple(z.to(device, dtype) for z in REGIMES[regime](x, y))
        inputs = (*views, tau)
        upstream = random(2 * shape[0], seed=200 + seed).to(device)
        reference = loss_of(objective, "reference", normalize=normalize)
        naive = rows_and_gradients(reference, inputs, upstream)
        exact = rows_and_gradients(
            exact_of(objective, normalize), tuple(z.double() for z in inputs), upstream
        )
        results.append((inputs, upstream, naive, exact))
    return results


def draws(
    objective: str,
    impl: str,
    regime: str,
    temperature: float,
    dtype: torch.dtype,
    shape: tuple[int, int],
    *,
    normalize: bool = True,
    device: str = "cpu",
    learned: bool = True,
) -> list[list[Case]]:
    """Per draw: the row losses, both gradients and, if it is learned, the temperature's."""
    results = []
    known = known_draws(objective, regime, temperature, dtype, shape, normalize, device)
    for inputs, upstream, naive, exact in known:
        if learned:
            got = rows_and_gradients(loss_of(objective, impl, 0.0, normalize), inputs, upstream)
        else:
            loss = loss_of(objective, impl, float(inputs[2]), normalize)
            got = rows_and_gradients(loss, inputs[:2], upstream)
        noises = [0.0] * 4
        if normalize:
            noise = gradient_noise(objective, exact[0], temperature)
            of_tau = noise * len(upstream) / temperature
            noises = [0.0, noise / LENGTHS[regime], noise / LENGTHS[regime], of_tau]
        quantities = zip(got, naive, exact, noises, strict=False)
        results.append([Case(*quantity) for quantity in quantities])
    return results


def roundings(temperature: float) -> float:
    """A similarity is known to a few roundings of 1 in float64, its logit to 1/tau as many."""
    return 64 * (1 + 1 / temperature) * 2**-52


def missed_mass(objective: str, exact_rows: Tensor) -> Tensor:
    """What multiplies the gradient of each row: the probability that is not its positive's.

    1 where that is not all: decoupled rows are always pushed, and positives compete.
    """
    if objective in ("decoupled", "supervised"):
        return torch.ones_like(exact_rows)
    return -torch.expm1(-exact_rows)


def gradient_noise(objective: str, exact_rows: Tensor, temperature: float) -> float:
    """What a gradient in float64 may be off by, from its terms before they cancel, at length 1.

    They are the missed mass times the upstream gradient (5 is more than any that is drawn here),
    over tau.
    """
    missed = missed_mass(objective, exact_rows).max().item()
    return roundings(temperature) * 5 * missed / temperature
