"""In which dtype losses are computed."""

import torch
from torch import Tensor


def loss_dtype(x: Tensor) -> torch.dtype:
    """The dtype of losses of `x`: float64 for float64, float32 for everything else."""
    return torch.float64 if x.dtype == torch.float64 else torch.float32


def at_least_float32(x: Tensor) -> Tensor:
    """`x` in the dtype its loss is computed in."""
    return x.to(loss_dtype(x))
