"""Who races on a GPU besides providers.py: kernels of Triton, and eager under autocast.

Each is called as its authors mean it, for the exact loss where it has one. inf-cl and
cut-cross-entropy cannot leave a row's similarity to itself out: equal work, another value.
"""

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.grid import Cell
from benchmarks.providers import ALPHA, PROVIDERS, LossFunction, Provider, eager_nt_xent

# Read when memeff is imported: float32 as it is, as ours.
os.environ.setdefault("MEMEFF_INPUT_PRECISION", "ieee")


def _normalized(z0: Tensor, z1: Tensor) -> tuple[Tensor, Tensor]:
    """The rows, and the index of each one's positive."""
    z = functional.normalize(torch.cat([z0, z1]), dim=1)
    return z, torch.arange(len(z), device=z.device).roll(len(z0))


def _autocast(cell: Cell) -> LossFunction:
    eager = eager_nt_xent(cell)

    def loss(z0: Tensor, z1: Tensor) -> Tensor:
        with torch.autocast("cuda", torch.bfloat16):
            return eager(z0, z1)

    return loss


def _memeff(cell: Cell) -> LossFunction:
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


def _flex_attention(cell: Cell) -> LossFunction:
    from torch.nn.attention.flex_attention import AuxRequest, flex_attention

    torch._dynamo.reset()
    flex: Callable[..., Any] = torch.compile(flex_attention, dynamic=False)

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


def _inf_cl(cell: Cell) -> LossFunction:
    from inf_cl import cal_flash_loss

    def loss(z0: Tensor, z1: Tensor) -> Tensor:
        z, mates = _normalized(z0, z1)
        width = min(cell.columns, 256)
        losses: Tensor = cal_flash_loss(z, z, mates, 1 / cell.temperature, width)
        return losses.mean()

    return loss


def _cut_cross_entropy(cell: Cell) -> LossFunction:
    from cut_cross_entropy import linear_cross_entropy

    def loss(z0: Tensor, z1: Tensor) -> Tensor:
        z, mates = _normalized(z0, z1)
        # Filtered gradients would be an approximation.
        found: Tensor = linear_cross_entropy(
            z / cell.temperature, z, mates, impl="cce", filter_eps=None
        )
        return found

    return loss


def _liger(cell: Cell) -> LossFunction:
    from liger_kernel.transformers.kl_div import LigerKLDIVLoss

    t, divergence = cell.temperature, LigerKLDIVLoss(reduction="batchmean")

    def loss(student: Tensor, teacher: Tensor, target: Tensor) -> Tensor:
        log_q = functional.log_softmax(student.float() / t, dim=1)
        p = functional.softmax(teacher.float() / t, dim=1)
        hard = functional.cross_entropy(student.float(), target)
        return ALPHA * t * t * divergence(log_q, p) + (1 - ALPHA) * hard

    return loss


# Of another value than the loss.
INEXACT = ("inf-cl", "cut-cross-entropy")

_TRITON = (
    Provider("memeff", {"nt_xent": _memeff}, package="memeff", module="memeff"),
    Provider("inf-cl", {"nt_xent": _inf_cl}, package="inf-cl", module="inf_cl"),
    Provider(
        "cut-cross-entropy",
        {"nt_xent": _cut_cross_entropy},
        package="cut-cross-entropy",
        module="cut_cross_entropy",
    ),
    Provider(
        "liger",
        {"distillation": _liger},
        package="liger-kernel",
        module="liger_kernel.transformers.kl_div",
    ),
)

# What does not fit says so: no limit on the rows is known beforehand.
GPU_PROVIDERS = {
    provider.name: provider
    for provider in (
        *(
            replace(PROVIDERS[name], largest_rows=None)
            for name in ("fused", "eager", "compile", "lightly")
        ),
        Provider("eager-autocast", {"nt_xent": _autocast}),
        Provider("flex-attention", {"nt_xent": _flex_attention}, compiled=True),
        *(replace(provider, extra="bench-gpu") for provider in _TRITON),
    )
}
