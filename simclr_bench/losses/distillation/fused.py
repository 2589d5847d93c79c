"""Distillation by the compiled operators: their fake kernels and gradients.

On the CPU, one operator computes a reduced loss and its gradients together; the backward of row
losses computes them anew. That operator's gradient is in csrc/distillation_autograd.cpp.
"""

from typing import Any

import torch
from torch import Tensor

from simclr_bench.losses.dispatch import second_derivative_refused
from simclr_bench.losses.distillation.options import Options
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
        options.temperature,
        options.kind,
        options.soft_weight,
        options.hard_weight,
        options.label_smoothing,
        options.ignore_index,
        options.reduction,
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
