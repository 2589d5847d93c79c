"""The contrastive losses by the compiled operators: calling them, fake kernels, gradients.

On the CPU one engine serves all objectives (csrc/cpu/contrast.cpp); so do the kernels on CUDA
(csrc/cuda/nt_xent/README.md).
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from simclr_bench.losses.contrastive.reference import PUBLIC_NAMES, Objective
from simclr_bench.losses.dispatch import second_derivative_refused
from simclr_bench.losses.extension import compiled_extension
from simclr_bench.losses.precision import Precision, float32_precision, loss_dtype

OPERATORS = torch.ops.simclr_bench
MOST_CUDA_COLUMNS = 2**20


def why_not(objective: Objective, z0: Tensor, temperature: float | Tensor) -> str | None:
    """Why the compiled operators cannot serve this loss, whatever the dtype; None if they can."""
    chunked = 'use impl="chunked", as impl="auto" does'
    if z0.device.type == "cuda":
        if z0.shape[1] > MOST_CUDA_COLUMNS:
            return f"no CUDA kernel for more than {MOST_CUDA_COLUMNS} columns; {chunked}"
    elif isinstance(temperature, Tensor) and temperature.device.type != "cpu":
        return f"no CPU kernel for a temperature on another device; {chunked}"
    return None


def rows(
    objective: Objective,
    z0: Tensor,
    z1: Tensor | None,
    temperature: float | Tensor,
    *,
    normalize: bool,
    workspace_mb: float = 0,
    precision: Precision | None = None,
    labels: Tensor | None = None,
) -> Tensor:
    """The loss of each row; see `reference.rows`. The CPU needs no workspace for that. [N]"""
    if z0.device.type == "cuda":
        options = _options_on_gpu(objective, temperature, normalize, precision, workspace_mb)
        of_rows: Tensor = OPERATORS.nt_xent_forward(z0, _second(z0, z1), labels, None, *options)[0]
        return of_rows
    loss: Tensor = OPERATORS.contrast_forward(
        z0,
        _second(z0, z1),
        labels,
        None,
        *_split(temperature),
        objective,
        normalize,
    )[0]
    return loss


def reduced(
    objective: Objective,
    z0: Tensor,
    z1: Tensor | None,
    temperature: float | Tensor,
    *,
    normalize: bool,
    mean: bool,
    workspace_mb: float,
    precision: Precision | None = None,
    labels: Tensor | None = None,
) -> Tensor:
    """The mean or the sum of `rows` on the CPU, with its gradient made at the same time. []

    The gradient only if one is needed; `precision` is for GPUs. The mean is over the rows that have
    a positive, and 0 without any.
    """
    second = _second(z0, z1)
    number, learned = _split(temperature)
    with_gradient = torch.is_grad_enabled() and (
        z0.requires_grad or second.requires_grad or (learned is not None and learned.requires_grad)
    )
    total: Tensor = OPERATORS.contrast(
        z0,
        second,
        labels,
        number,
        learned,
        objective,
        normalize,
        mean,
        with_gradient,
        int(workspace_mb * 2**20),
    )[0]
    return total


def _options_on_gpu(
    objective: Objective,
    temperature: float | Tensor,
    normalize: bool,
    precision: Precision | None,
    workspace_mb: float,
) -> tuple[Any, ...]:
    """What the CUDA operators take behind their tensors."""
    workspace_bytes = int(workspace_mb * 2**20)
    digits = precision or float32_precision()
    return *_split(temperature), objective, normalize, digits, workspace_bytes


def forward_among(
    objective: Objective,
    z0: Tensor,
    z1: Tensor,
    others: Tensor,
    temperature: float | Tensor,
    *,
    normalize: bool,
    workspace_mb: float,
    precision: Precision | None = None,
) -> tuple[Tensor, Tensor]:
    """The loss of each row, compared with the rows of `others` [2, M / 2, D] too. [N]

    And its statistics [4, N] (CUDA: [3, N]), to which `backward_among` wants those of `others`
    appended.
    """
    options: tuple[Any, ...]
    if z0.device.type == "cuda":
        options = _options_on_gpu(objective, temperature, normalize, precision, workspace_mb)
        loss, statistics = OPERATORS.nt_xent_forward(z0, z1, None, others, *options)
    else:
        options = *_split(temperature), objective, normalize
        loss, statistics = OPERATORS.contrast_forward(z0, z1, None, others, *options)
    return loss, statistics


def backward_among(
    objective: Objective,
    z0: Tensor,
    z1: Tensor,
    others: Tensor,
    statistics: Tensor,
    weight: float,
    temperature: float | Tensor,
    *,
    normalize: bool,
    workspace_mb: float,
    precision: Precision | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of `weight` times the sum over all rows, for z0, z1 and the temperature."""
    upstream = z0.new_full((statistics.shape[1],), weight, dtype=torch.float64)
    options: tuple[Any, ...]
    if z0.device.type == "cuda":
        options = _options_on_gpu(objective, temperature, normalize, precision, workspace_mb)
        gradients = OPERATORS.nt_xent_backward(upstream, z0, z1, None, others, statistics, *options)
    else:
        options = *_split(temperature), objective, normalize
        gradients = OPERATORS.contrast_backward(
            upstream, z0, z1, None, others, statistics, *options
        )
    grad_z0, grad_z1, grad_temperature = gradients
    return grad_z0, grad_z1, grad_temperature


def _second(z0: Tensor, z1: Tensor | None) -> Tensor:
    return z0.new_empty((0, z0.shape[1])) if z1 is None else z1


def _split(temperature: float | Tensor) -> tuple[float, Tensor | None]:
    """The operators' two temperature arguments: a number, and a tensor that counts instead."""
    return (0.0, temperature) if isinstance(temperature, Tensor) else (temperature, None)


def _fake_contrast(
    z0: Tensor,
    z1: Tensor,
    labels: Tensor | None,
    temperature: float,
    learned: Tensor | None,
    objective: str,
    normalize: bool,
    mean: bool,
    with_gradient: bool,
    workspace_bytes: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    loss = z0.new_empty((), dtype=loss_dtype(z0))
    if with_gradient:
        shapes: tuple[Any, ...] = (z0.shape, z1.shape, ())
    else:
        shapes = ((0,), (0,), (0,))
    grad_temperature = z0.new_empty(shapes[2], dtype=torch.float64)
    return loss, z0.new_empty(shapes[0]), z1.new_empty(shapes[1]), grad_temperature


def _fake_contrast_scale(
    grad: Tensor,
    z0: Tensor,
    z1: Tensor,
    learned: Tensor | None,
    grad_z0: Tensor,
    grad_z1: Tensor,
    grad_temperature: Tensor,
    objective: str,
) -> tuple[Tensor, Tensor, Tensor]:
    return torch.empty_like(grad_z0), torch.empty_like(grad_z1), torch.empty_like(grad_temperature)


def _fake_contrast_forward(
    z0: Tensor, z1: Tensor, labels: Tensor | None, *_: Any
) -> tuple[Tensor, Tensor]:
    rows = z0.shape[0] + z1.shape[0]
    loss = z0.new_empty(rows, dtype=loss_dtype(z0))
    return loss, z0.new_empty((4 if labels is None else 7, rows), dtype=torch.float64)


def _fake_contrast_backward(
    grad: Tensor, z0: Tensor, z1: Tensor, *_: Any
) -> tuple[Tensor, Tensor, Tensor]:
    grad_temperature = z0.new_empty((), dtype=torch.float64)
    return z0.new_empty(z0.shape), z1.new_empty(z1.shape), grad_temperature


def _save_contrast_forward(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    z0, z1, labels, others, ctx.temperature, learned, *ctx.options = inputs
    ctx.save_for_backward(z0, z1, labels, others, output[1], learned)
    ctx.mark_non_differentiable(output[1])


def _contrast_forward_gradient(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
    *saved, learned = ctx.saved_tensors
    grad_z0, grad_z1, grad_temperature = OPERATORS.contrast_backward(
        grad, *saved, ctx.temperature, learned, *ctx.options
    )
    grad_temperature = None if learned is None else grad_temperature.to(learned.dtype)
    return grad_z0, grad_z1, None, None, None, grad_temperature, None, None


def _save_nt_xent_forward(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    z0, z1, labels, others, ctx.temperature, learned, *ctx.options = inputs
    ctx.save_for_backward(z0, z1, labels, others, output[1], learned)
    ctx.mark_non_differentiable(output[1])


def _nt_xent_forward_gradient(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
    *saved, learned = ctx.saved_tensors
    grad_z0, grad_z1, grad_temperature = OPERATORS.nt_xent_backward(
        grad, *saved, ctx.temperature, learned, *ctx.options
    )
    grad_temperature = None if learned is None else grad_temperature.to(learned)
    return grad_z0, grad_z1, None, None, None, grad_temperature, None, None, None, None


def _fake_nt_xent_forward(
    z0: Tensor, z1: Tensor, labels: Tensor | None, *_: Any
) -> tuple[Tensor, Tensor]:
    rows = z0.shape[0] + z1.shape[0]
    loss = z0.new_empty(rows, dtype=loss_dtype(z0))
    return loss, z0.new_empty((3 if labels is None else 6, rows), dtype=torch.float64)


def _save_name(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    words = {x for x in inputs if isinstance(x, str)}
    ctx.name = next(name for objective, name in PUBLIC_NAMES.items() if objective in words)


def _refuse(ctx: Any, *_: Tensor) -> Any:
    raise second_derivative_refused(ctx.name, "fused")


def _register() -> None:
    fakes: dict[str, Callable[..., Any]] = {
        "contrast": _fake_contrast,
        "contrast_scale": _fake_contrast_scale,
        "contrast_forward": _fake_contrast_forward,
        "contrast_backward": _fake_contrast_backward,
        "nt_xent_forward": _fake_nt_xent_forward,
        "nt_xent_backward": _fake_contrast_backward,
    }
    for name, fake in fakes.items():
        torch.library.register_fake(f"simclr_bench::{name}", fake)
    gradients: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
        "contrast_forward": (_contrast_forward_gradient, _save_contrast_forward),
        "nt_xent_forward": (_nt_xent_forward_gradient, _save_nt_xent_forward),
        # Without a formula of their own these would drop a second derivative silently.
        "contrast_scale": (_refuse, _save_name),
        "contrast_backward": (_refuse, _save_name),
        "nt_xent_backward": (_refuse, _save_name),
    }
    for name, (gradient, save) in gradients.items():
        torch.library.register_autograd(f"simclr_bench::{name}", gradient, setup_context=save)


if compiled_extension().loaded:
    _register()
