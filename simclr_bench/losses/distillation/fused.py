"""Distillation by the compiled operators: their fake kernels and gradients.

One operator computes a reduced loss and its gradients together; the backward of row losses computes
them anew. Its gradient is in csrc/distillation_autograd.cpp.
"""

import math
from typing import Any

import torch
from torch import Tensor

from simclr_bench.losses.dispatch import second_derivative_refused, transforming
from simclr_bench.losses.distillation.options import KINDS, REDUCTIONS, Options
from simclr_bench.losses.extension import compiled_extension
from simclr_bench.losses.precision import loss_dtype


def why_not(student: Tensor) -> str | None:
    """Why the compiled operators cannot take such logits; None if they can. [B, C]"""
    if student.device.type == "cuda" and student.shape[1] >= 2**30:
        return 'no CUDA kernel for 2^30 classes or more; use impl="chunked", as impl="auto" does'
    return None


def at_once(
    student: Any,
    teacher: Any,
    target: Any,
    temperature: Any,
    kind: Any,
    alpha: Any,
    scale_by_t2: bool,
    reduction: Any,
    ignore_index: Any,
    label_smoothing: Any,
) -> Tensor | None:
    """The loss of arguments of which one look says that all is in order, else None.

    Most calls are such: float32 on the CPU. To ask what is wrong, argument by argument, takes as
    long as the loss of a hundred rows.
    """
    if not (
        type(student) is type(teacher) is Tensor
        and student.dtype is teacher.dtype is torch.float32
        and student.is_cpu
        and teacher.is_cpu
        and student.dim() == 2
        and (shape := student.shape) == teacher.shape
        and shape[1] > 0
        and (
            target is None
            or (
                type(target) is Tensor
                and target.dtype is torch.int64
                and target.is_cpu
                and target.shape == shape[:1]
            )
        )
        and type(temperature) is type(alpha) is type(label_smoothing) is float
        and type(ignore_index) is int
        and 0 < temperature < math.inf
        and 0 <= alpha <= 1
        and 0 <= label_smoothing <= 1
        and kind in KINDS
        and reduction in REDUCTIONS
        and compiled_extension().loaded
        and not transforming()
    ):
        return None
    now = reduction != "none" and torch.is_grad_enabled()
    loss: Tensor = torch.ops.simclr_bench.distillation.default(
        student,
        teacher,
        target,
        temperature,
        kind,
        alpha * temperature**2 if scale_by_t2 else alpha,
        1 - alpha,
        label_smoothing,
        ignore_index,
        reduction,
        now and student.requires_grad,
        now and teacher.requires_grad,
    )[0]
    return loss


def distillation(
    student: Tensor, teacher: Tensor, target: Tensor | None, options: Options
) -> Tensor:
    """The distillation loss by the compiled operators; see `reference.distillation`. [] or [B]"""
    # A float16 gradient is rounded once the factor of a gradient scaler is in it, and not before:
    # without, it would underflow. The CPU operator scales what it has rounded.
    early = student.device.type == "cpu" or student.dtype != torch.float16
    now = early and options.reduction != "none" and torch.is_grad_enabled()
    loss: Tensor = torch.ops.simclr_bench.distillation.default(
        student,
        teacher,
        target,
        *options,
        now and student.requires_grad,
        now and teacher.requires_grad,
    )[0]
    return loss


def _fake_distillation(
    student: Tensor, teacher: Tensor, target: Tensor | None, *options: Any
) -> tuple[Tensor, Tensor, Tensor]:
    *_, reduction, student_gradient, teacher_gradient = options
    shape = student.shape[:1] if reduction == "none" else ()
    return (
        student.new_empty(shape, dtype=loss_dtype(student)),
        student.new_empty(student.shape if student_gradient else 0),
        student.new_empty(student.shape if teacher_gradient else 0),
    )


def _fake_distillation_recompute(
    grad: Tensor, student: Tensor, teacher: Tensor, target: Tensor | None, *options: Any
) -> tuple[Tensor, Tensor]:
    return _fake_distillation(student, teacher, target, *options)[1:]


def _refuse_distillation(ctx: Any, *_: Tensor) -> Any:
    raise second_derivative_refused("distillation_loss", "fused")


def _register() -> None:
    fake = torch.library.register_fake
    fake("simclr_bench::distillation", _fake_distillation)
    fake("simclr_bench::distillation_recompute", _fake_distillation_recompute)
    fake("simclr_bench::scale_", lambda gradient, factor: None)
    # Without a formula of its own a backward operator would drop a second derivative silently.
    torch.library.register_autograd("simclr_bench::distillation_recompute", _refuse_distillation)


if compiled_extension().loaded:
    _register()
