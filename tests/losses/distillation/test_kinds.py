"""Every kind of distillation, with hard labels: values, both gradients, and known traps."""

import importlib
import itertools
import math
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from simclr_bench import DistillationLoss, distillation_loss
from tests.losses.numerics import (
    DTYPES,
    IMPLS,
    Case,
    assert_as_accurate_as,
    random,
    rows_and_gradients,
)

KINDS = ("ce", "kl", "reverse_kl", "jsd")
FAST = ("fused", "chunked")
ENGINE = importlib.import_module("simclr_bench._C")

# 1 to 16 classes: several rows in one vector; 17 to 33: one vector and a rest; 1237: many.
CLASSES = (1, 2, 5, 16, 17, 31, 33, 101, 1237)

REGIMES = {
    "independent": lambda x, y: (3 * x, 3 * y),
    "agree": lambda x, y: (3 * x, 3 * x + 0.01 * y),
    "peaked": lambda x, y: (30 * x, 30 * y),
    "shifted": lambda x, y: (3 * x + 1e3, 3 * y - 1e3),
}


@pytest.fixture(params=ENGINE.supported_cpu_capabilities())
def cpu_capability(request: pytest.FixtureRequest) -> Iterator[str]:
    before = ENGINE.cpu_capability()
    ENGINE.set_cpu_capability(request.param)
    yield request.param
    ENGINE.set_cpu_capability(before)


def targets(rows: int, classes: int) -> Tensor:
    """Classes in turn; of three rows or more, one is ignored."""
    target = torch.arange(rows) * 7 % classes
    if rows > 2:
        target[1] = -100
    return target


def loss_of(impl: str, kind: str, temperature: float, reduction: str = "none"):
    def loss(student: Tensor, teacher: Tensor) -> Tensor:
        return distillation_loss(
            student,
            teacher,
            targets(*student.shape),
            temperature=temperature,
            kind=kind,
            alpha=0.7,
            label_smoothing=0.1,
            reduction=reduction,
            impl=impl,
        )

    return loss


@pytest.mark.parametrize("temperature", [0.1, 1.0, 4.0])
@pytest.mark.parametrize("regime", REGIMES)
@pytest.mark.parametrize("kind", KINDS)
def test_no_less_accurate_than_the_formula(
    cpu_capability: str, kind: str, regime: str, temperature: float
) -> None:
    # Over all numbers of classes together: an error of one draw is mostly luck, a wrong one shows.
    draws = []
    for classes, seed in itertools.product(CLASSES, range(3)):
        x, y = random(7, classes, seed=seed), random(7, classes, seed=100 + seed)
        inputs = tuple(z.float() for z in REGIMES[regime](x, y))
        upstream = random(7, seed=200 + seed)
        reference = loss_of("reference", kind, temperature)
        got = rows_and_gradients(loss_of("fused", kind, temperature), inputs, upstream)
        naive = rows_and_gradients(reference, inputs, upstream)
        exact = rows_and_gradients(reference, tuple(z.double() for z in inputs), upstream)
        draws.append([Case(*quantity) for quantity in zip(got, naive, exact, strict=True)])
    for quantity in zip(*draws, strict=True):
        # A distribution that is nearly one-hot has a gradient as near 0 as it likes, also below
        # the smallest float: such draws are judged by the size of the others.
        small = 1e-3 * max(case.size for case in quantity)
        assert_as_accurate_as([case._replace(noise=small) for case in quantity])


@pytest.mark.parametrize("reduction", ["batchmean", "none"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("impl", IMPLS)
def test_gradcheck_of_student_and_teacher(impl: str, kind: str, reduction: str) -> None:
    inputs = tuple(random(4, 5, seed=seed).requires_grad_() for seed in (1, 2))
    assert torch.autograd.gradcheck(loss_of(impl, kind, 2.0, reduction), inputs)


@pytest.mark.parametrize("kind", KINDS)
def test_the_reference_has_a_second_derivative(kind: str) -> None:
    inputs = tuple(random(3, 4, seed=seed).requires_grad_() for seed in (1, 2))
    assert torch.autograd.gradgradcheck(loss_of("reference", kind, 2.0), inputs)


@pytest.mark.parametrize("impl", IMPLS)
def test_kinds_by_hand(impl: str) -> None:
    """Teacher 3:1 and student 1:1."""
    student = torch.zeros(1, 2, dtype=torch.float64)
    teacher = torch.tensor([[math.log(3.0), 0.0]], dtype=torch.float64)

    def value(kind: str) -> float:
        return distillation_loss(student, teacher, kind=kind, impl=impl).item()

    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert value("ce") == pytest.approx(math.log(2), abs=1e-15)
    assert value("kl") == pytest.approx(math.log(2) - entropy, abs=1e-15)
    reverse = 0.5 * math.log(0.5 / 0.75) + 0.5 * math.log(0.5 / 0.25)
    assert value("reverse_kl") == pytest.approx(reverse, abs=1e-15)
    of_teacher = 0.75 * math.log(0.75 / 0.625) + 0.25 * math.log(0.25 / 0.375)
    of_student = 0.5 * math.log(0.5 / 0.625) + 0.5 * math.log(0.5 / 0.375)
    assert value("jsd") == pytest.approx((of_teacher + of_student) / 2, abs=1e-15)


@pytest.mark.parametrize("impl", IMPLS)
def test_it_is_the_loss_that_is_written_by_hand_everywhere(impl: str) -> None:
    """KD2: batchmean is the sum over B, not over B·C. Hard term as in torch."""
    student, teacher, target = random(6, 9, seed=1), random(6, 9, seed=2), targets(6, 9)
    got = distillation_loss(
        student, teacher, target, temperature=4.0, kind="kl", alpha=0.7, impl=impl
    )
    soft = functional.kl_div(
        torch.log_softmax(student / 4, 1), torch.softmax(teacher / 4, 1), reduction="batchmean"
    )
    want = 0.7 * 16 * soft + 0.3 * functional.cross_entropy(student, target)
    torch.testing.assert_close(got, want)


@pytest.mark.parametrize("impl", IMPLS)
def test_kd1_the_scale_is_continuous_as_the_hard_term_goes(impl: str) -> None:
    student, teacher, target = random(6, 9, seed=1), random(6, 9, seed=2), targets(6, 9)
    options = {"temperature": 3.0, "kind": "kl", "impl": impl}
    without = distillation_loss(student, teacher, **options)
    almost = distillation_loss(student, teacher, target, alpha=1 - 1e-9, **options)
    torch.testing.assert_close(almost, without, rtol=1e-7, atol=1e-7)
    half = distillation_loss(student, teacher, alpha=0.5, **options)
    torch.testing.assert_close(half, without / 2)


@pytest.mark.parametrize("classes", [5, 40])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS[1:])
@pytest.mark.parametrize("impl", FAST)
def test_kd3_equal_logits_lose_exactly_0(
    impl: str, kind: str, dtype: torch.dtype, classes: int
) -> None:
    logits = (3 * random(6, classes, seed=1)).to(dtype)
    rows, *gradients = rows_and_gradients(
        lambda s, t: distillation_loss(
            s, t, temperature=0.7, kind=kind, reduction="none", impl=impl
        ),
        (logits, logits),
        torch.ones(6),
    )
    assert (rows == 0).all()
    assert all((gradient == 0).all() for gradient in gradients)


@pytest.mark.parametrize("temperature", [0.05, 1.0, 20.0])
@pytest.mark.parametrize("kind", ["ce", "kl", "jsd"])
@pytest.mark.parametrize("impl", IMPLS)
def test_kd4_a_one_hot_teacher_is_finite(impl: str, kind: str, temperature: float) -> None:
    teacher = torch.full((3, 6), -math.inf)
    teacher[:, 2] = 1.0
    rows, gradient, _ = rows_and_gradients(
        lambda s, t: distillation_loss(
            s, t, temperature=temperature, kind=kind, scale_by_t2=False, reduction="none", impl=impl
        ),
        (random(3, 6, seed=1).float(), teacher),
        torch.ones(3),
    )
    assert rows.isfinite().all() and (rows > 0).all()
    assert gradient.isfinite().all() and (gradient != 0).any()
    if kind != "jsd":
        of_class = torch.log_softmax(random(3, 6, seed=1) / temperature, dim=1)[:, 2]
        torch.testing.assert_close(rows.double(), -of_class, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("impl", IMPLS)
def test_kd4_reverse_kl_is_infinite_where_only_the_teacher_rules_out(impl: str) -> None:
    student, teacher = random(2, 4, seed=1), random(2, 4, seed=2)
    teacher[0, 1] = -math.inf
    rows = distillation_loss(student, teacher, kind="reverse_kl", reduction="none", impl=impl)
    assert rows[0] == math.inf and rows[1].isfinite()
    student[0, 1] = -math.inf
    rows = distillation_loss(student, teacher, kind="reverse_kl", reduction="none", impl=impl)
    assert rows.isfinite().all()


@pytest.mark.parametrize("temperature", [0.01, 1.0, 1000.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("impl", FAST)
def test_kd5_huge_logits_do_not_overflow(
    impl: str, kind: str, dtype: torch.dtype, temperature: float
) -> None:
    student = torch.tensor([[6e4, -6e4, 0.0], [1e4, 1e4, -1e4]], dtype=dtype)
    teacher = torch.tensor([[5e4, -6e4, 1e4], [-1e4, 1e4, 1e4]], dtype=dtype)

    def loss(with_impl: str):
        return lambda s, t: distillation_loss(
            s, t, temperature=temperature, kind=kind, reduction="none", impl=with_impl
        )

    got = rows_and_gradients(loss(impl), (student, teacher), torch.ones(2))
    want = rows_and_gradients(
        loss("reference"), (student.double(), teacher.double()), torch.ones(2)
    )
    for one, other in zip(got, want, strict=True):
        limit = torch.finfo(one.dtype).max
        torch.testing.assert_close(
            one.double(), other.clamp(-limit, limit), rtol=4 * torch.finfo(one.dtype).eps, atol=1e-4
        )


@pytest.mark.parametrize("impl", IMPLS)
def test_kd6_targets(impl: str) -> None:
    student, teacher = random(3, 4, seed=1).requires_grad_(), random(3, 4, seed=2)
    ignored = torch.full((3,), -100)
    loss = distillation_loss(student, teacher, ignored, alpha=0.0, impl=impl)
    assert loss.item() == 0
    (gradient,) = torch.autograd.grad(loss, student)
    assert (gradient == 0).all()
    with pytest.raises((IndexError, RuntimeError), match="target"):
        distillation_loss(student, teacher, torch.tensor([0, 4, 1]), alpha=0.5, impl=impl)
    named = torch.tensor([0, 9, 1])
    with_name = distillation_loss(student, teacher, named, alpha=0.5, ignore_index=9, impl=impl)
    usual = torch.tensor([0, -100, 1])
    torch.testing.assert_close(
        with_name, distillation_loss(student, teacher, usual, alpha=0.5, impl=impl)
    )


def test_kd7_classes_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match=r"one shape, got \[3, 4\] and \[3, 5\]"):
        distillation_loss(torch.ones(3, 4), torch.ones(3, 5))


@pytest.mark.parametrize("impl", IMPLS)
def test_kd8_no_rows_one_class_and_very_many(impl: str) -> None:
    none = torch.ones(0, 5)
    assert distillation_loss(none, none, reduction="sum", impl=impl).item() == 0
    assert distillation_loss(none, none, impl=impl).isnan()
    assert distillation_loss(none, none, reduction="none", impl=impl).shape == (0,)
    one = random(3, 1, seed=1)
    zero = torch.zeros(3, dtype=torch.int64)
    assert distillation_loss(one, one + 1, zero, kind="kl", alpha=0.5, impl=impl).item() == 0
    student, teacher = random(2, 151936, seed=1).float(), random(2, 151936, seed=2).float()
    got = distillation_loss(student, teacher, kind="kl", impl=impl)
    want = distillation_loss(student.double(), teacher.double(), kind="kl", impl="reference")
    torch.testing.assert_close(got.double(), want, rtol=2e-6, atol=0)


@pytest.mark.parametrize("impl", FAST)
def test_kd9_gradients_are_made_for_whoever_asks(impl: str) -> None:
    for wants in ((True, False), (False, True), (True, True)):
        student, teacher = (
            random(3, 4, seed=seed).requires_grad_(want)
            for seed, want in zip((1, 2), wants, strict=True)
        )
        distillation_loss(student, teacher, kind="jsd", impl=impl).backward()
        both = [x.detach().requires_grad_() for x in (student, teacher)]
        distillation_loss(*both, kind="jsd", impl="reference").backward()
        for mine, other, want in zip((student, teacher), both, wants, strict=True):
            assert (mine.grad is not None) == want
            if want:
                torch.testing.assert_close(mine.grad, other.grad)


@pytest.mark.parametrize("impl", FAST)
@pytest.mark.parametrize("upstream", [1.0, -2.5])
def test_a_graph_that_is_kept_gives_the_same_every_time(upstream: float, impl: str) -> None:
    """The last backward may give away what the forward made; those before must not."""
    student, teacher = random(3, 4, seed=1).requires_grad_(), random(3, 4, seed=2)
    loss = distillation_loss(student, teacher, impl=impl)
    (want,) = torch.autograd.grad(distillation_loss(student, teacher, impl="reference"), student)
    for retain_graph in (True, True, False):
        grad = torch.tensor(upstream, dtype=torch.float64)
        (got,) = torch.autograd.grad(loss, student, grad, retain_graph=retain_graph)
        torch.testing.assert_close(got, upstream * want, rtol=1e-12, atol=1e-15)
        got.fill_(torch.nan)


def test_gradients_for_several_upstream_ones_at_once() -> None:
    student, teacher = random(3, 4, seed=1).requires_grad_(), random(3, 4, seed=2)
    loss = distillation_loss(student, teacher, impl="fused")
    (want,) = torch.autograd.grad(loss, student, retain_graph=True)
    several = torch.tensor([1.0, 2.0, -3.0], dtype=torch.float64)
    (got,) = torch.autograd.grad(loss, student, several, is_grads_batched=True)
    assert torch.equal(got, several[:, None, None] * want)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1, 0.3])
def test_one_class_has_no_gradient(label_smoothing: float) -> None:
    student, teacher = (random(5, 1, seed=seed).float().requires_grad_() for seed in (1, 2))
    target = torch.zeros(5, dtype=torch.int64)
    loss = distillation_loss(
        student, teacher, target, alpha=0.3, label_smoothing=label_smoothing, impl="fused"
    )
    assert loss.item() == 0
    for gradient in torch.autograd.grad(loss, (student, teacher)):
        assert torch.equal(gradient, torch.zeros(5, 1))


def test_the_module_has_every_option() -> None:
    student, teacher, target = random(3, 4, seed=1), random(3, 4, seed=2), targets(3, 4)
    module = DistillationLoss(2.0, kind="jsd", alpha=0.3, label_smoothing=0.2, ignore_index=-100)
    want = distillation_loss(
        student, teacher, target, temperature=2.0, kind="jsd", alpha=0.3, label_smoothing=0.2
    )
    assert torch.equal(module(student, teacher, target), want)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"kind": "tv"}, ValueError, "kind must be one of 'ce', 'kl', 'reverse_kl', 'jsd'"),
        ({"alpha": 1.5}, ValueError, r"alpha must be in \[0, 1\], got 1.5"),
        ({"alpha": True}, TypeError, "alpha must be a float, got bool"),
        ({"label_smoothing": -0.1}, ValueError, r"label_smoothing must be in \[0, 1\]"),
        ({"ignore_index": 0.5}, TypeError, "ignore_index must be an int, got float"),
        ({"target": torch.zeros(2).long()}, ValueError, r"target must be \[B\] = \[3\], got \[2\]"),
        ({"target": torch.zeros(3)}, ValueError, "target must be int64, got torch.float32"),
        ({"target": [0, 1, 2]}, TypeError, "target must be a tensor, got list"),
    ],
)
def test_what_is_wrong_is_said(
    options: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=f"distillation_loss: {message}"):
        distillation_loss(torch.ones(3, 4), torch.ones(3, 4), **options)
