"""Every fast path of every contrastive loss against the formula in float64, by one rule."""

import math

import pytest
import torch

from tests.losses.contrastive.family import (
    FAST,
    IMPLS,
    OBJECTIVES,
    REGIMES,
    SHAPES,
    TEMPERATURES,
    allowed,
    draws,
    exact_of,
    loss_of,
    missed_mass,
    pair_labels,
    roundings,
)
from tests.losses.numerics import CASES, assert_as_accurate_as, random, rows_and_gradients


@pytest.mark.parametrize(("objective", "impl"), FAST)
@pytest.mark.parametrize("regime", REGIMES)
@pytest.mark.parametrize(("dtype", "temperature"), CASES)
def test_no_less_accurate_than_the_formula(
    objective: str, impl: str, regime: str, temperature: float, dtype: torch.dtype
) -> None:
    for shape in SHAPES:
        if not allowed(objective, shape[0]):
            continue
        cases = draws(objective, impl, regime, temperature, dtype, shape)
        for rows, *gradients in cases:
            assert rows.actual.dtype == torch.float32
            assert [x.actual.dtype for x in gradients] == [dtype, dtype, torch.float32][
                : len(gradients)
            ]
        for quantity in zip(*cases, strict=True):
            assert_as_accurate_as(quantity)


@pytest.mark.parametrize(("objective", "impl"), FAST)
@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_rows_as_given_are_no_less_accurate_than_the_formula(
    objective: str, impl: str, temperature: float
) -> None:
    cases = draws(objective, impl, "random", temperature, torch.float32, (33, 7), normalize=False)
    for quantity in zip(*cases, strict=True):
        assert_as_accurate_as(quantity)


@pytest.mark.parametrize(("objective", "impl"), FAST)
@pytest.mark.parametrize("regime", REGIMES)
@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_float64_agrees_with_the_exact_result_to_rounding(
    objective: str, impl: str, regime: str, temperature: float
) -> None:
    tiny = torch.finfo(torch.float64).tiny
    for shape in SHAPES:
        if not allowed(objective, shape[0]):
            continue
        for rows, *gradients in draws(objective, impl, regime, temperature, torch.float64, shape):
            size = missed_mass(objective, rows.exact) + rows.exact.abs()
            assert ((rows.actual - rows.exact).abs() <= roundings(temperature) * size + tiny).all()
            for gradient in gradients:
                torch.testing.assert_close(
                    gradient.actual, gradient.exact, rtol=0, atol=gradient.noise + tiny
                )


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("regime", REGIMES)
def test_the_exact_result_is_the_formula_of_the_paper(objective: str, regime: str) -> None:
    views = REGIMES[regime](random(9, 5, seed=1), random(9, 5, seed=2))
    inputs = (*views, torch.tensor(0.5, dtype=torch.float64))
    upstream = random(18, seed=3)
    want = rows_and_gradients(loss_of(objective, "reference"), inputs, upstream)
    got = rows_and_gradients(exact_of(objective), inputs, upstream)
    for one, other in zip(got, want, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("impl", IMPLS)
@pytest.mark.parametrize("regime", REGIMES)
@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_with_one_positive_each_the_supervised_loss_is_nt_xent(
    impl: str, regime: str, temperature: float
) -> None:
    """Also where the positive has all the mass: its gradient is not 1/|P| minus a rounded 1."""
    views = REGIMES[regime](random(9, 5, seed=1), random(9, 5, seed=2))
    inputs = (*views, torch.tensor(temperature, dtype=torch.float64))
    upstream = random(18, seed=3)
    supervised = loss_of("supervised", impl, labels=pair_labels)
    got = rows_and_gradients(supervised, inputs, upstream)
    want = rows_and_gradients(loss_of("nt_xent", impl), inputs, upstream)
    for one, other in zip(got, want, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-10 * other.abs().max().item())


@pytest.mark.parametrize(
    ("objective", "impl"), [pair for pair in FAST if pair[0] in ("nt_xent", "info_nce")]
)
def test_a_saturated_loss_keeps_its_gradient(objective: str, impl: str) -> None:
    """Pairs almost agree at tau = 0.0125: 1 - p rounds to 0 in float32, the gradient does not.

    The inputs are unit vectors by construction (one or two powers of two), so that nothing but the
    loss itself rounds.
    """
    z0, z1 = torch.eye(4), torch.eye(4) * 0.5
    loss = loss_of(objective, impl, 0.0125, normalize=False)
    rows, *gradients = rows_and_gradients(loss, (z0, z1), torch.ones(8))
    exact_rows, *exact = rows_and_gradients(loss, (z0.double(), z1.double()), torch.ones(8))
    # The positive is at 0.5 and all negatives at 0: six, or three in the other tower.
    negatives = 6 if objective == "nt_xent" else 3
    by_hand = negatives * math.exp(-0.5 / 0.0125)
    assert exact_rows.tolist() == pytest.approx([math.log1p(by_hand)] * 8, rel=1e-13)
    torch.testing.assert_close(rows.double(), exact_rows, rtol=1e-5, atol=0)
    assert min(gradient.norm() for gradient in exact) > 1e-17
    for got, want in zip(gradients, exact, strict=True):
        torch.testing.assert_close(got.double(), want, rtol=1e-5, atol=0)
