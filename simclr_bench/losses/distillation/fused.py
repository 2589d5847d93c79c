"""Distillation by the compiled operators: their fake kernels and gradients.

On the CPU, one operator computes a reduced loss and its gradients together; the backward of row
losses computes them anew. That operator's gradient is in csrc/distillation_autograd.cpp.
"""

import math
from typing import Any

import torch
from torch import Tensor

from simclr_bench.losses.dispatch import second_derivative_refused, transforming
from simclr_bench.losses.distillation.options import KINDS, REDUCTIONS, Options
from simclr_bench.losses.extension import compiled_extension
from simclr_bench.losses.precision import loss_dtype


def why_not(
    student: Tensor, teacher: Tensor, target: Tensor | None, options: Options
) -> str | None:
    """Why the compiled operators for the device of `student` cannot do this; None if they can."""
    if student.device.type == "cpu":
        return None
    remedy = 'use impl="chunked", as impl="auto" does'
    if options.kind != "ce":
        return f'no CUDA kernel for kind="{options.kind}"; {remedy}'
    if target is not None:
        return f"no CUDA kernel for a target; {remedy}"
    if teacher.requires_grad:
        return f"no CUDA kernel for the teacher's gradient; {remedy}"
    if student.shape[0] == 0:
        return f"no CUDA kernel for an empty batch; {remedy}"
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
    if student.device.type == "cuda":
        return _on_cuda(student, teacher, options)
    now = options.reduction != "none" and torch.is_grad_enabled()
    loss: Tensor = torch.ops.simclr_bench.distillation.default(
        student,
        teacher,
        target,
        *options,
        now and student.requires_grad,
        now and teacher.requires_grad,
    )[0]
    return loss


def _on_cuda(student: Tensor, teacher: Tensor, options: Options) -> Tensor:
    rows: Tensor = torch.ops.simclr_bench.distillation_forward(
        student, teacher, options.temperature
    )[0]
    rows = rows * options.soft_weight
    if options.reduction == "none":
        return rows
    return rows.mean() if options.reduction == "batchmean" else rows.sum()


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


def _fake_distillation_forward(
    student: Tensor, teacher: Tensor, temperature: float
) -> tuple[Tensor, Tensor]:
    rows = student.shape[0]
    loss = student.new_empty(rows, dtype=loss_dtype(student))
    return loss, student.new_empty((4, rows), dtype=torch.float64)


def _fake_distillation_backward(
    grad: Tensor, student: Tensor, teacher: Tensor, statistics: Tensor, temperature: float
) -> Tensor:
    return student.new_empty(student.shape)


def _save_distillation_forward(
    ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]
) -> None:
    student, teacher, ctx.temperature = inputs
    ctx.save_for_backward(student, teacher, output[1])
    ctx.mark_non_differentiable(output[1])


def _distillation_forward_gradient(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
    grad_student = torch.ops.simclr_bench.distillation_backward(
        grad, *ctx.saved_tensors, ctx.temperature
    )
    return grad_student, None, None


def _refuse_distillation(ctx: Any, *_: Tensor) -> Any:
    raise second_derivative_refused("distillation_loss", "fused")


def _register() -> None:
    fake, autograd = torch.library.register_fake, torch.library.register_autograd
    fake("simclr_bench::distillation", _fake_distillation)
    fake("simclr_bench::distillation_recompute", _fake_distillation_recompute)
    fake("simclr_bench::distillation_forward", _fake_distillation_forward)
    fake("simclr_bench::distillation_backward", _fake_distillation_backward)
    autograd(
        "simclr_bench::distillation_forward",
        _distillation_forward_gradient,
        setup_context=_save_distillation_forward,
    )
    # Without a formula of its own a backward operator would drop a second derivative silently.
    autograd("simclr_bench::distillation_recompute", _refuse_distillation)
    autograd("simclr_bench::distillation_backward", _refuse_distillation)


if compiled_extension().loaded:
    _register()
