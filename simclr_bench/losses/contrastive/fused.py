"""NT-Xent by the compiled operators: their fake kernels and gradients."""

from typing import Any

import torch
from torch import Tensor

from simclr_bench.losses.dispatch import second_derivative_refused
from simclr_bench.losses.extension import compiled_extension
from simclr_bench.losses.precision import loss_dtype


def nt_xent(z0: Tensor, z1: Tensor, temperature: float, *, normalize: bool) -> Tensor:
    """NT-Xent per row by the compiled operator; see `reference.nt_xent`. [2B]"""
    loss: Tensor = torch.ops.simclr_bench.nt_xent_forward(z0, z1, temperature, normalize)[0]
    return loss


def _fake_nt_xent_forward(
    z0: Tensor, z1: Tensor, temperature: float, normalize: bool
) -> tuple[Tensor, Tensor]:
    rows = 2 * z0.shape[0]
    loss = z0.new_empty(rows, dtype=loss_dtype(z0))
    return loss, z0.new_empty((3, rows), dtype=torch.float64)


def _fake_nt_xent_backward(
    grad: Tensor, z0: Tensor, z1: Tensor, statistics: Tensor, temperature: float, normalize: bool
) -> tuple[Tensor, Tensor]:
    return z0.new_empty(z0.shape), z1.new_empty(z1.shape)


def _save_nt_xent(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    z0, z1, *ctx.options = inputs
    ctx.save_for_backward(z0, z1, output[1])
    ctx.mark_non_differentiable(output[1])


def _nt_xent_gradient(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
    both = torch.ops.simclr_bench.nt_xent_backward(grad, *ctx.saved_tensors, *ctx.options)
    return *both, None, None


def _refuse_nt_xent(ctx: Any, *_: Tensor) -> Any:
    raise second_derivative_refused("nt_xent", "fused")


def _register() -> None:
    fake, autograd = torch.library.register_fake, torch.library.register_autograd
    fake("simclr_bench::nt_xent_forward", _fake_nt_xent_forward)
    fake("simclr_bench::nt_xent_backward", _fake_nt_xent_backward)
    autograd("simclr_bench::nt_xent_forward", _nt_xent_gradient, setup_context=_save_nt_xent)
    # Without a formula of its own the backward operator would drop a second derivative silently.
    autograd("simclr_bench::nt_xent_backward", _refuse_nt_xent)


if compiled_extension().loaded:
    _register()
