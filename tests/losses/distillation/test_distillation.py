"""Distillation: hand-computed values, then every implementation against the formula in float64."""

import math

import pytest
import torch
from torch import Tensor

from simclr_bench import distillation_loss
from simclr_bench.losses.distillation import chunked, fused
from simclr_bench.losses.distillation.options import Options
from tests.losses.numerics import (
    CASES,
    DTYPES,
    IMPLS,
    SEEDS,
    Case,
    assert_as_accurate_as,
    random,
    rows_and_gradients,
)

FAST = ("fused", "chunked")

# One class has no choice to make; 2 and 5 are small tasks; 101 is the paper's largest; 1237 is no
# multiple of anything, and several times the threads of a block.
SHAPES = [(3, 1), (4, 2), (1, 5), (7, 101), (3, 1237)]

REGIMES = {
    "independent": lambda x, y: (3 * x, 3 * y),
    "agree": lambda x, y: (3 * x, 3 * x + 0.01 * y),  # late in training: student close to teacher
    "peaked": lambda x, y: (30 * x, 30 * y),  # one class holds all the mass
    "shifted": lambda x, y: (3 * x + 1e3, 3 * y - 1e3),  # softmax ignores this; float32 does not
}
TEMPERATURES = [0.002, 0.1, 1.0, 4.0, 100.0]


def loss_of(impl: str, temperature: float, teacher: Tensor):
    def loss(student: Tensor) -> Tensor:
        return distillation_loss(
            student,
            teacher.to(student.dtype),
            temperature=temperature,
            scale_by_t2=False,
            reduction="none",
            impl=impl,
        )

    return loss


@pytest.mark.parametrize("impl", IMPLS)
def test_two_classes_by_hand(impl: str) -> None:
    """Teacher odds 3:1 and student odds 1:1, so the loss is log 2 and the gradient p_s - p_t."""
    student = torch.zeros(1, 2, dtype=torch.float64, requires_grad=True)
    teacher = torch.tensor([[math.log(3.0), 0.0]], dtype=torch.float64)
    loss = distillation_loss(student, teacher, impl=impl)
    assert loss.item() == pytest.approx(math.log(2), abs=1e-15)
    loss.backward()
    assert student.grad is not None
    assert student.grad[0].tolist() == pytest.approx([0.5 - 0.75, 0.5 - 0.25], abs=1e-15)


@pytest.mark.parametrize("impl", IMPLS)
def test_temperature_divides_both_and_t_squared_is_a_switch(impl: str) -> None:
    student, teacher = random(3, 4, seed=1), random(3, 4, seed=2)
    at_one = distillation_loss(student, teacher, impl=impl)
    scaled = distillation_loss(2 * student, 2 * teacher, temperature=2.0, impl=impl)
    plain = distillation_loss(
        2 * student, 2 * teacher, temperature=2.0, scale_by_t2=False, impl=impl
    )
    torch.testing.assert_close(plain, at_one)
    torch.testing.assert_close(scaled, 4 * at_one)


@pytest.mark.parametrize("impl", IMPLS)
def test_reductions_agree(impl: str) -> None:
    student, teacher = random(5, 4, seed=1), random(5, 4, seed=2)
    rows = distillation_loss(student, teacher, reduction="none", impl=impl)
    assert rows.shape == (5,)
    torch.testing.assert_close(distillation_loss(student, teacher, impl=impl), rows.sum() / 5)
    total = distillation_loss(student, teacher, reduction="sum", impl=impl)
    torch.testing.assert_close(total, rows.sum())


@pytest.mark.parametrize("impl", FAST)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_student_equal_to_its_teacher_has_gradient_exactly_0(
    impl: str, dtype: torch.dtype
) -> None:
    logits = random(6, 11, seed=1, dtype=dtype)
    rows, gradient = rows_and_gradients(loss_of(impl, 0.5, logits), (logits,), torch.ones(6))
    assert (gradient == 0).all()
    p = torch.softmax(logits.double() / 0.5, dim=1)
    entropy = -(p * p.log()).sum(dim=1)
    torch.testing.assert_close(rows.double(), entropy, rtol=1e-6, atol=0)


def draws(
    impl: str,
    regime: str,
    temperature: float,
    dtype: torch.dtype,
    shape: tuple[int, int],
    *,
    device: str = "cpu",
) -> list[list[Case]]:
    """Per draw: the row losses and the student's gradient."""
    results = []
    for seed in SEEDS:
        x, y = random(*shape, seed=seed), random(*shape, seed=100 + seed)
        student, teacher = (logits.to(device, dtype) for logits in REGIMES[regime](x, y))
        upstream = random(shape[0], seed=200 + seed).to(device)
        reference = loss_of("reference", temperature, teacher)
        got = rows_and_gradients(loss_of(impl, temperature, teacher), (student,), upstream)
        naive = rows_and_gradients(reference, (student,), upstream)
        exact = rows_and_gradients(reference, (student.double(),), upstream)
        results.append([Case(*quantity) for quantity in zip(got, naive, exact, strict=True)])
    return results


@pytest.mark.parametrize("impl", FAST)
@pytest.mark.parametrize("regime", REGIMES)
@pytest.mark.parametrize(("dtype", "temperature"), CASES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_no_less_accurate_than_the_formula(
    impl: str, regime: str, temperature: float, dtype: torch.dtype, shape: tuple[int, int]
) -> None:
    cases = draws(impl, regime, temperature, dtype, shape)
    for rows, gradient in cases:
        assert rows.actual.dtype == torch.float32
        assert gradient.actual.dtype == dtype
    for quantity in zip(*cases, strict=True):
        assert_as_accurate_as(quantity)


@pytest.mark.parametrize("impl", FAST)
@pytest.mark.parametrize("regime", REGIMES)
@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_float64_agrees_with_the_formula_to_rounding(
    impl: str, regime: str, temperature: float
) -> None:
    """The logits are known to a rounding; over tau, that is what probabilities are known to."""
    for shape in SHAPES:
        for rows, gradient in draws(impl, regime, temperature, torch.float64, shape):
            largest = 1e3 if regime == "shifted" else 150
            roundings = 64 * (1 + largest / temperature) * 2**-52
            torch.testing.assert_close(rows.actual, rows.exact, rtol=0, atol=roundings)
            allowed = roundings * 5 / temperature  # an upstream gradient and 1/tau multiply it
            torch.testing.assert_close(gradient.actual, gradient.exact, rtol=0, atol=allowed)


@pytest.mark.parametrize("impl", FAST)
def test_gradcheck_in_float64(impl: str) -> None:
    student = random(4, 5, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(loss_of(impl, 2.0, random(4, 5, seed=2)), (student,))


@pytest.mark.parametrize("impl", IMPLS)
def test_a_teacher_that_wants_a_gradient_gets_one(impl: str) -> None:
    """Of the cross-entropy -Σ p log q: p·(-log q - loss), per row."""
    student, teacher = random(3, 4, seed=1).requires_grad_(), random(3, 4, seed=2).requires_grad_()
    distillation_loss(student, teacher, reduction="sum", impl=impl).backward()
    p, log_q = torch.softmax(teacher, dim=1), torch.log_softmax(student, dim=1)
    want = p * (-log_q + (p * log_q).sum(dim=1, keepdim=True))
    torch.testing.assert_close(teacher.grad, want.detach())
    fixed = random(3, 4, seed=2)
    distillation_loss(student, fixed, impl=impl).backward()
    assert fixed.grad is None


@pytest.mark.parametrize("impl", IMPLS)
def test_a_class_the_teacher_rules_out_contributes_0(impl: str) -> None:
    """Also where the student rules it out too; the result is that of the remaining classes."""
    student, teacher = random(3, 5, seed=1), random(3, 5, seed=2)
    want, want_gradient = rows_and_gradients(
        loss_of("reference", 1.0, teacher[:, :4]), (student[:, :4],), torch.ones(3)
    )
    student[:, 4] = teacher[:, 4] = -math.inf
    got, gradient = rows_and_gradients(loss_of(impl, 1.0, teacher), (student,), torch.ones(3))
    torch.testing.assert_close(got, want)
    torch.testing.assert_close(gradient[:, :4], want_gradient)
    assert (gradient[:, 4] == 0).all()


@pytest.mark.parametrize("impl", IMPLS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("where", ["student", "teacher"])
def test_nan_reaches_the_loss_and_gradient_of_its_row(
    impl: str, dtype: torch.dtype, where: str
) -> None:
    logits = {
        "student": random(3, 5, seed=1, dtype=dtype),
        "teacher": random(3, 5, seed=2, dtype=dtype),
    }
    logits[where][1, 3] = math.nan
    rows, gradient = rows_and_gradients(
        loss_of(impl, 1.0, logits["teacher"]), (logits["student"],), torch.ones(3)
    )
    assert rows.isnan().tolist() == [False, True, False]
    assert gradient.isnan().all(dim=1).tolist() == [False, True, False]


@pytest.mark.parametrize("impl", FAST)
def test_strided_and_expanded_inputs_are_read_as_they_look(impl: str) -> None:
    wide = random(6, 16, seed=1)
    for student, teacher in [
        (wide[:, ::2], wide[:, 1::2]),
        (wide.T[:8], wide.T[8:]),
        (wide[:1].expand(4, 16), random(4, 16, seed=2)),
    ]:
        upstream = random(1, seed=3).expand(student.shape[0])
        leaf = student.detach().requires_grad_()
        rows = loss_of(impl, 2.0, teacher)(leaf)
        (gradient,) = torch.autograd.grad(rows, leaf, upstream)
        want, want_gradient = rows_and_gradients(
            loss_of("reference", 2.0, teacher.contiguous()), (student.contiguous(),), upstream
        )
        torch.testing.assert_close(rows.detach(), want)
        torch.testing.assert_close(gradient, want_gradient)


@pytest.mark.parametrize("rows", [1, 2, 7, 30])
def test_the_chunk_size_does_not_change_the_result(rows: int) -> None:
    student, teacher = random(7, 5, seed=1), random(7, 5, seed=2)
    whole = chunked.distillation(student, teacher, None, Options(2.0))
    assert torch.equal(
        chunked.distillation(student, teacher, None, Options(2.0), chunk_rows=rows), whole
    )


@pytest.mark.parametrize("impl", FAST)
def test_the_second_derivative_is_refused_by_name(impl: str) -> None:
    student, teacher = random(3, 4, seed=1).requires_grad_(), random(3, 4, seed=2)
    loss = distillation_loss(student, teacher, impl=impl)
    (gradient,) = torch.autograd.grad(loss, student, create_graph=True)
    with pytest.raises(NotImplementedError, match=f'distillation_loss: impl="{impl}" has no sec'):
        gradient.square().sum().backward()


@pytest.mark.parametrize("changes", [{}, {"kind": "jsd", "reduction": "none"}, {"alpha": 0.25}])
def test_a_usual_call_is_checked_at_once_and_means_the_same(changes: dict) -> None:
    student = torch.randn(5, 7, requires_grad=True)
    teacher, target = torch.randn(5, 7), torch.tensor([0, 6, 3, -100, 2])
    options = {"kind": "kl", "alpha": 0.75, "reduction": "sum", **changes}
    usual = distillation_loss(student, teacher, target, temperature=4.0, **options)
    step_by_step = distillation_loss(student, teacher, target, temperature=4, **options)
    assert usual.equal(step_by_step)
    (gradient,) = torch.autograd.grad(usual.sum(), student)
    (other,) = torch.autograd.grad(step_by_step.sum(), student)
    assert gradient.equal(other)


USUAL = (4.0, "kl", 0.75, True, "sum", -100, 0.0)


@pytest.mark.parametrize(
    ("place", "other"),
    [
        (0, 4),
        (0, 0.0),
        (0, math.inf),
        (0, math.nan),
        (1, "mse"),
        (2, True),
        (2, 1.5),
        (4, "mean"),
        (5, 1.0),
        (6, -0.1),
    ],
)
def test_what_may_be_wrong_is_not_taken_at_once(place: int, other: object) -> None:
    student, teacher = torch.randn(5, 7), torch.randn(5, 7)
    assert fused.at_once(student, teacher, None, *USUAL) is not None
    assert fused.at_once(student, teacher, None, *USUAL[:place], other, *USUAL[place + 1 :]) is None
    for wrong in (student[:4], student.double(), student[:, :0], student[0], [1.0]):
        assert fused.at_once(student, wrong, None, *USUAL) is None
    for target in (torch.zeros(4).long(), torch.zeros(5), torch.zeros(5, 1).long(), [0] * 5):
        assert fused.at_once(student, teacher, target, *USUAL) is None
