"""The contrastive losses: public functions and modules in `api`, one file per implementation."""

from simclr_bench.losses.contrastive.api import (
    NTXentLoss,
    decoupled_nt_xent,
    info_nce,
    nt_xent,
    supervised_contrastive,
)

__all__ = ["NTXentLoss", "decoupled_nt_xent", "info_nce", "nt_xent", "supervised_contrastive"]
