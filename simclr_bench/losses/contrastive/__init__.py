"""The contrastive losses: public functions and modules in `api`, one file per implementation."""

from simclr_bench.losses.contrastive.api import NTXentLoss, nt_xent

__all__ = ["NTXentLoss", "nt_xent"]
