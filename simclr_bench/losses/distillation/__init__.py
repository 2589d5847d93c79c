"""The distillation loss: public functions and modules in `api`, one file per implementation."""

from simclr_bench.losses.distillation.api import DistillationLoss, distillation_loss

__all__ = ["DistillationLoss", "distillation_loss"]
