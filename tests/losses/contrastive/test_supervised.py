"""The supervised loss against loops over its rows, and labels in every arrangement."""

import math

import pytest
import torch
from torch import Tensor

from simclr_bench import nt_xent, supervised_contrastive
from tests.losses.contrastive.family import LEARNABLE
from tests.losses.numerics import random, rows_and_gradients

LABELS = {
    "pairs": [0, 1, 2, 3, 0, 1, 2, 3],
    "all_the_same": [5] * 8,
    "all_different": list(range(8)),
    "one_alone": [1, 1, 0, 0, 7, 0, 1, 0],
    "negative_and_large": [-1, 2**40, -1, 2**40, 2**40, -1, 3, 3],
}


def log_sum_exp(values: list[float]) -> float:
    top = max(values)
    return top + math.log(math.fsum(math.exp(value - top) for value in values))


def by_loops(z: Tensor, labels: list[int], tau: float, variant: str) -> list[float]:
    """One loss per row, in Python floats, of one of the losses that are called SupCon.

    "out" is Eq. 2 of arXiv:2004.11362, the one here; "in" its Eq. 3, the sum inside the log, as in
    solo-learn; "without" leaves positives out of the denominator; "rescaled" is the authors' code
    with base_temperature 0.07.
    """
    unit = [[value / math.hypot(*row) for value in row] for row in z.tolist()]
    losses = []
    for i, anchor in enumerate(unit):
        others = [j for j in range(len(unit)) if j != i]
        s = {j: sum(a * b for a, b in zip(anchor, unit[j], strict=True)) / tau for j in others}
        positives = [j for j in others if labels[j] == labels[i]]
        if not positives:
            losses.append(0.0)
            continue
        denominator = [s[j] for j in others if variant != "without" or j not in positives]
        if variant == "in":
            mean = log_sum_exp([s[p] for p in positives]) - math.log(len(positives))
            losses.append(log_sum_exp(denominator) - mean)
            continue
        terms = [log_sum_exp(denominator) - s[p] for p in positives]
        scale = tau / 0.07 if variant == "rescaled" else 1.0
        losses.append(scale * math.fsum(terms) / len(positives))
    return losses


@pytest.mark.parametrize("impl", LEARNABLE)
@pytest.mark.parametrize("arrangement", LABELS)
@pytest.mark.parametrize("tau", [0.05, 0.5])
def test_rows_are_those_of_a_loop(impl: str, arrangement: str, tau: float) -> None:
    z, labels = random(8, 5, seed=1), LABELS[arrangement]
    want = by_loops(z, labels, tau, "out")
    got = supervised_contrastive(z, torch.tensor(labels), tau, reduction="none", impl=impl)
    assert got.tolist() == pytest.approx(want, rel=1e-12, abs=1e-12)
    anchors = [row for row, label in enumerate(labels) if labels.count(label) > 1]
    mean = supervised_contrastive(z, torch.tensor(labels), tau, impl=impl).item()
    assert mean == pytest.approx(sum(want) / max(1, len(anchors)), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("variant", ["in", "without", "rescaled"])
def test_the_other_losses_of_this_name_are_others(variant: str) -> None:
    z, labels = random(8, 5, seed=1), LABELS["one_alone"]
    got = supervised_contrastive(z, torch.tensor(labels), 0.5, reduction="none").tolist()
    other = by_loops(z, labels, 0.5, variant)
    assert max(abs(a - b) for a, b in zip(got, other, strict=True)) > 0.1


@pytest.mark.parametrize("impl", LEARNABLE)
@pytest.mark.parametrize("arrangement", LABELS)
def test_gradients_are_finite_and_agree_with_finite_differences(
    impl: str, arrangement: str
) -> None:
    labels = torch.tensor(LABELS[arrangement])
    inputs = (random(8, 3, seed=1), torch.tensor(0.4, dtype=torch.float64))
    leaves = tuple(x.requires_grad_() for x in inputs)
    for reduction in ("mean", "none"):
        assert torch.autograd.gradcheck(
            lambda z, tau, reduction=reduction: supervised_contrastive(
                z, labels, tau, reduction=reduction, impl=impl
            ),
            leaves,
        )


@pytest.mark.parametrize("impl", LEARNABLE)
@pytest.mark.parametrize("rows", [1, 2, 5])
def test_without_any_positives_loss_and_gradients_are_0(impl: str, rows: int) -> None:
    z = random(rows, 3, seed=1).requires_grad_()
    tau = torch.tensor(0.1, requires_grad=True)
    for reduction in ("mean", "sum", "none"):
        loss = supervised_contrastive(z, torch.arange(rows), tau, reduction=reduction, impl=impl)
        assert (loss == 0).all()
        for gradient in torch.autograd.grad(loss.sum(), (z, tau)):
            assert (gradient == 0).all()


@pytest.mark.parametrize("impl", LEARNABLE)
def test_a_row_alone_is_a_negative_and_no_anchor(impl: str) -> None:
    z, labels = random(5, 3, seed=1), torch.tensor([0, 0, 1, 1, 2])

    def loss(z: Tensor) -> Tensor:
        return supervised_contrastive(z, labels, 0.5, reduction="none", impl=impl)

    only_itself = torch.tensor([0, 0, 0, 0, 1.0])
    _, as_anchor = rows_and_gradients(loss, (z,), only_itself)
    _, as_negative = rows_and_gradients(loss, (z,), 1 - only_itself)
    assert (as_anchor == 0).all()
    assert as_negative[4].abs().max() > 1e-3


@pytest.mark.parametrize("impl", LEARNABLE)
@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8])
def test_pair_labels_of_any_integer_dtype_make_it_nt_xent(impl: str, dtype: torch.dtype) -> None:
    z0, z1 = random(6, 4, seed=1), random(6, 4, seed=2)
    labels = torch.arange(6, dtype=dtype).repeat(2)
    got = supervised_contrastive(torch.cat([z0, z1]), labels, impl=impl)
    torch.testing.assert_close(got, nt_xent(z0, z1, impl=impl))


@pytest.mark.parametrize("impl", LEARNABLE)
def test_names_of_labels_and_the_order_of_rows_do_not_matter(impl: str) -> None:
    z, labels = random(8, 4, seed=1), torch.tensor(LABELS["one_alone"])
    order = torch.randperm(8, generator=torch.Generator().manual_seed(1))

    def loss(names: Tensor):
        return lambda z: supervised_contrastive(z, names, reduction="none", impl=impl)

    upstream = random(8, seed=2)
    rows, gradient = rows_and_gradients(loss(labels), (z,), upstream)
    got = rows_and_gradients(loss(100 - 7 * labels[order]), (z[order],), upstream[order])
    torch.testing.assert_close(got[0], rows[order], rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(got[1], gradient[order], rtol=1e-12, atol=1e-13)
