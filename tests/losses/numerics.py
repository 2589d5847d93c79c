"""Judging accuracy without a tolerance: the textbook formula in the same dtype sets it."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from torch import Tensor

# Half types differ from float32 by the rounding of their inputs and gradients only: for them, one
# temperature at which similarities matter to their last digit and one at which they do not.
CASES = [
    (dtype, temperature)
    for dtype in (torch.float32, torch.bfloat16, torch.float16)
    for temperature in ((0.002, 0.02, 0.1, 1.0, 100.0) if dtype is torch.float32 else (0.02, 1.0))
]

IMPLS = ("fused", "chunked", "reference")
DTYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16)

# Draws per case. The error of one draw is itself random: over sixteen, the ratio of two mean errors
# says which formula is better; over one, who was lucky.
SEEDS = range(16)


class Case(NamedTuple):
    """One quantity of one draw.

    Attributes:
        actual: What the implementation under test returned.
        naive: The reference in the same dtype.
        exact: The result in float64.
        noise: How far float64 itself may be off where its terms cancel. Rows that are equal after
            rounding to a half type have a gradient of exactly 0: an error has no size relative to
            that.
    """

    actual: Tensor
    naive: Tensor
    exact: Tensor
    noise: float = 0.0

    @property
    def size(self) -> float:
        """max|exact|; 0 if no digit of it is known."""
        size = self.exact.abs().max().item()
        return 0.0 if size <= self.noise else size


def largest_error(actual: Tensor, exact: Tensor) -> float:
    """max|actual - exact|."""
    assert actual.shape == exact.shape
    return (actual.double() - exact.double()).abs().max().item()


def assert_as_accurate_as(cases: Iterable[Case], *, factor: float = 2.0) -> None:
    """Asserts that the mean error is at most `factor` times the naive one + one rounding.

    The error of a draw is its largest, relative to the largest element of the exact result; where
    that is 0, to the mean of the other draws; where all are, to the terms that cancel. A single
    number, such as a temperature's gradient, may come close to 0 in any draw, and its relative
    error has no mean: its draws are all judged by the largest of them.

    Args:
        cases: Several draws of one case.
        factor: Head room over the naive error.
    """
    cases = list(cases)
    (dtype,) = {tensor.dtype for case in cases for tensor in (case.actual, case.naive)}
    typical = sum(case.size for case in cases) / len(cases)
    tiny = torch.finfo(torch.float64).tiny
    # The noise is some roundings of those terms: 64, for those who state one.
    of_number = max(case.size for case in cases) if cases[0].exact.dim() == 0 else 0.0
    sizes = [of_number or case.size or typical or case.noise * 2**46 or tiny for case in cases]

    def mean_error(results: list[Tensor]) -> float:
        errors = [largest_error(x, case.exact) for x, case in zip(results, cases, strict=True)]
        return sum(error / size for error, size in zip(errors, sizes, strict=True)) / len(cases)

    error = mean_error([case.actual for case in cases])
    allowed = factor * mean_error([case.naive for case in cases]) + torch.finfo(dtype).eps
    assert error <= allowed, f"mean error {error:.3e} > {allowed:.3e} allowed ({factor}x naive)"


def rows_and_gradients(
    loss: Callable[..., Tensor], inputs: tuple[Tensor, ...], upstream: Tensor
) -> list[Tensor]:
    """The unreduced loss of fresh copies of `inputs`, then their gradients for `upstream`."""
    leaves = [x.detach().clone().requires_grad_() for x in inputs]
    rows = loss(*leaves)
    return [rows.detach(), *torch.autograd.grad(rows, leaves, upstream.to(rows.dtype))]


def random(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    """Standard normal numbers that do not depend on what ran before."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)
