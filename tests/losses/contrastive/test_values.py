"""The contrastive losses where a pencil is enough, and how their reductions hang together."""

import math

import pytest
import torch

from simclr_bench import info_nce, nt_xent, supervised_contrastive
from tests.losses.contrastive.family import (
    EVERY,
    FUNCTIONS,
    LEARNABLE,
    allowed,
    loss_of,
)
from tests.losses.numerics import DTYPES, random, rows_and_gradients

PAIRED = [pair for pair in EVERY if pair[0] != "supervised"]


@pytest.mark.parametrize(("objective", "impl"), PAIRED)
@pytest.mark.parametrize("pairs", [1, 2, 7, 40])
def test_identical_rows_give_the_log_of_how_many_compete(
    objective: str, impl: str, pairs: int
) -> None:
    if not allowed(objective, pairs):
        return
    z = torch.ones(pairs, 4, dtype=torch.float64)
    competing = {"nt_xent": 2 * pairs - 1, "decoupled": 2 * pairs - 2, "info_nce": pairs}
    value = FUNCTIONS[objective](z, z, 0.1, impl=impl).item()
    assert value == pytest.approx(math.log(competing[objective]), abs=1e-14)


@pytest.mark.parametrize(("objective", "impl"), [p for p in EVERY if p[0] != "decoupled"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_single_pair_has_loss_and_gradient_exactly_0(
    objective: str, impl: str, dtype: torch.dtype
) -> None:
    inputs = (random(1, 6, seed=1, dtype=dtype), random(1, 6, seed=2, dtype=dtype))
    if impl in LEARNABLE:
        inputs = (*inputs, torch.tensor(0.1))
    rows, *gradients = rows_and_gradients(loss_of(objective, impl), inputs, torch.ones(2))
    assert rows.tolist() == [0, 0]
    assert all((gradient == 0).all() for gradient in gradients)


@pytest.mark.parametrize(("objective", "impl"), EVERY)
def test_two_orthogonal_pairs_by_hand(objective: str, impl: str) -> None:
    """Views agree and images are orthogonal: positives at 1/tau = 2, negatives at 0."""
    e, near = math.exp(-2), math.log(math.exp(2) + 2) - 1
    expected = {
        "nt_xent": [math.log1p(2 * e)] * 4,  # two negatives
        "decoupled": [math.log(2) - 2] * 4,
        "info_nce": [math.log1p(e)] * 4,  # one
        # Labels 0, 0, 0 and one alone: rows 0 and 2 have a positive at 2, one at 0, a negative at
        # 0; row 1 has both positives at 0 and its negative at 2; row 3 has none.
        "supervised": [near, math.log(2 + math.exp(2)), near, 0],
    }[objective]
    z = torch.eye(2, dtype=torch.float64)
    rows = loss_of(objective, impl, 0.5)(z, 3 * z)
    assert rows.tolist() == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize(("objective", "impl"), PAIRED)
def test_the_gradient_of_two_orthogonal_pairs_by_hand(objective: str, impl: str) -> None:
    """Every row pulls along its positive by q and pushes along each of k negatives by q/k.

    Each pair counts twice, as row and as column. q is the probability that is not the positive's;
    without the positive in the denominator it is 1.
    """
    tau, e = 0.5, math.exp(-2)
    q = {"nt_xent": 2 * e / (1 + 2 * e), "decoupled": 1.0, "info_nce": e / (1 + e)}[objective]
    z0 = torch.eye(2, dtype=torch.float64, requires_grad=True)
    z1 = torch.eye(2, dtype=torch.float64)
    rows = loss_of(objective, impl, tau, normalize=False)(z0, z1)
    (gradient,) = torch.autograd.grad(rows.sum(), z0)
    expected = torch.tensor([[-2 * q, 2 * q], [2 * q, -2 * q]], dtype=torch.float64) / tau
    torch.testing.assert_close(gradient, expected, rtol=0, atol=2e-15)


@pytest.mark.parametrize("impl", LEARNABLE)
def test_the_gradient_of_the_temperature_by_hand(impl: str) -> None:
    """Two orthogonal pairs: L = log(1 + 2 exp(-1/tau)), so dL/dtau = q/tau^2."""
    z = torch.eye(2, dtype=torch.float64)
    tau = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    nt_xent(z, z, tau, impl=impl).backward()
    e = math.exp(-2)
    assert tau.grad is not None
    assert tau.grad.item() == pytest.approx(2 * e / (1 + 2 * e) / 0.25, rel=1e-14)


@pytest.mark.parametrize(("objective", "impl"), PAIRED)
def test_reductions_agree_and_rows_are_ordered_z0_then_z1(objective: str, impl: str) -> None:
    z0, z1 = random(5, 4, seed=1), random(5, 4, seed=2)
    loss = FUNCTIONS[objective]
    rows = loss(z0, z1, reduction="none", impl=impl)
    swapped = loss(z1, z0, reduction="none", impl=impl)
    assert rows.shape == (10,)
    torch.testing.assert_close(rows, torch.cat([swapped[5:], swapped[:5]]))
    torch.testing.assert_close(loss(z0, z1, impl=impl), rows.sum() / 10)
    torch.testing.assert_close(loss(z0, z1, reduction="sum", impl=impl), rows.sum())


@pytest.mark.parametrize("impl", LEARNABLE)
def test_info_nce_is_the_mean_of_both_directions(impl: str) -> None:
    z0, z1 = random(6, 4, seed=1), random(6, 4, seed=2)
    logits = 3.0 * z0 @ z1.T
    own = torch.arange(6)
    cross_entropy = torch.nn.functional.cross_entropy
    clip = (cross_entropy(logits, own) + cross_entropy(logits.T, own)) / 2
    got = info_nce(z0, z1, 1 / 3.0, normalize=False, impl=impl)
    torch.testing.assert_close(got, clip)


@pytest.mark.parametrize("impl", LEARNABLE)
def test_towers_that_do_not_see_themselves_lose_less_than_views_that_do(impl: str) -> None:
    """nt_xent's denominator is info_nce's and the rows of the anchor's own side besides."""
    z0, z1 = random(4, 3, seed=1), random(4, 3, seed=2)
    one = info_nce(z0, z1, 0.5, reduction="none", impl=impl)
    other = nt_xent(z0, z1, 0.5, reduction="none", impl=impl)
    assert (one < other).all()
    unit = torch.nn.functional.normalize(torch.cat([z0, z1])) / math.sqrt(0.5)
    products = unit @ unit.T
    own = torch.stack([products[i, [j for j in range(4) if j != i]] for i in range(4)])
    own2 = torch.stack([products[4 + i, [4 + j for j in range(4) if j != i]] for i in range(4)])
    positive = torch.cat([products.diagonal(4), products.diagonal(4)])
    more = torch.cat([own, own2]).exp().sum(dim=1) / positive.exp()
    torch.testing.assert_close(other.exp(), one.exp() + more)


@pytest.mark.parametrize("impl", LEARNABLE)
def test_easy_rows_count_in_the_mean(impl: str) -> None:
    """Perfectly separated: float32 losses of 0, which must not be left out."""
    z = torch.eye(8)
    assert nt_xent(z, z, 0.002, impl=impl).item() == 0
    hard = z.clone()
    hard[0] = z[1]
    rows = nt_xent(hard, z, 0.002, reduction="none", impl=impl)
    assert (rows == 0).sum() >= 8
    assert nt_xent(hard, z, 0.002, impl=impl).item() == pytest.approx(rows.sum().item() / 16)
    labels = torch.arange(8).repeat(2)
    supervised = supervised_contrastive(torch.cat([hard, z]), labels, 0.002, impl=impl)
    assert supervised.item() == pytest.approx(rows.sum().item() / 16)
