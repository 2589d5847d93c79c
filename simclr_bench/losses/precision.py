"""In which dtype losses are computed, and with how many digits a GPU multiplies float32."""

from typing import Literal

import torch
from torch import Tensor

Precision = Literal["highest", "high", "medium"]

# What torch.backends calls them; "none" is its default, which is exact.
_OF_BACKEND: dict[str, Precision] = {"ieee": "highest", "none": "highest", "tf32": "high"}


def loss_dtype(x: Tensor) -> torch.dtype:
    """The dtype of losses of `x`: float64 for float64, float32 for everything else."""
    return torch.float64 if x.dtype == torch.float64 else torch.float32


def at_least_float32(x: Tensor) -> Tensor:
    """`x` in the dtype its loss is computed in."""
    return x.to(loss_dtype(x))


@torch.compiler.assume_constant_result
def float32_precision() -> Precision:
    """The precision that the program has set for products of float32 matrices on a GPU.

    From `torch.backends.cuda.matmul.fp32_precision` where torch has it: reading the older setting
    raises once a program has set this one.
    """
    matmul = torch.backends.cuda.matmul
    if hasattr(matmul, "fp32_precision"):
        return _OF_BACKEND[matmul.fp32_precision]
    precision: Precision = torch.get_float32_matmul_precision()  # type: ignore[assignment]
    return precision
