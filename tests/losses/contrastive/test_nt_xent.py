"""NT-Xent: hand-computed values, then every implementation against the formula in float64."""

import functools
import math

import pytest
import torch
from torch import Tensor

from simclr_bench import nt_xent
from simclr_bench.losses.contrastive import chunked
from tests.losses.numerics import (
    CASES,
    DTYPES,
    IMPLS,
    SEEDS,
    Case,
    assert_as_accurate_as,
    exact_nt_xent,
    random,
    rows_and_gradients,
)

FAST = ("fused", "chunked")

# 1: no negatives; 2: two of them; 5 and 19: no multiple of the 16-row block or of the 4-wide panel,
# below and above one block; 33 x 70: more than one block and more than one partial sum of 64.
SHAPES = [(1, 1), (2, 3), (5, 8), (19, 5), (33, 70)]

# Independent Gaussians are the easy case: no row is near a decision and nothing cancels.
REGIMES = {
    "random": lambda x, y: (x, y),
    "collapsed": lambda x, y: (1 + 1e-3 * x, 1 + 1e-3 * y),  # all embeddings in one place
    "converged": lambda x, y: (x, x + 1e-3 * y),  # late in training: the positive has all the mass
    "antipodal": lambda x, y: (x, -x),  # the worst positive there is
    "duplicates": lambda x, y: (x[:1].expand_as(x), y),  # negatives as good as the anchor itself
    "scaled": lambda x, y: (1e4 * x, 1e-4 * y),  # length must not matter
}
# At least this long are the rows of each regime, for the shapes below; shorter ones turn faster.
LENGTHS = dict.fromkeys(REGIMES, 0.01) | {"scaled": 1e-6}
TEMPERATURES = [0.002, 0.02, 0.1, 1.0, 100.0]


def loss_of(impl: str, temperature: float, normalize: bool = True):
    def loss(z0: Tensor, z1: Tensor) -> Tensor:
        return nt_xent(z0, z1, temperature, reduction="none", normalize=normalize, impl=impl)

    return loss


@pytest.mark.parametrize("impl", IMPLS)
@pytest.mark.parametrize("pairs", [1, 2, 7, 40])
def test_identical_views_give_log_2b_minus_1(impl: str, pairs: int) -> None:
    z = torch.ones(pairs, 4, dtype=torch.float64)
    value = nt_xent(z, z, 0.1, impl=impl).item()
    assert value == pytest.approx(math.log(2 * pairs - 1), abs=1e-14)


@pytest.mark.parametrize("impl", IMPLS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_single_pair_has_loss_and_gradient_exactly_0(impl: str, dtype: torch.dtype) -> None:
    z0, z1 = random(1, 6, seed=1, dtype=dtype), random(1, 6, seed=2, dtype=dtype)
    rows, *gradients = rows_and_gradients(loss_of(impl, 0.1), (z0, z1), torch.ones(2))
    assert rows.tolist() == [0, 0]
    assert all((gradient == 0).all() for gradient in gradients)


@pytest.mark.parametrize("impl", IMPLS)
def test_two_orthogonal_pairs_by_hand(impl: str) -> None:
    """Views agree and images are orthogonal: the positive is at 1/tau, both negatives at 0."""
    z = torch.eye(2, dtype=torch.float64)
    expected = math.log1p(2 * math.exp(-1 / 0.5))
    rows = nt_xent(z, 3 * z, 0.5, reduction="none", impl=impl)
    assert rows.tolist() == pytest.approx([expected] * 4, abs=1e-15)


@pytest.mark.parametrize("impl", IMPLS)
def test_the_gradient_of_two_orthogonal_pairs_by_hand(impl: str) -> None:
    """Row 0 is drawn to its pair along itself and pushed along e_1 by four weights of q/2 each.

    Without normalizing, dL/du_0 = (1/tau)·(sum of the weights of both negatives, as row and as
    column, times e_1, minus 2·q·e_0), q = 2e/(1 + 2e) with e = exp(-1/tau), for upstream 1.
    """
    tau = 0.5
    z0 = torch.eye(2, dtype=torch.float64, requires_grad=True)
    z1 = torch.eye(2, dtype=torch.float64)
    (gradient,) = torch.autograd.grad(
        nt_xent(z0, z1, tau, reduction="sum", normalize=False, impl=impl), z0
    )
    q = 2 * math.exp(-1 / tau) / (1 + 2 * math.exp(-1 / tau))
    expected = torch.tensor([[-2 * q, 2 * q], [2 * q, -2 * q]], dtype=torch.float64) / tau
    torch.testing.assert_close(gradient, expected, rtol=0, atol=1e-15)


@pytest.mark.parametrize("impl", IMPLS)
def test_reductions_agree_and_rows_are_ordered_z0_then_z1(impl: str) -> None:
    z0, z1 = random(5, 4, seed=1), random(5, 4, seed=2)
    rows = nt_xent(z0, z1, reduction="none", impl=impl)
    swapped = nt_xent(z1, z0, reduction="none", impl=impl)
    assert rows.shape == (10,)
    torch.testing.assert_close(rows, torch.cat([swapped[5:], swapped[:5]]))
    torch.testing.assert_close(nt_xent(z0, z1, impl=impl), rows.sum() / 10)
    torch.testing.assert_close(nt_xent(z0, z1, reduction="sum", impl=impl), rows.sum())


@functools.cache
def known_draws(
    regime: str,
    temperature: float,
    dtype: torch.dtype,
    shape: tuple[int, int],
    normalize: bool,
    device: str,
) -> list[tuple[tuple[Tensor, ...], Tensor, list[Tensor], list[Tensor]]]:
    """Per draw: inputs, upstream gradient, and what the formula gives naively and exactly."""
    results = []
    for seed in SEEDS:
        x, y = random(*shape, seed=seed), random(*shape, seed=100 + seed)
        inputs = tuple(z.to(device, dtype) for z in REGIMES[regime](x, y))
        upstream = random(2 * shape[0], seed=200 + seed).to(device)
        naive = rows_and_gradients(loss_of("reference", temperature, normalize), inputs, upstream)
        exact = rows_and_gradients(
            lambda z0, z1: exact_nt_xent(z0, z1, temperature, normalize=normalize),
            tuple(z.double() for z in inputs),
            upstream,
        )
        results.append((inputs, upstream, naive, exact))
    return results


def draws(
    impl: str,
    regime: str,
    temperature: float,
    dtype: torch.dtype,
    shape: tuple[int, int],
    *,
    normalize: bool = True,
    device: str = "cpu",
) -> list[list[Case]]:
    """Per draw: the row losses and both gradients."""
    results = []
    known = known_draws(regime, temperature, dtype, shape, normalize, device)
    for inputs, upstream, naive, exact in known:
        got = rows_and_gradients(loss_of(impl, temperature, normalize), inputs, upstream)
        noise = gradient_noise(exact[0], temperature, regime) if normalize else 0.0
        results.append(
            [
                Case(*quantity, noise=noise if position else 0.0)
                for position, quantity in enumerate(zip(got, naive, exact, strict=True))
            ]
        )
    return results


def roundings(temperature: float) -> float:
    """A similarity is known to a few roundings of 1 in float64, its logit to 1/tau as many."""
    return 64 * (1 + 1 / temperature) * 2**-52


def gradient_noise(exact_rows: Tensor, temperature: float, regime: str) -> float:
    """What a gradient in float64 may be off by, from its terms before they cancel.

    They are (1 - p) for the probability p of a row's positive, times the upstream gradient (5 is
    more than any that is drawn here), over tau and the row's length.
    """
    missed = (-torch.expm1(-exact_rows)).max().item()
    return roundings(temperature) * 5 * missed / temperature / LENGTHS[regime]


@pytest.mark.parametrize("impl", FAST)
@pytest.mark.parametrize("regime", REGIMES)
@pytest.mark.parametrize(("dtype", "temperature"), CASES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_no_less_accurate_than_the_formula(
    impl: str, regime: str, temperature: float, dtype: torch.dtype, shape: tuple[int, int]
) -> None:
    cases = draws(impl, regime, temperature, dtype, shape)
    for rows, *gradients in cases:
        assert rows.actual.dtype == torch.float32
        assert {gradient.actual.dtype for gradient in gradients} == {dtype}
    for quantity in zip(*cases, strict=True):
        assert_as_accurate_as(quantity)


@pytest.mark.parametrize("impl", FAST)
@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_rows_as_given_are_no_less_accurate_than_the_formula(impl: str, temperature: float) -> None:
    cases = draws(impl, "random", temperature, torch.float32, (33, 7), normalize=False)
    for quantity in zip(*cases, strict=True):
        assert_as_accurate_as(quantity)


@pytest.mark.parametrize("impl", FAST)
@pytest.mark.parametrize("regime", REGIMES)
@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_float64_agrees_with_the_exact_result_to_rounding(
    impl: str, regime: str, temperature: float
) -> None:
    tiny = torch.finfo(torch.float64).tiny
    for shape in SHAPES:
        for rows, *gradients in draws(impl, regime, temperature, torch.float64, shape):
            missed = -torch.expm1(-rows.exact)
            allowed = roundings(temperature) * (missed + rows.exact) + tiny
            assert ((rows.actual - rows.exact).abs() <= allowed).all()
            for gradient in gradients:
                torch.testing.assert_close(
                    gradient.actual, gradient.exact, rtol=0, atol=gradient.noise + tiny
                )


@pytest.mark.parametrize("regime", REGIMES)
def test_the_exact_result_is_the_formula_of_the_paper(regime: str) -> None:
    x, y = random(9, 5, seed=1), random(9, 5, seed=2)
    inputs = REGIMES[regime](x, y)
    upstream = random(18, seed=3)
    want = rows_and_gradients(loss_of("reference", 0.5), inputs, upstream)
    got = rows_and_gradients(lambda z0, z1: exact_nt_xent(z0, z1, 0.5), inputs, upstream)
    for one, other in zip(got, want, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("impl", FAST)
def test_a_saturated_loss_keeps_its_gradient(impl: str) -> None:
    """Pairs almost agree at tau = 0.0125: 1 - p rounds to 0 in float32, the gradient does not.

    The inputs are unit vectors by construction (one or two powers of two), so that nothing but the
    loss itself rounds.
    """
    z0 = torch.eye(4)
    z1 = torch.eye(4) * 0.5
    rows, *gradients = rows_and_gradients(
        loss_of(impl, 0.0125, normalize=False), (z0, z1), torch.ones(8)
    )
    exact_rows, *exact = rows_and_gradients(
        loss_of(impl, 0.0125, normalize=False), (z0.double(), z1.double()), torch.ones(8)
    )
    # Per row: seven rows minus itself, its positive at 0.5 and six negatives at 0.
    by_hand = 6 * math.exp(-0.5 / 0.0125)
    assert exact_rows.tolist() == pytest.approx([math.log1p(by_hand)] * 8, rel=1e-13)
    torch.testing.assert_close(rows.double(), exact_rows, rtol=1e-5, atol=0)
    assert min(gradient.norm() for gradient in exact) > 1e-17
    for got, want in zip(gradients, exact, strict=True):
        ratio = got.double().norm() / want.norm()
        assert ratio.item() == pytest.approx(1, rel=1e-5)
        torch.testing.assert_close(got.double(), want, rtol=1e-5, atol=0)


@pytest.mark.parametrize("impl", FAST)
@pytest.mark.parametrize("normalize", [True, False])
def test_gradcheck_in_float64(impl: str, normalize: bool) -> None:
    inputs = tuple(random(5, 3, seed=seed).requires_grad_() for seed in (1, 2))
    assert torch.autograd.gradcheck(loss_of(impl, 0.3, normalize), inputs)


@pytest.mark.parametrize("impl", FAST)
def test_gradients_are_orthogonal_to_the_rows(impl: str) -> None:
    """The loss does not depend on a row's length, so z·dz = 0."""
    inputs = (random(20, 9, seed=1), 5 * random(20, 9, seed=2))
    _, *gradients = rows_and_gradients(loss_of(impl, 0.1), inputs, random(40, seed=3))
    for z, gradient in zip(inputs, gradients, strict=True):
        along = (z * gradient).sum(dim=1).abs()
        size = z.norm(dim=1) * gradient.norm(dim=1)
        assert (along <= 1e-14 * size).all()


@pytest.mark.parametrize("impl", FAST)
def test_a_zero_row_follows_the_rule_of_normalize(impl: str) -> None:
    """Its length is below 1e-12, so that its gradient is that of the row divided by 1e-12."""
    z0, z1 = random(6, 4, seed=1), random(6, 4, seed=2)
    z0[2] = 0
    z1[3] = 1e-14
    upstream = random(12, seed=3)
    rows, *gradients = rows_and_gradients(loss_of(impl, 0.5), (z0, z1), upstream)
    want_rows, *want = rows_and_gradients(loss_of("reference", 0.5), (z0, z1), upstream)
    torch.testing.assert_close(rows, want_rows)
    assert gradients[0][2].abs().max() > 1e10
    for got, expected in zip(gradients, want, strict=True):
        torch.testing.assert_close(got, expected)


@pytest.mark.parametrize("impl", IMPLS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("pairs", [1, 6])
@pytest.mark.parametrize("normalize", [True, False])
def test_nan_in_any_row_reaches_every_loss(
    impl: str, dtype: torch.dtype, pairs: int, normalize: bool
) -> None:
    z0, z1 = random(pairs, 5, seed=1, dtype=dtype), random(pairs, 5, seed=2, dtype=dtype)
    z1[pairs - 1, 2] = math.nan
    rows, *gradients = rows_and_gradients(
        loss_of(impl, 0.1, normalize), (z0, z1), torch.ones(2 * pairs)
    )
    if not (impl == "reference" and pairs == 1):  # log_softmax of a single logit forgets it
        assert rows.isnan().all()
        assert all(gradient.isnan().any(dim=1).all() for gradient in gradients)


@pytest.mark.parametrize("impl", FAST)
def test_infinity_gives_no_plausible_number(impl: str) -> None:
    z0, z1 = random(4, 5, seed=1), random(4, 5, seed=2)
    z0[1, 0] = math.inf
    rows = nt_xent(z0, z1, reduction="none", impl=impl)
    assert not rows.isfinite().any()


@pytest.mark.parametrize("impl", FAST)
def test_strided_and_expanded_inputs_are_read_as_they_look(impl: str) -> None:
    wide = random(9, 20, seed=1)
    cases = [
        (wide[:, ::2], wide[:, 1::2]),
        (wide.T[:8], wide.T[8:16]),
        (wide[:1].expand(7, 20), random(7, 20, seed=2)),
    ]
    for z0, z1 in cases:
        upstream = random(2, seed=3)[:1].expand(2 * z0.shape[0])
        leaves = (z0.requires_grad_(), z1.requires_grad_())
        rows = nt_xent(*leaves, reduction="none", impl=impl)
        gradients = torch.autograd.grad(rows, leaves, upstream)
        want_rows, *want = rows_and_gradients(
            loss_of("reference", 0.1), (z0.contiguous(), z1.contiguous()), upstream
        )
        torch.testing.assert_close(rows.detach(), want_rows)
        for got, expected in zip(gradients, want, strict=True):
            torch.testing.assert_close(got, expected)
        wide = wide.detach()


@pytest.mark.parametrize("impl", IMPLS)
def test_one_input_alone_may_require_a_gradient(impl: str) -> None:
    z0, z1 = random(4, 3, seed=1), random(4, 3, seed=2).requires_grad_()
    nt_xent(z0, z1, impl=impl).backward()
    assert z0.grad is None
    _, _, want = rows_and_gradients(loss_of("reference", 0.1), (z0, z1), torch.ones(8) / 8)
    torch.testing.assert_close(z1.grad, want)


def test_the_same_tensor_as_both_views_gets_both_gradients() -> None:
    z = random(5, 3, seed=1).requires_grad_()
    (got,) = torch.autograd.grad(nt_xent(z, z, impl="fused"), z)
    (want,) = torch.autograd.grad(nt_xent(z, z, impl="reference"), z)
    torch.testing.assert_close(got, want)


@pytest.mark.parametrize("rows", [1, 2, 7, 66, 100])
def test_the_chunk_size_does_not_change_the_result(rows: int) -> None:
    inputs = (random(33, 6, seed=1), random(33, 6, seed=2))
    upstream = random(66, seed=3)

    def of(chunk_rows: int | None):
        return lambda z0, z1: chunked.rows(
            "nt_xent", z0, z1, 0.1, normalize=True, chunk_rows=chunk_rows
        )

    whole = rows_and_gradients(of(None), inputs, upstream)
    parts = rows_and_gradients(of(rows), inputs, upstream)
    for got, want in zip(parts, whole, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("impl", FAST)
def test_the_second_derivative_is_refused_by_name(impl: str) -> None:
    z0, z1 = random(3, 4, seed=1).requires_grad_(), random(3, 4, seed=2)
    (gradient,) = torch.autograd.grad(nt_xent(z0, z1, impl=impl), z0, create_graph=True)
    with pytest.raises(NotImplementedError, match=f'nt_xent: impl="{impl}" has no second'):
        gradient.square().sum().backward()


def test_the_reference_has_a_second_derivative() -> None:
    inputs = tuple(random(3, 4, seed=seed).requires_grad_() for seed in (1, 2))
    assert torch.autograd.gradgradcheck(loss_of("reference", 0.5), inputs)


@pytest.mark.parametrize("impl", FAST)
def test_autocast_does_not_round_the_similarities(impl: str) -> None:
    z0, z1 = random(8, 16, seed=1).float(), random(8, 16, seed=2).float()
    want = nt_xent(z0, z1, impl=impl)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(nt_xent(z0, z1, impl=impl), want)
