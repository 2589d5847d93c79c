"""Who races: each provider is a name, how its loss is built, and what it takes to run it.

A later backend or peer is one more entry in PROVIDERS; nothing else knows their names.
"""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.grid import Cell
from simclr_bench import distillation_loss, nt_xent
from simclr_bench.losses.dispatch import Impl

# The inputs of a loss: z0 and z1, or student, teacher and labels.
LossFunction = Callable[..., Tensor]

# Weight of the teacher's part; 1 - ALPHA is the labels'.
ALPHA = 0.7
REMEDY = "pip install --no-build-isolation -e '.[{}]'"


@dataclass(frozen=True)
class Provider:
    """One way to compute a loss.

    Attributes:
        name: As in the suites and the records.
        builders: Per loss it can compute: from a cell to its loss function.
        package: The distribution behind it whose version belongs into a record.
        module: What is imported from it.
        largest_rows: The most rows it can run, of memory or patience; None for no limit.
        dtype: The dtype it computes in whatever the cell's inputs are; None for the inputs' own.
        compiled: Whether its first call compiles.
        extra: The extra of this package that installs it.
    """

    name: str
    builders: Mapping[str, Callable[[Cell], LossFunction]] = field(hash=False)
    package: str = "torch"
    module: str = "torch"
    largest_rows: int | None = None
    dtype: str | None = None
    compiled: bool = False
    extra: str = "bench"

    def precision(self, cell: Cell) -> str:
        """The precision class that its numbers belong to."""
        return self.dtype or cell.dtype

    def version(self) -> str | None:
        try:
            return version(self.package)
        except PackageNotFoundError:
            return None

    def why_not(self, cell: Cell) -> str | None:
        """Why it does not race in this cell, with the remedy if there is one; None if it does."""
        if cell.loss not in self.builders:
            return f"has no {cell.loss}"
        if self.largest_rows is not None and cell.rows > self.largest_rows:
            return f"runs up to {self.largest_rows} rows"
        try:
            importlib.import_module(self.module)
        except ImportError as error:
            return f"absent ({error}): {REMEDY.format(self.extra)}"
        return None


def eager_nt_xent(cell: Cell) -> LossFunction:
    """NT-Xent as one would write it for speed in plain PyTorch, the scale folded into the rows."""

    def loss(z0: Tensor, z1: Tensor) -> Tensor:
        z = functional.normalize(torch.cat([z0, z1]), dim=1)
        logits = (z / cell.temperature) @ z.T
        logits.fill_diagonal_(-torch.inf)
        positives = torch.arange(z.shape[0], device=z.device).roll(z0.shape[0])
        return functional.cross_entropy(logits.float(), positives)

    return loss


def eager_distillation(cell: Cell) -> LossFunction:
    """Distillation as every tutorial has it: alpha T^2 KL + (1 - alpha) CE."""
    t = cell.temperature

    def loss(student: Tensor, teacher: Tensor, target: Tensor) -> Tensor:
        log_q = functional.log_softmax(student.float() / t, dim=1)
        p = functional.softmax(teacher.float() / t, dim=1)
        soft = functional.kl_div(log_q, p, reduction="batchmean") * (t * t)
        hard = functional.cross_entropy(student.float(), target)
        return ALPHA * soft + (1 - ALPHA) * hard

    return loss


def _compiled(build: Callable[[Cell], LossFunction]) -> Callable[[Cell], LossFunction]:
    def builder(cell: Cell) -> LossFunction:
        # Beyond eight shapes of one function, compile gives up and runs eager without a word.
        torch._dynamo.reset()
        # The compile time is that of a first run on a machine, not of a second.
        torch.compiler.config.force_disable_caches = True
        return torch.compile(build(cell), dynamic=False, fullgraph=True)

    return builder


def _our_nt_xent(impl: Impl) -> Callable[[Cell], LossFunction]:
    def builder(cell: Cell) -> LossFunction:
        return lambda z0, z1: nt_xent(z0, z1, cell.temperature, impl=impl)

    return builder


def _our_distillation(impl: Impl) -> Callable[[Cell], LossFunction]:
    def builder(cell: Cell) -> LossFunction:
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


def _lightly(cell: Cell) -> LossFunction:
    from lightly.loss.ntx_ent_loss import NTXentLoss

    return NTXentLoss(temperature=cell.temperature)


def _metric_learning(cell: Cell) -> LossFunction:
    from pytorch_metric_learning.losses import NTXentLoss, SelfSupervisedLoss

    return SelfSupervisedLoss(NTXentLoss(temperature=cell.temperature))


def _ours(name: str, impl: Impl, dtype: str | None = None) -> Provider:
    builders = {"nt_xent": _our_nt_xent(impl), "distillation": _our_distillation(impl)}
    return Provider(name, builders, package="simclr-bench", module="simclr_bench", dtype=dtype)


_EAGER = {"nt_xent": eager_nt_xent, "distillation": eager_distillation}
_COMPILED = {loss: _compiled(build) for loss, build in _EAGER.items()}

# 16384 rows are 1 GB a buffer, and each of the first three holds several.
PROVIDERS = {
    provider.name: provider
    for provider in (
        _ours("fused", "fused"),
        _ours("auto", "auto"),
        _ours("chunked", "chunked"),
        _ours("fused-float32", "fused", dtype="float32"),
        Provider("eager", _EAGER, largest_rows=16384),
        Provider("compile", _COMPILED, largest_rows=16384, compiled=True),
        Provider(
            "lightly",
            {"nt_xent": _lightly},
            package="lightly",
            module="lightly.loss.ntx_ent_loss",
            largest_rows=16384,
        ),
        # Compares every triplet: N^3 numbers.
        Provider(
            "pytorch-metric-learning",
            {"nt_xent": _metric_learning},
            package="pytorch-metric-learning",
            module="pytorch_metric_learning.losses",
            largest_rows=256,
        ),
    )
}
