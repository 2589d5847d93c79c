"""The distillation loss of SimCLRv2: the public function and module."""

from typing import Literal

from torch import Tensor, nn

from simclr_bench.losses.dispatch import (
    IMPLS,
    Impl,
    check_choice,
    check_matrices,
    check_temperature,
    choose,
    without_autocast,
)
from simclr_bench.losses.distillation import chunked, fused, reference

_NAME = "distillation_loss"
_REDUCTIONS = ("batchmean", "sum", "none")


def distillation_loss(
    student: Tensor,
    teacher: Tensor,
    *,
    temperature: float = 1.0,
    scale_by_t2: bool = True,
    reduction: Literal["batchmean", "sum", "none"] = "batchmean",
    impl: Impl = "auto",
) -> Tensor:
    """Cross-entropy of the student under the teacher's softened predictions.

    T^2 · CE(softmax(teacher / T), softmax(student / T)). Eq. 2 has no factor T^2; the official
    notebook multiplies by it, so that gradients keep their size when T changes, and so does this
    function unless told otherwise. At T = 1 both are the same.

    Args:
        student: Logits; float16, bfloat16, float32 or float64. [B, C]
        teacher: Logits, same shape, dtype and device. Gets no gradient. A logit of -inf rules a
            class out: it contributes 0. [B, C]
        temperature: T > 0; divides both.
        scale_by_t2: Whether the loss is multiplied by T^2.
        reduction: "batchmean" for the mean over the B rows, "sum", or "none" for one value per row.
        impl: As in `nt_xent`.

    Returns:
        Loss in nats, float64 for float64 inputs and float32 for all others. [] or [B]

    Raises:
        TypeError: An argument is of the wrong type; a tensor as temperature is one.
        ValueError: Shapes, dtypes or devices differ or are unsupported, or a value is out of range.
        RuntimeError: `impl="fused"`, and there is no compiled operator for these tensors.

    Source: SimCLRv2 (arXiv:2006.10029), Eq. 2.
    """
    check_matrices(_NAME, "[B, C]", ("student", "teacher"), student, teacher)
    check_choice(_NAME, "reduction", reduction, _REDUCTIONS)
    temperature = check_temperature(_NAME, temperature)
    chosen = choose(_NAME, impl, student, teacher)
    with without_autocast(student):
        if chosen == "fused":
            loss = fused.distillation(student, teacher, temperature)
        elif chosen == "chunked":
            loss = chunked.distillation(student, teacher, temperature)
        else:
            loss = reference.distillation(student, teacher, temperature)
    if scale_by_t2:
        loss = loss * temperature**2
    if reduction == "none":
        return loss
    return loss.mean() if reduction == "batchmean" else loss.sum()


class DistillationLoss(nn.Module):
    """`distillation_loss` as a module.

    Args:
        temperature: T > 0.
        scale_by_t2: Whether the loss is multiplied by T^2.
        reduction: As in `distillation_loss`.
        impl: As in `nt_xent`.

    Raises:
        TypeError: The temperature is not a float.
        ValueError: The temperature, `reduction` or `impl` is out of range.

    Source: SimCLRv2 (arXiv:2006.10029), Eq. 2.
    """

    def __init__(
        self,
        temperature: float = 1.0,
        scale_by_t2: bool = True,
        reduction: Literal["batchmean", "sum", "none"] = "batchmean",
        *,
        impl: Impl = "auto",
    ) -> None:
        super().__init__()
        check_choice("DistillationLoss", "reduction", reduction, _REDUCTIONS)
        check_choice("DistillationLoss", "impl", impl, IMPLS)
        self.temperature = check_temperature("DistillationLoss", temperature)
        self.scale_by_t2 = scale_by_t2
        self.reduction: Literal["batchmean", "sum", "none"] = reduction
        self.impl: Impl = impl

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """The loss of a batch of logits. [B, C], [B, C] -> [] or [B]"""
        return distillation_loss(
            student,
            teacher,
            temperature=self.temperature,
            scale_by_t2=self.scale_by_t2,
            reduction=self.reduction,
            impl=self.impl,
        )

    def extra_repr(self) -> str:
        return (
            f"temperature={self.temperature}, scale_by_t2={self.scale_by_t2}, "
            f"reduction={self.reduction!r}, impl={self.impl!r}"
        )
