"""Peers of distillation, each called as its authors mean it."""

from torch import Tensor
from torch.nn import functional

from benchmarks.grid.cells import LossCell
from benchmarks.providers.losses import ALPHA
from benchmarks.providers.provider import LossFunction, Provider


def _torchdistill(cell: LossCell) -> LossFunction:
    from torchdistill.losses.mid_level import KDLoss

    # Its alpha is the labels' weight; the teacher's is the rest.
    whole = KDLoss("head", "output", "head", "output", cell.temperature, alpha=1 - ALPHA)

    def loss(student: Tensor, teacher: Tensor, target: Tensor) -> Tensor:
        found: Tensor = whole({"head": {"output": student}}, {"head": {"output": teacher}}, target)
        return found

    return loss


def _liger(cell: LossCell) -> LossFunction:
    from liger_kernel.transformers.kl_div import LigerKLDIVLoss

    t, divergence = cell.temperature, LigerKLDIVLoss(reduction="batchmean")

    def loss(student: Tensor, teacher: Tensor, target: Tensor) -> Tensor:
        log_q = functional.log_softmax(student.float() / t, dim=1)
        p = functional.softmax(teacher.float() / t, dim=1)
        hard = functional.cross_entropy(student.float(), target)
        return ALPHA * t * t * divergence(log_q, p) + (1 - ALPHA) * hard

    return loss


def _liger_jsd(cell: LossCell) -> LossFunction:
    from liger_kernel.transformers.jsd import LigerJSD

    # The end at which the divergence is the teacher's from the student: KL, summed over rows / B.
    t, divergence = cell.temperature, LigerJSD(beta=0.0)

    def loss(student: Tensor, teacher: Tensor, target: Tensor) -> Tensor:
        log_q = functional.log_softmax(student.float() / t, dim=1)
        log_p = functional.log_softmax(teacher.float() / t, dim=1)
        hard = functional.cross_entropy(student.float(), target)
        return ALPHA * t * t * divergence(log_q, log_p) + (1 - ALPHA) * hard

    return loss


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
