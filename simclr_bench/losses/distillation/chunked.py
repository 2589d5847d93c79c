"""Distillation in pure PyTorch and in chunks: what runs where there is no compiled operator.

The formulas are those of csrc/cpu/distillation.cpp, a few rows at a time. Saved for the backward
are the inputs. Gradients are exact; a second derivative is refused.
"""

from typing import Any

import torch
from torch import Tensor

from simclr_bench.losses.chunks import rows_per_chunk
from simclr_bench.losses.dispatch import second_derivative_refused
from simclr_bench.losses.precision import loss_dtype


def distillation(
    student: Tensor, teacher: Tensor, temperature: float, *, chunk_rows: int | None = None
) -> Tensor:
    """The distillation loss per row, as `reference.distillation`, with O(chunk_rows C) temporaries.

    Args:
        student: Logits. [B, C]
        teacher: Logits; gets no gradient. [B, C]
        temperature: tau > 0; divides both.
        chunk_rows: Rows to compute at once; chosen by size if None.

    Returns:
        Loss in nats, without a factor tau^2. [B]

    Source: SimCLRv2 (arXiv:2006.10029), Eq. 2.
    """
    chunk_rows = chunk_rows or rows_per_chunk(student.shape[0], student.shape[1], student.device)
    loss: Tensor = _Distillation.apply(student, teacher.detach(), temperature, chunk_rows)
    return loss


def _widest(x: Tensor) -> Tensor:
    """`x` in float64 where the device has it, for differences of nearly equal numbers."""
    return x.float() if x.device.type == "mps" else x.double()


class _Distillation(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, student: Tensor, teacher: Tensor, temperature: float, chunk_rows: int
    ) -> Tensor:
        losses = []
        for x, t in zip(student.split(chunk_rows), teacher.split(chunk_rows), strict=True):
            x, t = _widest(x), _widest(t)
            above = (x - x.amax(dim=1, keepdim=True)) / temperature
            soft_labels = torch.softmax(t / temperature, dim=1)
            # 0 times -inf would be NaN where the student rules a class out too.
            cross = torch.where(soft_labels == 0, 0, soft_labels * above).sum(dim=1)
            losses.append(above.exp().sum(dim=1).log() - cross)
        ctx.save_for_backward(student, teacher)
        ctx.options = temperature, chunk_rows
        return torch.cat(losses).to(loss_dtype(student))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        grad_student = _DistillationGradient.apply(grad, *ctx.saved_tensors, *ctx.options)
        return grad_student, None, None, None


class _DistillationGradient(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        grad: Tensor,
        student: Tensor,
        teacher: Tensor,
        temperature: float,
        chunk_rows: int,
    ) -> Tensor:
        grad_student = torch.empty_like(student)
        scale = _widest(grad[:, None]) / temperature
        for rows in torch.arange(student.shape[0], device=student.device).split(chunk_rows):
            x, t = _widest(student[rows]), _widest(teacher[rows])
            difference = torch.softmax(x / temperature, 1) - torch.softmax(t / temperature, 1)
            grad_student[rows] = (scale[rows] * difference).to(student.dtype)
        return grad_student

    @staticmethod
    def backward(ctx: Any, *_: Tensor) -> Any:
        raise second_derivative_refused("distillation_loss", "chunked")
