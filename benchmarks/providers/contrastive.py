"""Peers of NT-Xent, each called as its authors mean it, for the exact loss where it has one."""

import math
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

# Where SigLIP starts training.
SIGLIP_BIAS = -10.0


def _rows(z0: Tensor, z1: Tensor) -> Tensor:
    """Both views' rows, normalised. The positive of row i is row i of `z.roll(len(z0), 0)`."""
    return functional.normalize(torch.cat([z0, z1]), dim=1)


def _mates(z0: Tensor) -> Tensor:
    """The index of each row's positive."""
    return torch.arange(2 * len(z0), device=z0.device).roll(len(z0))


def _lightly(cell: LossCell) -> LossFunction:
    from lightly.loss.ntx_ent_loss import NTXentLoss

    return NTXentLoss(temperature=cell.temperature)


def _metric_learning(cell: LossCell) -> LossFunction:
    from pytorch_metric_learning.losses import NTXentLoss, SelfSupervisedLoss

    return SelfSupervisedLoss(NTXentLoss(temperature=cell.temperature))


def _metric_learning_supcon(cell: LossCell) -> LossFunction:
    from pytorch_metric_learning.losses import SelfSupervisedLoss, SupConLoss

    return SelfSupervisedLoss(SupConLoss(temperature=cell.temperature))


def supcontrast_formula(cell: LossCell) -> LossFunction:
    """L_out of supervised contrastive learning, masks and all, with images as their own classes.

    Source: Khosla et al. 2020 (arXiv:2004.11362), Eq. 2. Its code is not on PyPI.
    """

    def loss(z0: Tensor, z1: Tensor) -> Tensor:
        z = _rows(z0, z1)
        image = torch.arange(len(z0), device=z.device).repeat(2)
        others = 1 - torch.eye(len(z), dtype=z.dtype, device=z.device)
        positives = others * (image[:, None] == image)
        logits = z @ z.T / cell.temperature
        logits = logits - logits.detach().amax(dim=1, keepdim=True)
        log_p = logits - (others * logits.exp()).sum(dim=1, keepdim=True).log()
        return -((positives * log_p).sum(dim=1) / positives.sum(dim=1)).mean()

    return loss


def _autocast(cell: LossCell) -> LossFunction:
    eager = eager_nt_xent(cell)

    def loss(z0: Tensor, z1: Tensor) -> Tensor:
        with torch.autocast(z0.device.type, torch.bfloat16):
            return eager(z0, z1)

    return loss


def _open_clip(cell: LossCell) -> LossFunction:
    from open_clip.loss import ClipLoss

    clip, scale = ClipLoss(), 1 / cell.temperature

    def loss(z0: Tensor, z1: Tensor) -> Tensor:
        found: Tensor = clip(
            functional.normalize(z0, dim=1), functional.normalize(z1, dim=1), scale
        )
        return found

    return loss


def _memeff(cell: LossCell) -> LossFunction:
    from memeff import MemoryEfficientQwen3Loss

    # Half of the rows at a time. A margin of 2 and more masks nothing; "stable" would scale the
    # gradient.
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
        z = _rows(z0, z1)
        q, v = z[None, None], z.new_zeros(1, 1, len(z), 16)
        scale = 1 / cell.temperature
        wanted = AuxRequest(lse=True)
        _, aux = flex(q, q, v, score_mod=without_itself, scale=scale, return_aux=wanted)
        return (aux.lse[0, 0] - scale * (z * z.roll(len(z0), 0)).float().sum(dim=1)).mean()

    return loss


def _inf_cl(cell: LossCell) -> LossFunction:
    from inf_cl import cal_flash_loss

    def loss(z0: Tensor, z1: Tensor) -> Tensor:
        z, scale, width = _rows(z0, z1), 1 / cell.temperature, min(cell.columns, 256)
        losses: Tensor = cal_flash_loss(z, z, labels=_mates(z0), scale=scale, head_dim=width)
        return losses.mean()

    return loss


def _cut_cross_entropy(cell: LossCell) -> LossFunction:
    from cut_cross_entropy import linear_cross_entropy

    impl = "cce" if cell.device == "cuda" else "torch_compile"

    def loss(z0: Tensor, z1: Tensor) -> Tensor:
        z = _rows(z0, z1)
        # Filtered gradients would be an approximation.
        found: Tensor = linear_cross_entropy(
            z / cell.temperature, z, _mates(z0), impl=impl, filter_eps=None
        )
        return found

    return loss


def _siglip(cell: LossCell) -> LossFunction:
    from siglip_kernel import fused_siglip_loss

    log_scale = torch.tensor(-math.log(cell.temperature), device=cell.device)
    bias = torch.tensor(SIGLIP_BIAS, device=cell.device)

    def loss(z0: Tensor, z1: Tensor) -> Tensor:
        z = _rows(z0, z1)
        # Named for bfloat16, but it multiplies in the dtype of its inputs.
        found: Tensor = fused_siglip_loss(
            z, z.roll(len(z0), 0), log_scale, bias, backend="chunked_bf16"
        )
        return found

    return loss


SELF_TERM = "keeps each row's similarity to itself"

# One float32 buffer of N x N numbers is 0.27 GB at 8192 rows; on a CPU, at its peak, lightly holds
# 4.5 of them, SupCon of pytorch-metric-learning 11, the SupContrast formula 6.
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
    Provider(
        "pytorch-metric-learning-supcon",
        {"nt_xent": _metric_learning_supcon},
        package="pytorch-metric-learning",
        module="pytorch_metric_learning.losses",
        largest_rows=4096,
    ),
    Provider("supcontrast-formula", {"nt_xent": supcontrast_formula}, largest_rows=8192),
    Provider("eager-autocast", {"nt_xent": _autocast}, largest_rows=16384, dtype="bfloat16"),
    Provider(
        "open-clip",
        {"nt_xent": _open_clip},
        package="open_clip_torch",
        module="open_clip.loss",
        largest_rows=16384,
        differs="compares the views with each other only: half of the similarities",
    ),
    Provider(
        "cut-cross-entropy",
        {"nt_xent": _cut_cross_entropy},
        package="cut-cross-entropy",
        module="cut_cross_entropy",
        largest_rows=16384,
        compiled=True,
        differs=SELF_TERM,
    ),
    # Has no backward on a CPU (torch 2.11).
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
        differs=f"{SELF_TERM}, and multiplies in TF32",
    ),
    Provider(
        "siglip-kernel",
        {"nt_xent": _siglip},
        package="siglip-kernel",
        module="siglip_kernel",
        extra="bench-gpu",
        devices=("cuda",),
        differs="a sigmoid of every similarity, a row's to itself too, and no softmax",
    ),
)
