"""NT-Xent, the contrastive loss of SimCLR: the public function and module."""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn

from simclr_bench.losses.contrastive import chunked, fused, reference
from simclr_bench.losses.dispatch import (
    IMPLS,
    Impl,
    check_choice,
    check_matrices,
    check_temperature,
    choose,
    without_autocast,
)

_NAME = "nt_xent"


def nt_xent(
    z0: Tensor,
    z1: Tensor,
    temperature: float = 0.1,
    *,
    reduction: Literal["mean", "sum", "none"] = "mean",
    normalize: bool = True,
    impl: Impl = "auto",
) -> Tensor:
    """The normalized temperature-scaled cross-entropy of paired embeddings.

    Row i of `z0` and row i of `z1` are two views of one image: each has to pick the other among the
    2B - 1 rows that are not itself. The mean is over all N = 2B rows, as in the paper and in
    lightly; the official code of google-research/simclr adds up the means of the two halves, which
    is twice this value. With a single pair there is nothing to pick from: loss and gradient are
    exactly 0.

    Args:
        z0: Embeddings of the first views; float16, bfloat16, float32 or float64. [B, D]
        z1: Embeddings of the second views, same shape, dtype and device. [B, D]
        temperature: tau > 0; divides the similarities.
        reduction: "mean" or "sum" over the N rows, or "none" for z0's rows and then z1's.
        normalize: Whether rows are divided by their length (at least 1e-12) first. Without, rows
            are used as they are.
        impl: "fused" for the compiled operator, "chunked" for pure PyTorch in O(N D) memory,
            "reference" for the formula as printed, "auto" for the first of fused and chunked that
            takes these tensors.

    Returns:
        Loss in nats, float64 for float64 inputs and float32 for all others. [] or [2B]

    Raises:
        TypeError: An argument is of the wrong type; a tensor as temperature is one.
        ValueError: Shapes, dtypes or devices differ or are unsupported, or a value is out of range.
        RuntimeError: `impl="fused"`, and there is no compiled operator for these tensors.

    Source: SimCLR (arXiv:2002.05709), Eq. 1 and Algorithm 1.
    """
    check_matrices(_NAME, "[B, D]", ("z0", "z1"), z0, z1)
    check_choice(_NAME, "reduction", reduction, ("mean", "sum", "none"))
    temperature = check_temperature(_NAME, temperature)
    chosen = choose(_NAME, impl, z0, z1)
    with without_autocast(z0):
        if chosen == "fused":
            loss = fused.nt_xent(z0, z1, temperature, normalize=normalize)
        elif chosen == "chunked":
            loss = chunked.nt_xent(z0, z1, temperature, normalize=normalize)
        else:
            loss = reference.nt_xent(z0, z1, temperature, normalize=normalize)
    if reduction == "none":
        return loss
    return loss.mean() if reduction == "mean" else loss.sum()


class NTXentLoss(nn.Module):
    """`nt_xent` as a module, with the arguments and defaults of lightly's class of this name.

    Args:
        temperature: tau > 0.
        memory_bank_size: Only 0: a memory bank of earlier negatives is not supported.
        gather_distributed: Only False: negatives from other processes are not supported.
        impl: As in `nt_xent`.

    Raises:
        NotImplementedError: A memory bank or gathering is asked for.
        TypeError: The temperature is not a float.
        ValueError: The temperature or `impl` is out of range.

    Source: SimCLR (arXiv:2002.05709), Eq. 1.
    """

    def __init__(
        self,
        temperature: float = 0.5,
        memory_bank_size: int | Sequence[int] = 0,
        gather_distributed: bool = False,
        *,
        impl: Impl = "auto",
    ) -> None:
        super().__init__()
        if memory_bank_size != 0:
            raise NotImplementedError(
                f"NTXentLoss: memory_bank_size must be 0, got {memory_bank_size}; "
                "a memory bank is not supported"
            )
        if gather_distributed:
            raise NotImplementedError(
                "NTXentLoss: gather_distributed must be False; "
                "negatives from other processes are not supported"
            )
        check_choice("NTXentLoss", "impl", impl, IMPLS)
        self.temperature = check_temperature("NTXentLoss", temperature)
        self.impl: Impl = impl

    def forward(self, out0: Tensor, out1: Tensor) -> Tensor:
        """The mean loss of two batches of views. [B, D], [B, D] -> []"""
        return nt_xent(out0, out1, self.temperature, impl=self.impl)

    def extra_repr(self) -> str:
        return f"temperature={self.temperature}, impl={self.impl!r}"
