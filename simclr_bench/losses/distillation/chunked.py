"""Distillation in pure PyTorch and in chunks: what runs where there is no compiled operator.

The formulas are those of csrc/cpu/distillation_terms.h, a few rows at a time and in float64. Saved
for the backward are the inputs. Gradients are exact; a second derivative is refused.
"""

from typing import Any

import torch
from torch import Tensor

from simclr_bench.losses.chunks import rows_per_chunk
from simclr_bench.losses.dispatch import second_derivative_refused
from simclr_bench.losses.distillation.options import Options
from simclr_bench.losses.distillation.reduction import check_target, reduce, term_weights
from simclr_bench.losses.precision import loss_dtype


def distillation(
    student: Tensor,
    teacher: Tensor,
    target: Tensor | None,
    options: Options,
    *,
    chunk_rows: int | None = None,
) -> Tensor:
    """The distillation loss, as `reference.distillation`, with O(chunk_rows C) temporaries.

    Args:
        student: Logits. [B, C]
        teacher: Logits. [B, C]
        target: The true classes, or None for the soft term only. [B]
        options: What to compute.
        chunk_rows: Rows to compute at once; chosen by size if None.

    Returns:
        Loss in nats. [] or [B]

    Source: SimCLRv2 (arXiv:2006.10029), Eq. 2; Hinton et al. (arXiv:1503.02531) for the hard term.
    """
    if target is not None:
        check_target(target, student.shape[1], options.ignore_index)
    chunk_rows = chunk_rows or rows_per_chunk(student.shape[0], student.shape[1], student.device)
    loss: Tensor = _Distillation.apply(student, teacher, target, options, chunk_rows)
    return loss


def _widest(x: Tensor) -> Tensor:
    """`x` in float64 where the device has it, for differences of nearly equal numbers."""
    return x.float() if x.device.type == "mps" else x.double()


def _weighted(weights: Tensor, values: Tensor) -> Tensor:
    """Products that are 0 where the weight is, also for an infinite value."""
    return torch.where(weights == 0, 0, weights * values)


def _softmax(x: Tensor, temperature: float) -> tuple[Tensor, Tensor, Tensor]:
    """Probabilities, scaled logits above their maximum, and the log of the sum of exponentials."""
    above = (x - x.amax(dim=1, keepdim=True)) / temperature
    exponentials = above.exp()
    total = exponentials.sum(dim=1, keepdim=True)
    return exponentials / total, above, total.log()


def _soft(
    student: Tensor, teacher: Tensor, temperature: float, kind: str
) -> tuple[Tensor, Tensor, Tensor]:
    """The soft term per row, and what its gradients are but for 1/tau. [b], [b, C], [b, C]"""
    q, x, log_x = _softmax(student, temperature)
    p, t, log_t = _softmax(teacher, temperature)
    if kind == "ce":
        surprise = log_x - x
        loss = _weighted(p, surprise).sum(dim=1, keepdim=True)
        return loss[:, 0], q - p, _weighted(p, surprise - loss)
    if kind == "kl":
        gap = (t - x) + (log_x - log_t)
        loss = _weighted(p, gap).sum(dim=1, keepdim=True)
        return loss[:, 0], q - p, _weighted(p, gap - loss)
    if kind == "reverse_kl":
        gap = (x - t) + (log_t - log_x)
        loss = _weighted(q, gap).sum(dim=1, keepdim=True)
        return loss[:, 0], _weighted(q, gap - loss), p - q
    above = (q - p) / (q + p)  # log(q / middle) is log1p of it, log(p / middle) of its negative
    log_q, log_p = above.log1p(), (-above).log1p()
    to_student = _weighted(q, log_q).sum(dim=1, keepdim=True)
    to_teacher = _weighted(p, log_p).sum(dim=1, keepdim=True)
    loss = (_weighted(q, log_q) + _weighted(p, log_p)).sum(dim=1) / 2
    return loss, _weighted(q, log_q - to_student) / 2, _weighted(p, log_p - to_teacher) / 2


def _hard(student: Tensor, target: Tensor, options: Options) -> tuple[Tensor, Tensor]:
    """Cross-entropy per row, 0 where it is ignored, and its gradient. [b], [b, C]"""
    probabilities, above, log_sum = _softmax(student, 1.0)
    kept = target != options.ignore_index
    at_target = torch.where(kept, target, 0)[:, None]
    log_predictions = above - log_sum
    loss = -(1 - options.label_smoothing) * log_predictions.gather(1, at_target)[:, 0]
    smoothing = options.label_smoothing / student.shape[1]
    if smoothing:
        loss = loss - smoothing * log_predictions.sum(dim=1)
    share = torch.full_like(at_target, -(1 - options.label_smoothing), dtype=student.dtype)
    gradient = (probabilities - smoothing).scatter_add(1, at_target, share)
    return torch.where(kept, loss, 0), torch.where(kept[:, None], gradient, 0)


class _Distillation(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        student: Tensor,
        teacher: Tensor,
        target: Tensor | None,
        options: Options,
        chunk_rows: int,
    ) -> Tensor:
        soft, hard = [], []
        for begin in range(0, max(1, student.shape[0]), chunk_rows):
            rows = slice(begin, begin + chunk_rows)
            x, t = _widest(student[rows]), _widest(teacher[rows])
            soft.append(_soft(x, t, options.temperature, options.kind)[0])
            if target is not None:
                hard.append(_hard(x, target[rows], options)[0])
        ctx.save_for_backward(student, teacher, target)
        ctx.options = options, chunk_rows
        loss = reduce(torch.cat(soft), torch.cat(hard) if hard else None, target, options)
        return loss.to(loss_dtype(student))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        wanted = ctx.needs_input_grad[:2]
        gradients = _DistillationGradient.apply(grad, *ctx.saved_tensors, *ctx.options, *wanted)
        both = [g if want else None for g, want in zip(gradients, wanted, strict=True)]
        return *both, None, None, None


class _DistillationGradient(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        grad: Tensor,
        student: Tensor,
        teacher: Tensor,
        target: Tensor | None,
        options: Options,
        chunk_rows: int,
        of_student: bool,
        of_teacher: bool,
    ) -> tuple[Tensor, Tensor]:
        grad_student = torch.empty_like(student if of_student else student[:0])
        grad_teacher = torch.empty_like(teacher if of_teacher else teacher[:0])
        upstream = _widest(grad).expand(student.shape[0])[:, None]
        soft_weight, hard_weight = term_weights(len(student), target, options, upstream.dtype)
        for begin in range(0, student.shape[0], chunk_rows):
            rows = slice(begin, begin + chunk_rows)
            x, t = _widest(student[rows]), _widest(teacher[rows])
            _, to_student, to_teacher = _soft(x, t, options.temperature, options.kind)
            scale = upstream[rows] * soft_weight / options.temperature
            if of_student:
                total = scale * to_student
                if target is not None:
                    hard = _hard(x, target[rows], options)[1]
                    total += upstream[rows] * hard_weight * hard
                grad_student[rows] = total.to(student.dtype)
            if of_teacher:
                grad_teacher[rows] = (scale * to_teacher).to(teacher.dtype)
        return grad_student, grad_teacher

    @staticmethod
    def backward(ctx: Any, *_: Tensor) -> Any:
        raise second_derivative_refused("distillation_loss", "chunked")
