"""What the gradients of the contrastive losses must obey, and what is refused."""

import itertools

import pytest
import torch
from torch import Tensor

from simclr_bench import info_nce
from simclr_bench.losses.contrastive import chunked, reference
from tests.losses.contrastive.family import (
    EVERY,
    FAST,
    IMPLS,
    LEARNABLE,
    OBJECTIVES,
    class_labels,
    loss_of,
)
from tests.losses.numerics import random, rows_and_gradients

TAU = torch.tensor(0.3, dtype=torch.float64)


def leaves(pairs: int, features: int, learned: bool) -> tuple[Tensor, ...]:
    views = (random(pairs, features, seed=1), random(pairs, features, seed=2))
    inputs = (*views, TAU.clone()) if learned else views
    return tuple(x.requires_grad_() for x in inputs)


@pytest.mark.parametrize(("objective", "impl"), FAST)
@pytest.mark.parametrize("normalize", [True, False])
def test_gradcheck_in_float64(objective: str, impl: str, normalize: bool) -> None:
    loss = loss_of(objective, impl, 0.3, normalize)
    assert torch.autograd.gradcheck(loss, leaves(5, 3, impl in LEARNABLE))


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("normalize", [True, False])
def test_the_reference_has_first_and_second_derivatives(objective: str, normalize: bool) -> None:
    loss, inputs = loss_of(objective, "reference", normalize=normalize), leaves(3, 4, True)
    assert torch.autograd.gradcheck(loss, inputs)
    assert torch.autograd.gradgradcheck(loss, inputs)


@pytest.mark.parametrize(("objective", "impl"), FAST)
def test_the_second_derivative_is_refused_by_name(objective: str, impl: str) -> None:
    z0, z1 = leaves(3, 4, False)
    loss = loss_of(objective, impl)(z0, z1).sum() + z0.square().sum()
    (gradient,) = torch.autograd.grad(loss, z0, create_graph=True)
    name = reference.PUBLIC_NAMES[objective]
    with pytest.raises(NotImplementedError, match=f'{name}: impl="{impl}" has no second'):
        gradient.square().sum().backward()


@pytest.mark.parametrize(("objective", "impl"), FAST)
def test_gradients_are_orthogonal_to_the_rows(objective: str, impl: str) -> None:
    """The loss does not depend on a row's length, so z·dz = 0."""
    inputs = (0.1 * random(20, 9, seed=1), 100 * random(20, 9, seed=2))
    _, *gradients = rows_and_gradients(loss_of(objective, impl), inputs, random(40, seed=3))
    for z, gradient in zip(inputs, gradients, strict=True):
        along = (z * gradient).sum(dim=1).abs()
        size = z.norm(dim=1) * gradient.norm(dim=1)
        assert (along <= 1e-14 * size).all()


@pytest.mark.parametrize(("objective", "impl"), [p for p in EVERY if p[0] != "supervised"])
def test_permuting_pairs_permutes_losses_and_gradients(objective: str, impl: str) -> None:
    z0, z1 = random(9, 5, seed=1), random(9, 5, seed=2)
    order = torch.randperm(9, generator=torch.Generator().manual_seed(0))
    upstream = random(18, seed=3)
    both = torch.cat([order, 9 + order])
    loss = loss_of(objective, impl)
    rows, first, second = rows_and_gradients(loss, (z0, z1), upstream)
    got = rows_and_gradients(loss, (z0[order], z1[order]), upstream[both])
    for one, other in zip(got, (rows[both], first[order], second[order]), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(("objective", "impl"), [p for p in EVERY if p[0] != "supervised"])
def test_swapping_the_views_swaps_the_gradients(objective: str, impl: str) -> None:
    z0, z1, upstream = random(6, 5, seed=1), random(6, 5, seed=2), random(12, seed=3)
    loss = loss_of(objective, impl)
    rows, first, second = rows_and_gradients(loss, (z0, z1), upstream)
    got = rows_and_gradients(loss, (z1, z0), upstream.roll(6))
    for one, other in zip(got, (rows.roll(6), second, first), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(("objective", "impl"), FAST)
def test_rows_of_upstream_zero_and_scale_are_honoured(objective: str, impl: str) -> None:
    inputs = (random(6, 4, seed=1), random(6, 4, seed=2))
    zero = torch.zeros(12, dtype=torch.float64)
    loss, formula = loss_of(objective, impl), loss_of(objective, "reference")
    assert all((g == 0).all() for g in rows_and_gradients(loss, inputs, zero)[1:])
    some = random(12, seed=3) * 65536
    some[::3] = 0
    want = rows_and_gradients(formula, inputs, some)
    for got, expected in zip(rows_and_gradients(loss, inputs, some), want, strict=True):
        torch.testing.assert_close(got, expected)


@pytest.mark.parametrize(("objective", "impl"), FAST)
def test_a_graph_that_is_kept_can_be_walked_twice_and_leaves_inputs_alone(
    objective: str, impl: str
) -> None:
    inputs = leaves(5, 4, impl in LEARNABLE)
    versions = [x._version for x in inputs]
    rows, upstream = loss_of(objective, impl)(*inputs), random(10, seed=3)
    once = torch.autograd.grad(rows, inputs, upstream, retain_graph=True)
    again = torch.autograd.grad(rows, inputs, upstream)
    assert all(map(torch.equal, once, again))
    assert [x._version for x in inputs] == versions
    assert torch.equal(upstream, random(10, seed=3))


@pytest.mark.parametrize(("objective", "impl"), EVERY)
def test_any_of_the_inputs_may_require_a_gradient(objective: str, impl: str) -> None:
    learned = impl in LEARNABLE
    inputs = leaves(5, 3, True)
    want = torch.autograd.grad(loss_of(objective, "reference")(*inputs).sum(), inputs)
    for mask in itertools.product([False, True], repeat=3 if learned else 2):
        inputs = tuple(x.detach() for x in leaves(5, 3, learned))
        for x, wanted in zip(inputs, mask, strict=True):
            x.requires_grad_(wanted)
        loss = loss_of(objective, impl, 0.3)(*inputs).sum()
        assert loss.requires_grad == any(mask)
        if any(mask):
            loss.backward()
        for x, wanted, expected in zip(inputs, mask, want, strict=False):
            assert (x.grad is not None) == wanted
            if wanted:
                torch.testing.assert_close(x.grad, expected)


@pytest.mark.parametrize(("objective", "impl"), FAST)
def test_the_same_tensor_as_both_views_gets_both_gradients(objective: str, impl: str) -> None:
    z = random(5, 3, seed=1).requires_grad_()
    (got,) = torch.autograd.grad(loss_of(objective, impl)(z, z).sum(), z)
    (want,) = torch.autograd.grad(loss_of(objective, "reference")(z, z).sum(), z)
    torch.testing.assert_close(got, want)


@pytest.mark.parametrize("impl", LEARNABLE)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_the_temperature_keeps_its_dtype_whatever_the_rows_have(
    impl: str, dtype: torch.dtype
) -> None:
    z0, z1 = random(5, 3, seed=1).float(), random(5, 3, seed=2).float()
    tau = torch.tensor(0.25, dtype=dtype, requires_grad=True)  # a power of two: exact in all
    loss = info_nce(z0, z1, tau, impl=impl)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, info_nce(z0, z1, 0.25, impl=impl))
    loss.backward()
    assert tau.grad is not None and tau.grad.dtype == dtype


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("rows", [1, 2, 7, 66, 100])
def test_the_chunk_size_does_not_change_the_result(objective: str, rows: int) -> None:
    inputs = (random(33, 6, seed=1), random(33, 6, seed=2), TAU)
    upstream = random(66, seed=3)

    def of(chunk_rows: int | None):
        def loss(z0: Tensor, z1: Tensor, tau: Tensor) -> Tensor:
            options = {"normalize": True, "chunk_rows": chunk_rows}
            if objective == "supervised":
                z, labels = torch.cat([z0, z1]), class_labels(66)
                return chunked.rows("supervised", z, None, tau, labels=labels, **options)
            return chunked.rows(objective, z0, z1, tau, **options)

        return loss

    whole = rows_and_gradients(of(None), inputs, upstream)
    parts = rows_and_gradients(of(rows), inputs, upstream)
    for got, want in zip(parts, whole, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("impl", IMPLS)
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_what_is_saved_grows_linearly_with_the_rows(objective: str, impl: str) -> None:
    def saved_bytes(pairs: int) -> int:
        storages = {}

        def pack(tensor: Tensor) -> Tensor:
            storage = tensor.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
            return tensor

        inputs = leaves(pairs, 16, True)
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            loss = loss_of(objective, impl)(*inputs).mean()
        loss.backward()
        return sum(storages.values())

    small, large = saved_bytes(100), saved_bytes(400)
    assert large <= 4 * small + 64
    assert large <= 2 * 800 * 16 * 8  # twice the inputs
