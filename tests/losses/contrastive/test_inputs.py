"""Inputs as users have them: strided, expanded, zero, broken, under autocast; and large."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from tests.losses.contrastive.family import (
    EVERY,
    FAST,
    IMPLS,
    LEARNABLE,
    OBJECTIVES,
    allowed,
    class_labels,
    loss_of,
)
from tests.losses.numerics import DTYPES, random, rows_and_gradients


@pytest.mark.parametrize(("objective", "impl"), FAST)
def test_a_zero_row_follows_the_rule_of_normalize(objective: str, impl: str) -> None:
    """Its length is below 1e-12, so that its gradient is that of the row divided by 1e-12."""
    z0, z1 = random(6, 4, seed=1), random(6, 4, seed=2)
    z0[2] = 0
    z1[3] = 1e-14
    inputs, upstream = (z0, z1), random(12, seed=3)
    if impl in LEARNABLE:
        inputs = (z0, z1, torch.tensor(0.5, dtype=torch.float64))
    rows, *gradients = rows_and_gradients(loss_of(objective, impl, 0.5), inputs, upstream)
    want_rows, *want = rows_and_gradients(loss_of(objective, "reference", 0.5), inputs, upstream)
    torch.testing.assert_close(rows, want_rows)
    assert gradients[0][2].abs().max() > 1e10
    for got, expected in zip(gradients, want, strict=True):
        torch.testing.assert_close(got, expected)


@pytest.mark.parametrize(("objective", "impl"), EVERY)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("pairs", [1, 6])
@pytest.mark.parametrize("normalize", [True, False])
def test_nan_in_any_row_reaches_every_loss(
    objective: str, impl: str, dtype: torch.dtype, pairs: int, normalize: bool
) -> None:
    if not allowed(objective, pairs) or (impl == "reference" and pairs == 1):
        return  # log_softmax of a single logit forgets it
    z0, z1 = random(pairs, 5, seed=1, dtype=dtype), random(pairs, 5, seed=2, dtype=dtype)
    z1[pairs - 1, 2] = math.nan
    # Compared with the other tower only, but for the row itself, whose own tower stays clean.
    reached = torch.ones(2 * pairs, dtype=torch.bool)
    if objective == "info_nce":
        reached[pairs:-1] = False
    if objective == "supervised" and pairs > 1:
        reached[-1] = False  # a row without positives loses 0, whatever is in it
    loss = loss_of(objective, impl, 0.1, normalize)
    rows, *gradients = rows_and_gradients(loss, (z0, z1), torch.ones(2 * pairs))
    assert torch.equal(rows.isnan(), reached)
    assert all(gradient.isnan().any(dim=1).all() for gradient in gradients)


@pytest.mark.parametrize(("objective", "impl"), FAST)
def test_infinity_gives_no_plausible_number(objective: str, impl: str) -> None:
    z0, z1 = random(4, 5, seed=1), random(4, 5, seed=2)
    z0[1, 0] = math.inf
    rows = loss_of(objective, impl)(z0, z1)
    sees = torch.ones(8, dtype=torch.bool)
    if objective == "info_nce":
        sees[[0, 2, 3]] = False
    if objective == "supervised":
        sees &= (class_labels(8)[:, None] == class_labels(8)).sum(dim=1) > 1
    assert torch.equal(rows.isfinite(), ~sees)


@pytest.mark.parametrize(("objective", "impl"), FAST)
def test_strided_and_expanded_inputs_are_read_as_they_look(objective: str, impl: str) -> None:
    wide = random(9, 20, seed=1)
    cases = [
        (wide[:, ::2], wide[:, 1::2]),
        (wide.T[:8], wide.T[8:16]),
        (wide[:1].expand(7, 20), random(7, 20, seed=2)),
        (wide.flatten()[1:41].view(4, 10), wide.flatten()[3:43].view(4, 10)),
    ]
    for z0, z1 in cases:
        upstream = random(2, seed=3)[:1].expand(2 * z0.shape[0])
        leaves = (z0.detach().requires_grad_(), z1.detach().requires_grad_())
        rows = loss_of(objective, impl)(*leaves)
        gradients = torch.autograd.grad(rows, leaves, upstream)
        want_rows, *want = rows_and_gradients(
            loss_of(objective, "reference"), (z0.contiguous(), z1.contiguous()), upstream
        )
        torch.testing.assert_close(rows.detach(), want_rows)
        for got, expected in zip(gradients, want, strict=True):
            torch.testing.assert_close(got, expected)


@pytest.mark.parametrize(("objective", "impl"), FAST)
def test_autocast_does_not_round_the_similarities(objective: str, impl: str) -> None:
    z0, z1 = random(8, 16, seed=1).float(), random(8, 16, seed=2).float()
    loss = loss_of(objective, impl)
    want = loss(z0, z1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(loss(z0, z1), want)


@pytest.mark.parametrize(("objective", "impl"), FAST)
def test_half_rows_lose_what_equal_float32_rows_lose(objective: str, impl: str) -> None:
    half = [random(9, 5, seed=seed, dtype=torch.bfloat16) for seed in (1, 2)]
    loss = loss_of(objective, impl, 0.005)
    got = loss(*half)
    assert got.dtype == torch.float32
    torch.testing.assert_close(got, loss(*(z.float() for z in half)), rtol=1e-6, atol=1e-6)


class Largest(TorchDispatchMode):
    """The number of elements of the largest tensor that any operator returned."""

    elements = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for value in result if isinstance(result, tuple | list) else [result]:
            if isinstance(value, Tensor):
                self.elements = max(self.elements, value.numel())
        return result


@pytest.mark.parametrize("impl", IMPLS)
@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_no_n_by_n_tensor_is_ever_allocated(objective: str, impl: str, reduction: str) -> None:
    z0, z1 = (random(150, 4, seed=seed).requires_grad_() for seed in (1, 2))
    tau = torch.tensor(0.1, requires_grad=True)
    loss = loss_of(objective, impl, reduction=reduction)
    with Largest() as largest:
        loss(z0, z1, tau).sum().backward()
    assert 0 < largest.elements <= 300 * 300 / 4
