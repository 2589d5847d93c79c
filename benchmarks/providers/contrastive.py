"""Peers of NT-Xent, each called as its authors mean it, for the exact loss where it has one."""

import os
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.grid.cells import LossCell
from benchmarks.providers.losses import eager_nt_xent
from benchmarks.providers.provider import LossFunction, Provider

# Read when memeff is imported: float32 as it is, as ours.
os.environ.setdefault("MEMEFF_INPUT_PRECISION", "ieee")


def _lightly(cell: LossCell) -> LossFunction:
    from lightly.loss.ntx_ent_loss import NTXentLoss

    return NTXentLoss(temperature=cell.temperature)


def _metric_learning(cell: LossCell) -> LossFunction:
    from pytorch_metric_learning.losses import NTXentLoss, SelfSupervisedLoss

    return SelfSupervisedLoss(NTXentLoss(temperature=cell.temperature))


def _normalized(z0: Tensor, z1: Tensor) -> tuple[Tensor, Tensor]:
    """The rows, and the index of each one's positive."""
    z = functional.normalize(torch.cat([z0, z1]), dim=1)
    return z, torch.arange(len(z), device=z.device).roll(len(z0))


def _autocast(cell: LossCell) -> LossFunction:
    eager = eager_nt_xent(cell)

    def loss(z0: Tensor, z1: Tensor) -> Tensor:
        with torch.autocast("cuda", torch.bfloat16):
            return eager(z0, z1)

    return loss


def _memeff(cell: LossCell) -> LossFunction:
    from memeff import MemoryEfficientQwen3Loss

    # A margin of 2 and more masks nothing; "stable" would scale the gradient.
    half = MemoryEfficientQwen3Loss(
        temperature=cell.temperature,
        margin=4.0,
        use_qq_negatives=True,
        use_dd_negatives=False,
        stable=False,
        normalized_inputs=False,
    )
    return lambda z0, z1: 0.5 * (half(z0, z1) + half(z1, z0))


def _flex_attention(cell: LossCell) -> LossFunction:
    from torch.nn.attention.flex_attention import AuxRequest, flex_attention

    # Beyond eight shapes it fails, where without fullgraph it would be eager without a word.
    flex: Callable[..., Any] = torch.compile(flex_attention, dynamic=False, fullgraph=True)

    def without_itself(score: Tensor, b: Tensor, h: Tensor, i: Tensor, j: Tensor) -> Tensor:
        return torch.where(i == j, -torch.inf, score)

    def loss(z0: Tensor, z1: Tensor) -> Tensor:
        z, mates = _normalized(z0, z1)
        q, v = z[None, None], z.new_zeros(1, 1, len(z), 16)
        scale = 1 / cell.temperature
        wanted = AuxRequest(lse=True)
        _, aux = flex(q, q, v, score_mod=without_itself, scale=scale, return_aux=wanted)
        return (aux.lse[0, 0] - scale * (z * z[mates]).float().sum(dim=1)).mean()

    return loss


def _inf_cl(cell: LossCell) -> LossFunction:
    from inf_cl import cal_flash_loss

    def loss(z0: Tensor, z1: Tensor) -> Tensor:
        z, mates = _normalized(z0, z1)
        width = min(cell.columns, 256)
        losses: Tensor = cal_flash_loss(z, z, mates, 1 / cell.temperature, width)
        return losses.mean()

    return loss


def _cut_cross_entropy(cell: LossCell) -> LossFunction:
    from cut_cross_entropy import linear_cross_entropy

    def loss(z0: Tensor, z1: Tensor) -> Tensor:
        z, mates = _normalized(z0, z1)
        # Filtered gradients would be an approximation.
        found: Tensor = linear_cross_entropy(
            z / cell.temperature, z, mates, impl="cce", filter_eps=None
        )
        return found

    return loss


SELF_TERM = "keeps each row's similarity to itself"

PROVIDERS = (
    Provider(
        "lightly",
        {"nt_xent": _lightly},
        package="lightly",
        module="lightly.loss.ntx_ent_loss",
        largest_rows=16384,
    ),
    # Compares every triplet: N^3 numbers.
    Provider(
        "pytorch-metric-learning",
        {"nt_xent": _metric_learning},
        package="pytorch-metric-learning",
        module="pytorch_metric_learning.losses",
        largest_rows=256,
    ),
    Provider("eager-autocast", {"nt_xent": _autocast}, devices=("cuda",)),
    Provider("flex-attention", {"nt_xent": _flex_attention}, compiled=True, devices=("cuda",)),
    Provider(
        "memeff",
        {"nt_xent": _memeff},
        package="memeff",
        module="memeff",
        extra="bench-gpu",
        devices=("cuda",),
    ),
    Provider(
        "inf-cl",
        {"nt_xent": _inf_cl},
        package="inf-cl",
        module="inf_cl",
        extra="bench-gpu",
        devices=("cuda",),
        other_loss=SELF_TERM,
    ),
    Provider(
        "cut-cross-entropy",
        {"nt_xent": _cut_cross_entropy},
        package="cut-cross-entropy",
        module="cut_cross_entropy",
        extra="bench-gpu",
        devices=("cuda",),
        other_loss=SELF_TERM,
    ),
)
