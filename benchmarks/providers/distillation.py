"""Peers of distillation, each called as its authors mean it."""

from torch import Tensor
from torch.nn import functional

from benchmarks.grid.cells import LossCell
from benchmarks.providers.losses import ALPHA
from benchmarks.providers.provider import LossFunction, Provider


def _liger(cell: LossCell) -> LossFunction:
    from liger_kernel.transformers.kl_div import LigerKLDIVLoss

    t, divergence = cell.temperature, LigerKLDIVLoss(reduction="batchmean")

    def loss(student: Tensor, teacher: Tensor, target: Tensor) -> Tensor:
        log_q = functional.log_softmax(student.float() / t, dim=1)
        p = functional.softmax(teacher.float() / t, dim=1)
        hard = functional.cross_entropy(student.float(), target)
        return ALPHA * t * t * divergence(log_q, p) + (1 - ALPHA) * hard

    return loss


PROVIDERS = (
    Provider(
        "liger",
        {"distillation": _liger},
        package="liger-kernel",
        module="liger_kernel.transformers.kl_div",
        extra="bench-gpu",
        devices=("cuda",),
    ),
)
