"""Distillation as the paper prints it: the specification for every other implementation.

Plain PyTorch, differentiable any number of times, right in float64; half types are computed in
float32. Temporaries are of size B x C: use it for small problems and for checking.
"""

import torch
from torch import Tensor

from simclr_bench.losses.precision import at_least_float32


def distillation(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Cross-entropy of the student under the teacher's soft labels, per row.

    A class to which the teacher gives probability 0 contributes 0, whatever the student's logit.

    Args:
        student: Logits. [B, C]
        teacher: Logits; gets no gradient. [B, C]
        temperature: tau > 0; divides both.

    Returns:
        Loss in nats, without a factor tau^2. [B]

    Source: SimCLRv2 (arXiv:2006.10029), Eq. 2.
    """
    soft_labels = torch.softmax(at_least_float32(teacher.detach()) / temperature, dim=1)
    log_predictions = torch.log_softmax(at_least_float32(student) / temperature, dim=1)
    terms = torch.where(soft_labels == 0, 0, soft_labels * log_predictions)
    return -terms.sum(dim=1)
