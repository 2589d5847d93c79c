"""Fused SimCLR losses, and a harness that re-runs the tables of arXiv:2108.00587.

The losses are the library: `from simclr_bench import nt_xent`. They are imported on first use, so
that the command line can answer without loading torch.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simclr_bench.losses import (
        DistillationLoss,
        NTXentLoss,
        decoupled_nt_xent,
        distillation_loss,
        info_nce,
        nt_xent,
        supervised_contrastive,
    )

__version__ = "0.1.0"
__all__ = [
    "DistillationLoss",
    "NTXentLoss",
    "__version__",
    "decoupled_nt_xent",
    "distillation_loss",
    "info_nce",
    "nt_xent",
    "supervised_contrastive",
]


def __getattr__(name: str) -> object:
    if name in __all__:
        from simclr_bench import losses

        return getattr(losses, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
