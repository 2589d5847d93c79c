"""The losses: ours in each of its implementations, and the plain formulas, eager and compiled."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.grid.cells import LossCell
from benchmarks.providers.provider import LossFunction, Provider
from simclr_bench import distillation_loss, nt_xent
from simclr_bench.losses.dispatch import Impl

# Weight of the teacher's part; 1 - ALPHA is the labels'.
ALPHA = 0.7


def eager_nt_xent(cell: LossCell) -> LossFunction:
    """NT-Xent as one would write it for speed in plain PyTorch, the scale folded into the rows."""

    def loss(z0: Tensor, z1: Tensor) -> Tensor:
        z = functional.normalize(torch.cat([z0, z1]), dim=1)
        logits = (z / cell.temperature) @ z.T
        logits.fill_diagonal_(-torch.inf)
        positives = torch.arange(z.shape[0], device=z.device).roll(z0.shape[0])
        return functional.cross_entropy(logits.float(), positives)

    return loss


def eager_distillation(cell: LossCell) -> LossFunction:
    """Distillation as every tutorial has it: alpha T^2 KL + (1 - alpha) CE."""
    t = cell.temperature

    def loss(student: Tensor, teacher: Tensor, target: Tensor) -> Tensor:
        log_q = functional.log_softmax(student.float() / t, dim=1)
        p = functional.softmax(teacher.float() / t, dim=1)
        soft = functional.kl_div(log_q, p, reduction="batchmean") * (t * t)
        hard = functional.cross_entropy(student.float(), target)
        return ALPHA * soft + (1 - ALPHA) * hard

    return loss


def _compiled(build: Callable[[LossCell], LossFunction]) -> Callable[[LossCell], LossFunction]:
    return lambda cell: torch.compile(build(cell), dynamic=False, fullgraph=True)


def _our_nt_xent(impl: Impl) -> Callable[[LossCell], LossFunction]:
    def builder(cell: LossCell) -> LossFunction:
        return lambda z0, z1: nt_xent(z0, z1, cell.temperature, impl=impl)

    return builder


def _our_distillation(impl: Impl) -> Callable[[LossCell], LossFunction]:
    def builder(cell: LossCell) -> LossFunction:
        def loss(student: Tensor, teacher: Tensor, target: Tensor) -> Tensor:
            return distillation_loss(
                student,
                teacher,
                target,
                temperature=cell.temperature,
                kind="kl",
                alpha=ALPHA,
                impl=impl,
            )

        return loss

    return builder


def _ours(name: str, impl: Impl, dtype: str | None = None) -> Provider:
    builders = {"nt_xent": _our_nt_xent(impl), "distillation": _our_distillation(impl)}
    return Provider(name, builders, package="simclr-bench", module="simclr_bench", dtype=dtype)


_EAGER = {"nt_xent": eager_nt_xent, "distillation": eager_distillation}
_COMPILED = {loss: _compiled(build) for loss, build in _EAGER.items()}

# 16384 rows are 1 GB a buffer, and both hold several.
PROVIDERS = (
    _ours("fused", "fused"),
    _ours("auto", "auto"),
    _ours("chunked", "chunked"),
    _ours("fused-float32", "fused", dtype="float32"),
    Provider("eager", _EAGER, largest_rows=16384),
    Provider("compile", _COMPILED, largest_rows=16384, compiled=True),
)
