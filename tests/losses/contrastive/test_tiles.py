"""The compiled engine at sizes of several tiles, with every instruction set of this machine."""

import importlib
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from simclr_bench.losses.contrastive import fused
from simclr_bench.losses.contrastive.reference import PUBLIC_NAMES
from tests.losses.contrastive.family import (
    OBJECTIVES,
    REGIMES,
    class_labels,
    draws,
    exact_of,
    loss_of,
)
from tests.losses.numerics import Case, assert_as_accurate_as, random, rows_and_gradients

ENGINE = importlib.import_module("simclr_bench._C")
OPERATORS = torch.ops.simclr_bench

# Blocks have 64 rows, or 128 from 256 pairs on, or 256 from 4096 (with AMX from 1024). 130: two
# full blocks and one of two rows; 300: the last block is not full, nor is its last panel of
# columns. 9 x 600: products of rows in three parts, the last short.
SHAPES = [(130, 5), (300, 17), (9, 600)]
SEEDS = range(3)

CAPABILITIES = ENGINE.supported_cpu_capabilities()
_MEAN = "nt_xent", True, True, True, 2**20
WITH_BFLOAT16 = [name for name in CAPABILITIES if name in ("avx512_bf16", "amx")]


CUT = "amx, float32 cut"  # into bfloat16, as it is from 2048 rows on
CUTS = [CUT] if "amx" in CAPABILITIES else []


@pytest.fixture(params=[*CAPABILITIES, *CUTS])
def cpu_capability(request: pytest.FixtureRequest) -> Iterator[str]:
    before = ENGINE.cpu_capability(), ENGINE.rows_to_cut()
    ENGINE.set_cpu_capability(request.param.partition(",")[0])
    ENGINE.set_rows_to_cut(0 if request.param == CUT else 2**62)
    yield request.param
    ENGINE.set_cpu_capability(before[0])
    ENGINE.set_rows_to_cut(before[1])


# At 0.1 exponentials are taken as they are, at 0.005 each row's maximum is taken out.
@pytest.mark.parametrize("temperature", [0.005, 0.1])
@pytest.mark.parametrize("regime", ["random", "converged", "duplicates"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_no_less_accurate_than_the_formula(
    cpu_capability: str, objective: str, shape: tuple[int, int], regime: str, temperature: float
) -> None:
    cases = []
    for seed in SEEDS:
        views = REGIMES[regime](random(*shape, seed=seed), random(*shape, seed=100 + seed))
        inputs = (*(z.float() for z in views), torch.tensor(temperature))
        upstream = random(2 * shape[0], seed=200 + seed)
        got = rows_and_gradients(loss_of(objective, "fused"), inputs, upstream)
        naive = rows_and_gradients(loss_of(objective, "reference"), inputs, upstream)
        exact = rows_and_gradients(exact_of(objective), tuple(z.double() for z in inputs), upstream)
        cases.append([Case(*quantity) for quantity in zip(got, naive, exact, strict=True)])
    for quantity in zip(*cases, strict=True):
        assert_as_accurate_as(quantity)


@pytest.mark.parametrize("temperature", [0.005, 0.1])
@pytest.mark.parametrize("shape", [(2, 3), *SHAPES], ids=str)
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_in_float64_it_is_the_formula(
    cpu_capability: str, objective: str, shape: tuple[int, int], temperature: float
) -> None:
    inputs = (
        *(random(*shape, seed=s) for s in (1, 2)),
        torch.tensor(temperature, dtype=torch.float64),
    )
    upstream = random(2 * shape[0], seed=3)
    got = rows_and_gradients(loss_of(objective, "fused"), inputs, upstream)
    exact = rows_and_gradients(exact_of(objective), inputs, upstream)
    for one, other in zip(got, exact, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-12)


@pytest.fixture(scope="module")
def largest_blocks() -> tuple[tuple[Tensor, ...], list[Tensor]]:
    """Inputs of 17 blocks of 256 rows a view, the last of 3, and the loss and its gradients."""
    inputs = (
        *(random(4099, 5, seed=s) for s in (1, 2)),
        torch.tensor(0.1, dtype=torch.float64),
    )
    rows = loss_of("nt_xent", "chunked")
    return inputs, rows_and_gradients(rows, inputs, torch.ones(8198, dtype=torch.float64))


def test_the_largest_blocks(
    cpu_capability: str, largest_blocks: tuple[tuple[Tensor, ...], list[Tensor]]
) -> None:
    inputs, exact = largest_blocks
    got = rows_and_gradients(
        loss_of("nt_xent", "fused"), tuple(z.float() for z in inputs), torch.ones(8198)
    )
    for one, other in zip(got, exact, strict=True):
        assert (one - other).norm() < 5e-7 * other.norm()


@pytest.mark.parametrize("temperature", [0.005, 0.1])
@pytest.mark.parametrize("regime", REGIMES)
@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("cpu_capability", WITH_BFLOAT16, indirect=True)
def test_bfloat16_products_are_no_less_accurate_than_the_formula_in_float32(
    cpu_capability: str, objective: str, regime: str, temperature: float
) -> None:
    """The formula rounds its gradients to bfloat16, and so may these kernels, once."""
    for shape in SHAPES:
        cases = draws(objective, "fused", regime, temperature, torch.bfloat16, shape)
        for quantity in zip(*cases, strict=True):
            assert_as_accurate_as(quantity)


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("cpu_capability", WITH_BFLOAT16, indirect=True)
def test_bfloat16_rows_of_any_length_are_those_of_float32(
    cpu_capability: str, normalize: bool
) -> None:
    """From where squares underflow to where they overflow, a row of zeros between them.

    Gradients are rounded to bfloat16 once; by avx512_bf16, the weights that they are made with too.
    """
    roundings = 2 if cpu_capability == "avx512_bf16" else 1
    lengths = torch.logspace(-30, 30, 21, dtype=torch.float64)[:, None] if normalize else 0.3
    z0, z1 = (random(21, 40, seed=seed) * lengths for seed in (1, 2))
    z0[10] = 0
    options = 0.1, None, "nt_xent", normalize
    halves = z0.bfloat16(), z1.bfloat16()
    rows, statistics = OPERATORS.contrast_forward(*halves, None, None, *options)
    floats = tuple(z.float() for z in halves)
    want, wanted_statistics = OPERATORS.contrast_forward(*floats, None, None, *options)
    torch.testing.assert_close(rows, want, rtol=1e-5, atol=0)
    upstream = torch.ones(42)
    got = OPERATORS.contrast_backward(upstream, *halves, None, None, statistics, *options)
    wanted = OPERATORS.contrast_backward(upstream, *floats, None, None, wanted_statistics, *options)
    for one, other in zip(got[:2], wanted[:2], strict=True):
        assert one.dtype == torch.bfloat16
        scale = other.abs().amax(dim=1, keepdim=True)
        torch.testing.assert_close(
            one.float() / scale, other / scale, rtol=0, atol=roundings * 2**-8
        )


@pytest.mark.parametrize("upstream", [1.0, -2.5])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_a_gradient_that_was_given_away_is_not_needed_again(
    dtype: torch.dtype, upstream: float
) -> None:
    """The first backward of a graph that is kept must not hand out what the second one reads."""
    views = [random(20, 9, seed=seed, dtype=dtype).requires_grad_() for seed in (1, 2)]
    loss = OPERATORS.contrast(*views, None, 0.5, None, *_MEAN)[0]
    grad = torch.tensor(upstream, dtype=loss.dtype)
    want = [upstream * x for x in OPERATORS.contrast(*views, None, 0.5, None, *_MEAN)[1:3]]
    for retain_graph in (True, True, False):
        got = torch.autograd.grad(loss, views, grad, retain_graph=retain_graph)
        for one, other in zip(got, want, strict=True):
            assert one.dtype == dtype
            torch.testing.assert_close(one, other.to(dtype), rtol=0, atol=0)
            one.fill_(torch.nan)
    with pytest.raises(RuntimeError, match="a second time"):
        loss.backward()


def test_gradients_that_the_caller_holds_are_left_alone() -> None:
    views = [random(20, 9, seed=seed).requires_grad_() for seed in (1, 2)]
    loss, *held = OPERATORS.contrast(*views, None, 0.5, None, *_MEAN)
    before = [x.clone() for x in held]
    loss.backward(torch.tensor(3.0, dtype=torch.float64))
    assert all(map(torch.equal, held, before))
    for view, gradient in zip(views, before, strict=False):
        assert view.grad is not None
        assert view.grad.equal(3 * gradient)


def reduced(objective: str, z0: Tensor, z1: Tensor, tau: Tensor, workspace_mb: float) -> Tensor:
    labels = None
    if objective == "supervised":
        z0, z1, labels = torch.cat([z0, z1]), None, class_labels(2 * len(z0))
    return fused.reduced(
        objective, z0, z1, tau, normalize=True, mean=True, workspace_mb=workspace_mb, labels=labels
    )


@pytest.mark.parametrize("temperature", [0.005, 0.1])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_tiles_that_are_kept_change_no_bit(
    cpu_capability: str, objective: str, temperature: float
) -> None:
    """None fits, some do, all do."""
    inputs = (*(random(150, 9, seed=s).float() for s in (1, 2)), torch.tensor(temperature))

    def with_workspace(workspace_mb: float) -> list[Tensor]:
        return rows_and_gradients(
            lambda *x: reduced(objective, *x, workspace_mb), inputs, torch.tensor(1.0)
        )

    results = [with_workspace(workspace_mb) for workspace_mb in (0, 0.1, 32)]
    for other in results[1:]:
        assert all(map(torch.equal, results[0], other))


@pytest.mark.parametrize("temperature", [0.005, 0.1])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_gradient_made_in_the_forward_is_that_of_the_rows(
    objective: str, temperature: float
) -> None:
    inputs = (
        *(random(70, 9, seed=s) for s in (1, 2)),
        torch.tensor(temperature, dtype=torch.float64),
    )
    got = rows_and_gradients(
        lambda *x: reduced(objective, *x, 1), inputs, torch.tensor(3.0, dtype=torch.float64)
    )
    rows = loss_of(objective, "fused")
    count = 140
    if objective == "supervised":
        labels = class_labels(140)
        count = int(((labels[:, None] == labels).sum(dim=1) > 1).sum())
    want = rows_and_gradients(
        lambda *x: rows(*x).sum() / count, inputs, torch.tensor(3.0, dtype=torch.float64)
    )
    for one, other in zip(got, want, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("with_respect_to", ["views", "temperature"])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_second_derivative_of_a_gradient_made_in_the_forward_is_refused(
    objective: str, with_respect_to: str
) -> None:
    """What the forward made is a constant to autograd: the derivative would silently be 0."""
    z0, z1 = random(4, 3, seed=1), random(4, 3, seed=2)
    tau = torch.tensor(0.5, dtype=torch.float64)
    leaf = (z0 if with_respect_to == "views" else tau).requires_grad_()
    (gradient,) = torch.autograd.grad(reduced(objective, z0, z1, tau, 1), leaf, create_graph=True)
    name = PUBLIC_NAMES[objective]
    with pytest.raises(NotImplementedError, match=f'{name}: impl="fused" has no second derivative'):
        torch.autograd.grad(gradient.square().sum(), leaf)


def test_without_a_gradient_to_make_none_is_made() -> None:
    z0, z1 = random(4, 3, seed=1), random(4, 3, seed=2)
    options = 0.1, None, "nt_xent", True, True
    loss, *gradients = OPERATORS.contrast(z0, z1, None, *options, False, 0)
    assert [gradient.numel() for gradient in gradients] == [0, 0, 0]
    assert torch.equal(loss, OPERATORS.contrast(z0, z1, None, *options, True, 0)[0])
    with torch.no_grad():
        assert fused.reduced(
            "nt_xent", z0.requires_grad_(), z1, 0.1, normalize=True, mean=True, workspace_mb=1
        ).equal(loss)


@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (33, 70), (130, 5)], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_nothing_is_read_or_written_beside_the_tensors(
    cpu_capability: str, shape: tuple[int, int], dtype: torch.dtype
) -> None:
    """Inputs lie between NaN, at an odd offset; an operator that reads beside them returns NaN."""

    def between_nan(z: Tensor) -> Tensor:
        room = torch.full((z.numel() + 131,), torch.nan, dtype=z.dtype)
        inside = room[67 : 67 + z.numel()].view(z.shape)
        inside.copy_(z)
        return inside

    z0, z1 = (random(*shape, seed=seed, dtype=dtype) for seed in (1, 2))
    options = 0.1, None, "nt_xent", True, True, True, 2**20
    want = OPERATORS.contrast(z0, z1, None, *options)
    got = OPERATORS.contrast(between_nan(z0), between_nan(z1), None, *options)
    assert all(map(torch.equal, got, want))
    assert all(x.isfinite().all() for x in got)


def test_more_pairs_of_rows_than_a_32_bit_number_counts() -> None:
    """N = 46342: N² is past 2^31. The last rows, against the formula for just those."""
    pairs, last, tau = 23171, 3, 0.5
    z0, z1 = (random(pairs, 2, seed=seed, dtype=torch.float32) for seed in (1, 2))
    rows = fused.rows("nt_xent", z0, z1.requires_grad_(), tau, normalize=True)
    (gradient,) = torch.autograd.grad(rows.sum(), z1)
    z = torch.cat([z0, z1]).detach().double()
    lengths = z.norm(dim=1, keepdim=True)
    unit = z / lengths
    positives = (unit * unit.roll(pairs, dims=0)).sum(dim=1) / tau
    index = torch.arange(2 * pairs - last, 2 * pairs)
    logits = (unit[-last:] @ unit.T / tau).scatter_(1, index[:, None], -torch.inf)
    want = torch.logsumexp(logits, dim=1) - positives[-last:]
    torch.testing.assert_close(rows[-last:].detach().double(), want, rtol=1e-6, atol=0)
    # Each row's log-sum, from its loss: the probabilities of a row and of a column of the last.
    log_sums = rows.detach().double() + positives
    weights = (logits - log_sums[-last:, None]).exp() + (logits - log_sums).exp()
    of_unit = (weights @ unit - 2 * unit[index - pairs]) / tau
    along = (of_unit * unit[-last:]).sum(dim=1, keepdim=True)
    want = (of_unit - along * unit[-last:]) / lengths[-last:]
    torch.testing.assert_close(gradient[-last:].double(), want, rtol=1e-4, atol=1e-5)
