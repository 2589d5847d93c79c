"""Distillation as the papers print it: the specification for every other implementation.

Plain PyTorch, differentiable any number of times, right in float64; half types are computed in
float32. Temporaries are of size B x C: use it for small problems and for checking.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from simclr_bench.losses.distillation.options import Options
from simclr_bench.losses.distillation.reduction import check_target, reduce
from simclr_bench.losses.precision import at_least_float32


def distillation(
    student: Tensor, teacher: Tensor, target: Tensor | None, options: Options
) -> Tensor:
    """The weighted sum of a soft and, with a target, a hard term, reduced.

    A class to which a distribution gives probability 0 contributes 0 to that distribution's mean,
    whatever the logarithm in it.

    Args:
        student: Logits. [B, C]
        teacher: Logits. [B, C]
        target: The true classes, or None for the soft term only. [B]
        options: What to compute.

    Returns:
        Loss in nats. [] or [B]

    Source: SimCLRv2 (arXiv:2006.10029), Eq. 2; Hinton et al. (arXiv:1503.02531) for the hard term.
    """
    student, teacher = at_least_float32(student), at_least_float32(teacher)
    soft = soft_term(student / options.temperature, teacher / options.temperature, options.kind)
    if target is None:
        return reduce(soft, None, None, options)
    check_target(target, student.shape[1], options.ignore_index)
    hard = functional.cross_entropy(
        student,
        target,
        reduction="none",
        ignore_index=options.ignore_index,
        label_smoothing=options.label_smoothing,
    )
    return reduce(soft, hard, target, options)


def soft_term(student: Tensor, teacher: Tensor, kind: str) -> Tensor:
    """How far softmax(student) is from softmax(teacher), per row. [B, C], [B, C] -> [B]"""
    q, log_q = torch.softmax(student, dim=1), torch.log_softmax(student, dim=1)
    p, log_p = torch.softmax(teacher, dim=1), torch.log_softmax(teacher, dim=1)
    if kind == "ce":
        return -_mean(p, log_q)
    if kind == "kl":
        return _mean(p, _difference(p, log_p, log_q))
    if kind == "reverse_kl":
        return _mean(q, _difference(q, log_q, log_p))
    ruled_out = (p == 0) & (q == 0)  # by both: the derivative of log 0 would turn 0 into NaN
    log_p, log_q = (torch.where(ruled_out, 0, x) for x in (log_p, log_q))
    log_middle = torch.logaddexp(log_p, log_q) - math.log(2)
    to_student = _mean(q, _difference(q, log_q, log_middle))
    return (to_student + _mean(p, _difference(p, log_p, log_middle))) / 2


def _difference(weights: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """a - b where it counts; 0 elsewhere, so that (-inf) - (-inf) enters no derivative."""
    return torch.where(weights == 0, 0, a) - torch.where(weights == 0, 0, b)


def _mean(weights: Tensor, values: Tensor) -> Tensor:
    return (weights * torch.where(weights == 0, 0, values)).sum(dim=1)
