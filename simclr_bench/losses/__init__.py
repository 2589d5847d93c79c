"""The losses of SimCLR and SimCLRv2, fused. Knows nothing of the rest of the package."""

from simclr_bench.losses.contrastive import (
    NTXentLoss,
    decoupled_nt_xent,
    info_nce,
    nt_xent,
    supervised_contrastive,
)
from simclr_bench.losses.distillation import DistillationLoss, distillation_loss
from simclr_bench.losses.extension import CompiledExtension, compiled_extension

__all__ = [
    "CompiledExtension",
    "DistillationLoss",
    "NTXentLoss",
    "compiled_extension",
    "decoupled_nt_xent",
    "distillation_loss",
    "info_nce",
    "nt_xent",
    "supervised_contrastive",
]
