"""Peers of distillation, each called as its authors mean it."""

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional

from benchmarks.grid.cells import LossCell
from benchmarks.providers.losses import ALPHA
from benchmarks.providers.provider import LossFunction, Provider

Divergence = Callable[[Tensor, Tensor], Tensor]
Rows = Callable[..., Tensor]


def _torchdistill(cell: LossCell) -> LossFunction:
    from torchdistill.losses.mid_level import KDLoss

    # Its alpha is the labels' weight; the teacher's is the rest.
    whole = KDLoss("head", "output", "head", "output", cell.temperature, alpha=1 - ALPHA)

    def loss(student: Tensor, teacher: Tensor, target: Tensor) -> Tensor:
        found: Tensor = whole({"head": {"output": student}}, {"head": {"output": teacher}}, target)
        return found

    return loss


def _with_labels(cell: LossCell, divergence: Divergence, teacher_of: Rows) -> LossFunction:
    """What adds the temperature and the labels' part, in plain PyTorch, to a bare divergence.

    Args:
        cell: Gives the temperature.
        divergence: Of the student's log-probabilities from the teacher's rows.
        teacher_of: From the teacher's logits over T to what the divergence wants of them.
    """
    t = cell.temperature

    def loss(student: Tensor, teacher: Tensor, target: Tensor) -> Tensor:
        log_q = functional.log_softmax(student.float() / t, dim=1)
        soft = divergence(log_q, teacher_of(teacher.float() / t, dim=1))
        return ALPHA * t * t * soft + (1 - ALPHA) * functional.cross_entropy(
            student.float(), target
        )

    return loss


def _liger(cell: LossCell) -> LossFunction:
    from liger_kernel.transformers.kl_div import LigerKLDIVLoss

    return _with_labels(cell, LigerKLDIVLoss(reduction="batchmean"), functional.softmax)


def _liger_jsd(cell: LossCell) -> LossFunction:
    from liger_kernel.transformers.jsd import LigerJSD

    # The end at which the divergence is the teacher's from the student: KL, summed over rows / B.
    return _with_labels(cell, LigerJSD(beta=0.0), functional.log_softmax)


PROVIDERS = (
    Provider(
        "torchdistill",
        {"distillation": _torchdistill},
        package="torchdistill",
        module="torchdistill.losses.mid_level",
    ),
    Provider(
        "liger",
        {"distillation": _liger},
        package="liger-kernel",
        module="liger_kernel.transformers.kl_div",
        extra="bench-gpu",
        devices=("cuda",),
    ),
    Provider(
        "liger-jsd",
        {"distillation": _liger_jsd},
        package="liger-kernel",
        module="liger_kernel.transformers.jsd",
        extra="bench-gpu",
        devices=("cuda",),
    ),
)
