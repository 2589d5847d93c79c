"""The truth that the errors are against is the truth."""

import pytest
import torch

from benchmarks.grid.cells import LossCell
from benchmarks.grid.losses import distillation, nt_xent
from benchmarks.measuring import truth
from benchmarks.measuring.truth import cast, errors, exact, make_inputs, step
from benchmarks.providers.losses import eager_distillation
from tests.losses.contrastive.family import exact_of


@pytest.mark.parametrize("temperature", [0.5, 0.0125])
@pytest.mark.parametrize("block", [1, 100, 2**24])
def test_nt_xent_by_blocks_is_the_formula_in_float64(
    temperature: float, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(truth, "BLOCK", block)
    cell = nt_xent(34, 16, temperature=temperature)
    inputs = make_inputs(cell)
    leaves = [leaf.detach().double().requires_grad_() for leaf in inputs.leaves]
    tau = torch.tensor(temperature, dtype=torch.float64)
    wanted = exact_of("nt_xent")(*leaves, tau).mean()
    gradients = torch.cat(torch.autograd.grad(wanted, leaves))
    loss, found = exact(cell, inputs)
    assert loss == pytest.approx(wanted.item(), rel=1e-12)
    assert ((found - gradients).norm() / gradients.norm()).item() < 1e-12


def test_distillation_is_eager_in_float64() -> None:
    cell = distillation(16, 5)
    inputs = make_inputs(cell)
    # `.float()` in the eager loss would round: in float64 it is left out here.
    student, teacher, target = cast(inputs, "float64").arguments
    t = cell.temperature
    soft = torch.nn.functional.kl_div(
        (student / t).log_softmax(1), (teacher / t).softmax(1), reduction="batchmean"
    )
    wanted = 0.7 * t * t * soft + 0.3 * torch.nn.functional.cross_entropy(student, target)
    (gradient,) = torch.autograd.grad(wanted, student)
    loss, found = exact(cell, inputs)
    assert loss == pytest.approx(wanted.item(), rel=1e-12)
    torch.testing.assert_close(found, gradient, rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize("cell", [nt_xent(16, 8), distillation(16, 8)])
def test_inputs_repeat_and_only_the_leaves_get_a_gradient(cell: LossCell) -> None:
    once, again = make_inputs(cell), make_inputs(cell)
    for x, y in zip(once.arguments, again.arguments, strict=True):
        assert torch.equal(x, y)
    assert len(once.leaves) == (2 if cell.loss == "nt_xent" else 1)
    assert [x.requires_grad for x in once.arguments].count(True) == len(once.leaves)
    copies = cast(once, None)
    assert all(leaf.requires_grad and leaf.is_leaf for leaf in copies.leaves)
    assert copies.leaves[0].data_ptr() != once.leaves[0].data_ptr()


def test_errors_are_relative_by_norm() -> None:
    found = errors((2.0, torch.tensor([3.0, 4.0])), torch.tensor(2.5), (torch.tensor([3.0, 5.0]),))
    assert found == pytest.approx((0.25, 0.2))


def test_eager_distillation_in_float32_is_close() -> None:
    cell = distillation(64, 100)
    inputs = make_inputs(cell)
    found = errors(exact(cell, inputs), *step(eager_distillation(cell), inputs))
    assert max(found) < 1e-5
