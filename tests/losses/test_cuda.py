"""The CUDA kernels against the formula in float64, by the rule used on the CPU. Needs a GPU."""

import pytest
import torch
from torch import Tensor

from simclr_bench import distillation_loss, nt_xent
from tests.losses.contrastive import family
from tests.losses.distillation import test_distillation
from tests.losses.numerics import CASES, assert_as_accurate_as, random

pytestmark = pytest.mark.gpu


# 129 x 300: rows and columns past one block of threads; 8 rows per block do not divide 258.
@pytest.mark.parametrize("shape", [*family.SHAPES, (129, 300)], ids=str)
@pytest.mark.parametrize("regime", family.REGIMES)
@pytest.mark.parametrize(("dtype", "temperature"), CASES)
def test_nt_xent_is_no_less_accurate_than_the_formula(
    shape: tuple[int, int], regime: str, temperature: float, dtype: torch.dtype
) -> None:
    cases = family.draws("nt_xent", "fused", regime, temperature, dtype, shape, device="cuda")
    for quantity in zip(*cases, strict=True):
        assert_as_accurate_as(quantity)


@pytest.mark.parametrize("temperature", family.TEMPERATURES)
def test_rows_as_given_are_no_less_accurate_than_the_formula(temperature: float) -> None:
    cases = family.draws(
        "nt_xent",
        "fused",
        "random",
        temperature,
        torch.float32,
        (33, 7),
        normalize=False,
        device="cuda",
    )
    for quantity in zip(*cases, strict=True):
        assert_as_accurate_as(quantity)


@pytest.mark.parametrize("shape", test_distillation.SHAPES, ids=str)
@pytest.mark.parametrize("regime", test_distillation.REGIMES)
@pytest.mark.parametrize(("dtype", "temperature"), CASES)
def test_distillation_is_no_less_accurate_than_the_formula(
    shape: tuple[int, int], regime: str, temperature: float, dtype: torch.dtype
) -> None:
    cases = test_distillation.draws("fused", regime, temperature, dtype, shape, device="cuda")
    for quantity in zip(*cases, strict=True):
        assert_as_accurate_as(quantity)


def test_results_are_bitwise_repeatable() -> None:
    x, y = (random(500, 130, seed=seed, dtype=torch.bfloat16).cuda() for seed in (1, 2))

    def results() -> list[Tensor]:
        leaves = [x.clone().requires_grad_(), y.clone().requires_grad_()]
        loss = nt_xent(*leaves, impl="fused") + distillation_loss(*leaves, impl="fused")
        return [loss.detach(), *torch.autograd.grad(loss, leaves)]

    first = results()
    assert all(all(map(torch.equal, first, results())) for _ in range(5))


def test_nan_reaches_every_loss() -> None:
    z0, z1 = (random(300, 5, seed=seed, dtype=torch.float32).cuda() for seed in (1, 2))
    z1[299, 4] = torch.nan
    assert nt_xent(z0, z1, reduction="none", impl="fused").isnan().all()
    rows = distillation_loss(z0, z1, reduction="none", impl="fused")
    assert rows.isnan().nonzero().flatten().tolist() == [299]


def test_no_n_by_n_matrix_is_allocated() -> None:
    z0, z1 = (random(4096, 64, seed=seed, dtype=torch.float32).cuda() for seed in (1, 2))
    leaves = [z0.requires_grad_(), z1.requires_grad_()]
    nt_xent(*leaves, impl="fused").backward()
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    nt_xent(*leaves, impl="fused").backward()
    peak = torch.cuda.max_memory_allocated() - before
    assert peak < 8192 * 8192 * 4 / 8
