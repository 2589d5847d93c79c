"""The grid of the loss benchmarks as data, and the plain eager losses they are measured against."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from simclr_bench import distillation_loss, nt_xent

TEMPERATURES = {"nt_xent": 0.1, "distillation": 4.0}
IMPLS = ("eager", "chunked", "fused")


@dataclass(frozen=True)
class Cell:
    """One loss at one size and dtype.

    Attributes:
        loss: "nt_xent" or "distillation".
        rows: B: pairs for nt_xent, examples for distillation.
        columns: D or C.
        dtype: Name of the torch dtype.
    """

    loss: str
    rows: int
    columns: int
    dtype: str

    def __str__(self) -> str:
        letters = "B{}-D{}" if self.loss == "nt_xent" else "B{}-C{}"
        return f"{self.loss}-{letters.format(self.rows, self.columns)}-{self.dtype}"

    @property
    def n(self) -> int:
        """Rows that get a loss."""
        return 2 * self.rows if self.loss == "nt_xent" else self.rows


# 256 x 64 is what the embedded pretraining uses, 128 is SimCLR's projection; 32 shows the overhead.
# 101 classes is the paper's widest task, 1000 is ImageNet.
CPU_GRID = (
    Cell("nt_xent", 32, 64, "float32"),
    Cell("nt_xent", 256, 64, "float32"),
    Cell("nt_xent", 512, 128, "float32"),
    Cell("nt_xent", 1024, 128, "float32"),
    Cell("nt_xent", 256, 64, "bfloat16"),
    Cell("distillation", 64, 101, "float32"),
    Cell("distillation", 1024, 101, "float32"),
    Cell("distillation", 1024, 1000, "float32"),
)

# SimCLR trains with 4096 images, which are 8192 rows; distillation at ImageNet's 1000 classes.
CUDA_GRID = tuple(
    Cell("nt_xent", rows, 128, dtype)
    for dtype in ("float32", "bfloat16")
    for rows in (256, 1024, 4096)
) + tuple(
    Cell("distillation", rows, columns, dtype)
    for dtype in ("float32", "bfloat16")
    for rows, columns in ((64, 101), (1024, 1000), (8192, 1000))
)


def eager_nt_xent(z0: Tensor, z1: Tensor) -> Tensor:
    """NT-Xent as one would write it for speed in plain PyTorch, the scale folded into the rows."""
    pairs = z0.shape[0]
    z = functional.normalize(torch.cat([z0, z1]), dim=1)
    logits = (z / TEMPERATURES["nt_xent"]) @ z.T
    logits.fill_diagonal_(-torch.inf)
    positives = torch.arange(2 * pairs, device=z.device).roll(pairs)
    return functional.cross_entropy(logits.float(), positives)


def eager_distillation(student: Tensor, teacher: Tensor) -> Tensor:
    """Distillation as one would write it in plain PyTorch: cross_entropy takes soft labels."""
    temperature = TEMPERATURES["distillation"]
    labels = torch.softmax(teacher.float() / temperature, dim=1)
    return temperature**2 * functional.cross_entropy(student.float() / temperature, labels)


def loss_function(loss: str, impl: str) -> Callable[[Tensor, Tensor], Tensor]:
    """The mean loss of a pair of inputs, by one implementation; `impl` may also be "eager"."""
    if impl == "eager":
        return eager_nt_xent if loss == "nt_xent" else eager_distillation
    if impl not in {"fused", "chunked", "reference"}:
        raise ValueError(f"loss_function: impl must be eager, fused or chunked, got {impl!r}")
    temperature = TEMPERATURES[loss]

    def function(x: Tensor, y: Tensor) -> Tensor:
        if loss == "nt_xent":
            return nt_xent(x, y, temperature, impl=impl)  # type: ignore[arg-type]
        return distillation_loss(x, y, temperature=temperature, impl=impl)  # type: ignore[arg-type]

    return function


def inputs(cell: Cell, device: str) -> tuple[Tensor, Tensor]:
    """Seeded inputs; z1 is a noisy z0 and the teacher is near the student, as in training."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(cell.rows, cell.columns, generator=generator)
    y = x + 0.5 * torch.randn(cell.rows, cell.columns, generator=generator)
    dtype = getattr(torch, cell.dtype)
    return x.to(device, dtype).requires_grad_(), y.to(device, dtype)


def step(function: Callable[[Tensor, Tensor], Tensor], x: Tensor, y: Tensor) -> Tensor:
    """One loss and its gradient with respect to x."""
    (gradient,) = torch.autograd.grad(function(x, y), x)
    return gradient


def gradient_error(cell: Cell, impl: str, x: Tensor, y: Tensor) -> float:
    """|gradient - exact| / |exact| against the formula in float64 on the same inputs."""
    got = step(loss_function(cell.loss, impl), x, y).double()
    wide = x.detach().double().requires_grad_()
    exact = step(loss_function(cell.loss, "reference"), wide, y.double())
    return ((got - exact).norm() / exact.norm()).item()
