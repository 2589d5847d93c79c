"""The CUDA kernels against the formula in float64, by the rule used on the CPU. Needs a GPU."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from simclr_bench import distillation_loss, nt_xent
from simclr_bench.losses.precision import Precision
from tests.losses.contrastive import family
from tests.losses.distillation import test_distillation
from tests.losses.distillation.test_kinds import KINDS, targets
from tests.losses.numerics import (
    CASES,
    DTYPES,
    Case,
    assert_as_accurate_as,
    random,
    rows_and_gradients,
)

pytestmark = pytest.mark.gpu


def assert_waits_for_nothing_and_can_be_captured(step: Callable[[], list[Tensor]]) -> None:
    step()
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        want = step()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = step()
    for _ in range(3):
        graph.replay()
        assert all(map(torch.equal, captured, want))


# 129 x 300: rows that do not stay in registers between passes. Then more than 2048 rows, which get
# several kernels: with columns that a block of threads has sums for, and with more than that.
@pytest.mark.parametrize("shape", [*family.SHAPES, (129, 300), (1025, 20), (1025, 300)], ids=str)
@pytest.mark.parametrize("regime", family.REGIMES)
@pytest.mark.parametrize(("dtype", "temperature"), CASES)
def test_nt_xent_is_no_less_accurate_than_the_formula(
    shape: tuple[int, int], regime: str, temperature: float, dtype: torch.dtype
) -> None:
    given = "nt_xent", "fused", regime, temperature, dtype, shape
    for quantity in zip(*family.draws(*given, device="cuda", learned=False), strict=True):
        assert_as_accurate_as(quantity)


@pytest.mark.parametrize("objective", family.OBJECTIVES)
@pytest.mark.parametrize("regime", family.REGIMES)
@pytest.mark.parametrize(("dtype", "temperature"), CASES)
def test_every_loss_with_a_learned_temperature_is_no_less_accurate_than_the_formula(
    objective: str, regime: str, temperature: float, dtype: torch.dtype
) -> None:
    given = objective, "fused", regime, temperature, dtype, (33, 70)
    for quantity in zip(*family.draws(*given, device="cuda"), strict=True):
        assert_as_accurate_as(quantity)


@pytest.mark.parametrize("temperature", family.TEMPERATURES)
def test_rows_as_given_are_no_less_accurate_than_the_formula(temperature: float) -> None:
    given = "nt_xent", "fused", "random", temperature, torch.float32, (33, 7)
    for quantity in zip(*family.draws(*given, normalize=False, device="cuda"), strict=True):
        assert_as_accurate_as(quantity)


@pytest.mark.parametrize("columns", [64, 100, 128, 300, 2048, 4096])
@pytest.mark.parametrize("precision", ["highest", "high", "medium"])
def test_a_precision_is_no_less_accurate_than_the_formula_in_it(
    precision: Precision, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At many rows of any width, in several passes: as float32, as TF32, as bfloat16."""
    x, y = (random(1100, columns, seed=seed).cuda() for seed in (1, 2))

    def results(dtype: torch.dtype, **options: Any) -> list[Tensor]:
        leaves = [z.to(dtype).requires_grad_() for z in (x, y)]
        loss = nt_xent(*leaves, 0.2, **options)
        return [loss.detach(), *torch.autograd.grad(loss, leaves)]

    got = results(torch.float32, impl="fused", precision=precision, workspace_mb=1)
    exact = results(torch.float64, impl="reference")
    if precision == "high":
        monkeypatch.setattr(torch.backends.cuda.matmul, "fp32_precision", "tf32")
    dtype = torch.bfloat16 if precision == "medium" else torch.float32
    naive = [result.float() for result in results(dtype, impl="reference")]
    for quantity in zip(got, naive, exact, strict=True):
        assert_as_accurate_as([Case(*quantity)])


@pytest.mark.parametrize(("pairs", "columns"), [(200, 64), (200, 512), (1100, 64), (1100, 512)])
@pytest.mark.parametrize("learned", [False, True])
def test_nt_xent_waits_for_nothing_and_can_be_captured(
    learned: bool, pairs: int, columns: int
) -> None:
    x, y = (random(pairs, columns, seed=seed).float().cuda() for seed in (1, 2))
    tau = torch.tensor(0.1, device="cuda", requires_grad=True)

    def step() -> list[Tensor]:
        leaves = [x.requires_grad_(), y.requires_grad_(), *([tau] if learned else [])]
        loss = nt_xent(x, y, tau if learned else 0.1, impl="fused")
        return [loss.detach(), *torch.autograd.grad(2 * loss, leaves)]

    assert_waits_for_nothing_and_can_be_captured(step)


@pytest.mark.parametrize("shape", test_distillation.SHAPES, ids=str)
@pytest.mark.parametrize("regime", test_distillation.REGIMES)
@pytest.mark.parametrize(("dtype", "temperature"), CASES)
def test_distillation_is_no_less_accurate_than_the_formula(
    shape: tuple[int, int], regime: str, temperature: float, dtype: torch.dtype
) -> None:
    cases = test_distillation.draws("fused", regime, temperature, dtype, shape, device="cuda")
    for quantity in zip(*cases, strict=True):
        assert_as_accurate_as(quantity)


@pytest.mark.parametrize("classes", [5, 50, 1000, 1001, 5000, 30000, 151936])
@pytest.mark.parametrize("temperature", [0.1, 1.0, 4.0])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", DTYPES[1:])
def test_distillation_with_labels_is_no_less_accurate_than_the_formula(
    dtype: torch.dtype, kind: str, temperature: float, classes: int
) -> None:
    """Both gradients, of rows apart by more than their length; every schedule of the kernels."""
    draws = []
    for seed in range(4):
        x, y = (random(7, classes + 3, seed=s)[:, 1:-2] for s in (seed, 100 + seed))
        inputs = tuple((3 * z).to("cuda", dtype) for z in (x, y))
        upstream = random(7, seed=200 + seed).cuda()

        def loss(impl: str):
            return lambda student, teacher: distillation_loss(
                student,
                teacher,
                targets(7, classes).cuda(),
                temperature=temperature,
                kind=kind,
                alpha=0.7,
                label_smoothing=0.1,
                reduction="none",
                impl=impl,
            )

        got = rows_and_gradients(loss("fused"), inputs, upstream)
        naive = rows_and_gradients(loss("reference"), inputs, upstream)
        exact = rows_and_gradients(loss("reference"), tuple(z.double() for z in inputs), upstream)
        draws.append([Case(*quantity) for quantity in zip(got, naive, exact, strict=True)])
    for quantity in zip(*draws, strict=True):
        small = 1e-3 * max(case.size for case in quantity)
        assert_as_accurate_as([case._replace(noise=small) for case in quantity])


@pytest.mark.parametrize("upstream", [1.0, 65536.0])
@pytest.mark.parametrize("rows", [7, 3000])
@pytest.mark.parametrize("dtype", DTYPES[1:])
def test_the_mean_is_over_rows_and_over_targets(
    dtype: torch.dtype, rows: int, upstream: float
) -> None:
    """3000 targets are counted by a kernel of their own. float16 survives a gradient scaler."""
    x, y = (random(rows, 50, seed=seed).to("cuda", dtype) for seed in (1, 2))

    def results(impl: str, dtype: torch.dtype) -> list[Tensor]:
        leaves = [z.to(dtype).requires_grad_() for z in (x, y)]
        loss = distillation_loss(*leaves, targets(rows, 50).cuda(), alpha=0.5, impl=impl)
        return [loss.detach(), *torch.autograd.grad(loss * upstream, leaves)]

    got, want = results("fused", dtype), results("reference", torch.float64)
    for one, other in zip(got, want, strict=True):
        allowed = 4 * torch.finfo(one.dtype).eps * other.abs().max().item()
        torch.testing.assert_close(one.double(), other, rtol=0, atol=allowed)


@pytest.mark.parametrize("kind", KINDS[1:])
@pytest.mark.parametrize("classes", [5, 40, 1000, 30000, 151936])
@pytest.mark.parametrize("dtype", DTYPES[1:])
def test_equal_logits_lose_exactly_0(dtype: torch.dtype, classes: int, kind: str) -> None:
    student = (3 * random(3, classes, seed=1)).to("cuda", dtype).requires_grad_()
    teacher = student.detach().clone().requires_grad_()
    loss = distillation_loss(student, teacher, temperature=0.7, kind=kind, impl="fused")
    assert loss == 0
    for gradient in torch.autograd.grad(loss, (student, teacher)):
        assert (gradient == 0).all()


@pytest.mark.parametrize("classes", [5, 1000, 30000])
@pytest.mark.parametrize("reduction", ["batchmean", "none"])
def test_distillation_waits_for_nothing_and_can_be_captured(reduction: str, classes: int) -> None:
    x, y = (random(9, classes, seed=seed).float().cuda() for seed in (1, 2))
    target = targets(9, classes).cuda()

    def step() -> list[Tensor]:
        leaves = [x.requires_grad_(), y.requires_grad_()]
        loss = distillation_loss(*leaves, target, alpha=0.5, reduction=reduction, impl="fused")
        return [loss.detach(), *torch.autograd.grad(2 * loss.sum(), leaves)]

    assert_waits_for_nothing_and_can_be_captured(step)


def kernels_of(step: Callable[[], object]) -> list[str]:
    """Names of the kernels, ours and element-wise ones, that a step launches."""
    step()
    activities = [torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as profile:
        step()
        torch.cuda.synchronize()
    names = [event.name for event in profile.events()]
    return [name for name in names if "simclr_bench" in name or "elementwise" in name]


def test_a_distillation_and_its_gradients_take_one_kernel_each() -> None:
    x, y = (random(64, 1000, seed=seed).float().cuda().requires_grad_() for seed in (1, 2))
    target = targets(64, 1000).cuda()
    ones = torch.ones((), device="cuda")

    def step() -> None:
        loss = distillation_loss(x, y, target, temperature=4.0, alpha=0.5, impl="fused")
        torch.autograd.grad(loss, x, ones)

    assert len(kernels_of(step)) == 2


@pytest.mark.parametrize("dtype", DTYPES[1:])
def test_few_rows_take_one_kernel_forward_and_one_backward(dtype: torch.dtype) -> None:
    x, y = (random(512, 128, seed=seed).to("cuda", dtype).requires_grad_() for seed in (1, 2))
    ones = torch.ones(1024, device="cuda")

    def step() -> None:
        loss = nt_xent(x, y, 0.1, reduction="none", impl="fused")
        torch.autograd.grad(loss, (x, y), ones)

    names = kernels_of(step)
    assert ["small_losses" in names[0], "small_gradients" in names[1], len(names)] == [1, 1, 2]


@pytest.mark.parametrize(("rows", "columns"), [(500, 130), (500, 600), (1100, 130)])
def test_results_are_bitwise_repeatable(rows: int, columns: int) -> None:
    x, y = (random(rows, columns, seed=seed, dtype=torch.bfloat16).cuda() for seed in (1, 2))

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
