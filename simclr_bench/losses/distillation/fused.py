"""Distillation by the compiled operators: their fake kernels and gradients."""

from typing import Any

import torch
from torch import Tensor

from simclr_bench.losses.dispatch import second_derivative_refused
from simclr_bench.losses.extension import compiled_extension
from simclr_bench.losses.precision import loss_dtype


def distillation(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """The distillation loss per row by the compiled operator; see `reference.distillation`. [B]"""
    loss: Tensor = torch.ops.simclr_bench.distillation_forward(
        student, teacher.detach(), temperature
    )[0]
    return loss


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


def _save_distillation(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    student, teacher, ctx.temperature = inputs
    ctx.save_for_backward(student, teacher, output[1])
    ctx.mark_non_differentiable(output[1])


def _distillation_gradient(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
    grad_student = torch.ops.simclr_bench.distillation_backward(
        grad, *ctx.saved_tensors, ctx.temperature
    )
    return grad_student, None, None


def _refuse_distillation(ctx: Any, *_: Tensor) -> Any:
    raise second_derivative_refused("distillation_loss", "fused")


def _register() -> None:
    fake, autograd = torch.library.register_fake, torch.library.register_autograd
    fake("simclr_bench::distillation_forward", _fake_distillation_forward)
    fake("simclr_bench::distillation_backward", _fake_distillation_backward)
    autograd(
        "simclr_bench::distillation_forward",
        _distillation_gradient,
        setup_context=_save_distillation,
    )
    # Without a formula of its own the backward operator would drop a second derivative silently.
    autograd("simclr_bench::distillation_backward", _refuse_distillation)


if compiled_extension().loaded:
    _register()
