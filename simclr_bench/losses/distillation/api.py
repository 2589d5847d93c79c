"""The distillation loss of SimCLRv2 and its relatives: the public function and module."""

import torch
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
from simclr_bench.losses.distillation.options import KINDS, REDUCTIONS, Kind, Options, Reduction

_NAME = "distillation_loss"


def distillation_loss(
    student: Tensor,
    teacher: Tensor,
    target: Tensor | None = None,
    *,
    temperature: float = 1.0,
    kind: Kind = "ce",
    alpha: float = 1.0,
    scale_by_t2: bool = True,
    reduction: Reduction = "batchmean",
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    impl: Impl = "auto",
) -> Tensor:
    """How far the student's softened predictions are from the teacher's, and from the truth.

    alpha · T^2 · soft + (1 - alpha) · hard. With p = softmax(teacher / T) and
    q = softmax(student / T), the soft term is

        "ce"          -Σ p log q, the cross-entropy under the teacher's soft labels
        "kl"          KL(p || q) = Σ p log(p / q)
        "reverse_kl"  KL(q || p)
        "jsd"         (KL(p || m) + KL(q || m)) / 2 with m = (p + q) / 2

    and the hard term the cross-entropy of softmax(student), at temperature 1, under `target`. A
    class of probability 0 contributes 0 to a mean under that distribution.

    Eq. 2 of SimCLRv2 has no factor T^2; the official notebook multiplies by it, so that gradients
    keep their size when T changes, and so does this function unless told otherwise. At T = 1 both
    are the same. Its Eq. 3 mixes the terms by alpha.

    Without a target the loss is alpha · T^2 · soft: what it is with one, less the hard term.

    Args:
        student: Logits; float16, bfloat16, float32 or float64. B may be 0: the sum is then 0 and
            the mean NaN. [B, C]
        teacher: Logits, same shape, dtype and device. Gets a gradient if it requires one; detach it
            for a fixed teacher. A logit of -inf rules a class out. [B, C]
        target: int64 class indices in [0, C), or `ignore_index`; None for the soft term only. [B]
        temperature: T > 0; divides both logits in the soft term.
        kind: The soft term, as above.
        alpha: The weight of the soft term, in [0, 1]; the hard term has 1 - alpha.
        scale_by_t2: Whether the soft term is multiplied by T^2.
        reduction: "batchmean" for the mean over the B rows, "sum", or "none" for one value per row.
            The mean of the hard term is over the rows that have one; if none has, it is 0.
        ignore_index: A target that takes the hard term, and only that, from its row.
        label_smoothing: The share of the hard term's target that is spread over all classes.
        impl: As in `nt_xent`.

    Returns:
        Loss in nats, float64 for float64 inputs and float32 for all others. [] or [B]

    Raises:
        TypeError: An argument is of the wrong type; a tensor as temperature is one.
        ValueError: Shapes, dtypes or devices differ or are unsupported, or a value is out of range.
        IndexError: A target is no class; on the CPU only. On CUDA nothing waits to see it, and the
            compiled operator makes the loss and the student's gradient of that row NaN.
        RuntimeError: `impl="fused"`, and there is no compiled operator for this.

    Source: SimCLRv2 (arXiv:2006.10029), Eq. 2 and 3; Hinton et al. (arXiv:1503.02531).
    """
    if impl in ("auto", "fused"):
        loss = fused.at_once(
            student,
            teacher,
            target,
            temperature,
            kind,
            alpha,
            scale_by_t2,
            reduction,
            ignore_index,
            label_smoothing,
        )
        if loss is not None:
            return loss
    check_matrices(_NAME, "[B, C]", ("student", "teacher"), student, teacher, rows=0)
    if target is not None:
        _check_target(target, student)
    temperature = check_temperature(_NAME, temperature)
    _check_options(_NAME, kind, alpha, reduction, ignore_index, label_smoothing)
    options = Options(
        temperature,
        kind,
        alpha * temperature**2 if scale_by_t2 else alpha,
        1 - alpha,
        label_smoothing,
        ignore_index,
        reduction,
    )
    why_not = fused.why_not(student)
    chosen = choose(_NAME, impl, student, teacher, also_not_fused=why_not)
    if chosen == "fused":  # autocast does not reach into it
        return fused.distillation(student, teacher, target, options)
    with without_autocast(student):
        if chosen == "chunked":
            return chunked.distillation(student, teacher, target, options)
        return reference.distillation(student, teacher, target, options)


def _check_target(target: Tensor, student: Tensor) -> None:
    if not isinstance(target, Tensor):
        raise TypeError(f"{_NAME}: target must be a tensor, got {type(target).__name__}")
    if target.dtype != torch.int64:
        raise ValueError(f"{_NAME}: target must be int64, got {target.dtype}")
    if target.shape != student.shape[:1]:
        wanted, got = list(student.shape[:1]), list(target.shape)
        raise ValueError(f"{_NAME}: target must be [B] = {wanted}, got {got}")
    if target.device != student.device:
        raise ValueError(f"{_NAME}: target must be on {student.device}, got {target.device}")


def _check_options(
    op: str,
    kind: object,
    alpha: object,
    reduction: object,
    ignore_index: object,
    label_smoothing: object,
) -> None:
    check_choice(op, "kind", kind, KINDS)
    check_choice(op, "reduction", reduction, REDUCTIONS)
    for name, value in (("alpha", alpha), ("label_smoothing", label_smoothing)):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError(f"{op}: {name} must be a float, got {type(value).__name__} {value!r}")
        if not 0 <= value <= 1:
            raise ValueError(f"{op}: {name} must be in [0, 1], got {value}")
    if isinstance(ignore_index, bool) or not isinstance(ignore_index, int):
        got = type(ignore_index).__name__
        raise TypeError(f"{op}: ignore_index must be an int, got {got} {ignore_index!r}")


class DistillationLoss(nn.Module):
    """`distillation_loss` as a module.

    Args:
        temperature: T > 0.
        scale_by_t2: Whether the soft term is multiplied by T^2.
        reduction: As in `distillation_loss`, like all that follow.
        kind: The soft term.
        alpha: The weight of the soft term.
        ignore_index: A target that takes the hard term from its row.
        label_smoothing: Of the hard term.
        impl: As in `nt_xent`.

    Raises:
        TypeError: An option is of the wrong type.
        ValueError: An option is out of range.

    Source: SimCLRv2 (arXiv:2006.10029), Eq. 2 and 3; Hinton et al. (arXiv:1503.02531).
    """

    def __init__(
        self,
        temperature: float = 1.0,
        scale_by_t2: bool = True,
        reduction: Reduction = "batchmean",
        *,
        kind: Kind = "ce",
        alpha: float = 1.0,
        ignore_index: int = -100,
        label_smoothing: float = 0.0,
        impl: Impl = "auto",
    ) -> None:
        super().__init__()
        name = "DistillationLoss"
        check_choice(name, "impl", impl, IMPLS)
        _check_options(name, kind, alpha, reduction, ignore_index, label_smoothing)
        self.temperature = check_temperature(name, temperature)
        self.scale_by_t2 = scale_by_t2
        self.reduction: Reduction = reduction
        self.kind: Kind = kind
        self.alpha = alpha
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing
        self.impl: Impl = impl

    def forward(self, student: Tensor, teacher: Tensor, target: Tensor | None = None) -> Tensor:
        """The loss of a batch of logits. [B, C], [B, C], [B] -> [] or [B]"""
        return distillation_loss(
            student,
            teacher,
            target,
            temperature=self.temperature,
            kind=self.kind,
            alpha=self.alpha,
            scale_by_t2=self.scale_by_t2,
            reduction=self.reduction,
            ignore_index=self.ignore_index,
            label_smoothing=self.label_smoothing,
            impl=self.impl,
        )

    def extra_repr(self) -> str:
        return (
            f"temperature={self.temperature}, scale_by_t2={self.scale_by_t2}, "
            f"reduction={self.reduction!r}, kind={self.kind!r}, alpha={self.alpha}, "
            f"ignore_index={self.ignore_index}, label_smoothing={self.label_smoothing}, "
            f"impl={self.impl!r}"
        )
