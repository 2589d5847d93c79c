"""The shipped distillation kernels, emulated, against float64."""

import numpy as np
import pytest

from .emulator.library import IN_ORDER, SCHEDULES, Library, Schedule
from .shipped import ELEMENTS, UNIT_ROUNDOFF, Array, Element, empty, shipped

# Rows and classes; a block of 256 threads takes a row.
SIZES = [(1, 1), (3, 5), (4, 256), (5, 257), (2, 1000)]


def emulated(
    library: Library,
    student: Array,
    teacher: Array,
    temperature: float,
    grad: Array,
    element: Element,
    schedule: Schedule,
) -> tuple[Array, Array]:
    """Loss [B] and the student's gradient [B, C]."""
    rows, classes = student.shape
    loss, statistics = empty(rows), empty(4, rows, dtype=np.float64)
    grad_student = element.empty(rows, classes)
    shape = (element.code, rows, classes, temperature)
    library.call(
        "simclr_bench_distillation_forward",
        *(student, teacher, *shape, loss, statistics, None),
        schedule=schedule,
    )
    library.call(
        "simclr_bench_distillation_backward",
        *(grad, student, teacher, statistics, *shape, grad_student, None),
        schedule=schedule,
    )
    return loss, grad_student


def log_softmax(x: Array) -> Array:
    above = x - x.max(axis=1, keepdims=True)
    return above - np.log(np.exp(above).sum(axis=1, keepdims=True))


def assert_close(
    results: tuple[Array, Array],
    student: Array,
    teacher: Array,
    temperature: float,
    grad: Array,
    element: Element,
) -> None:
    loss, gradient = results
    k = 1 / temperature
    log_p, log_q = log_softmax(element.exact(student) * k), log_softmax(element.exact(teacher) * k)
    want = -(np.exp(log_q) * log_p).sum(axis=1)
    scale = grad[:, None].astype(np.float64) * k
    want_gradient = scale * (np.exp(log_p) - np.exp(log_q))
    # Exponents of size E are off by some roundings of E; sums of C terms, of which a thread adds
    # C / 256 and a tree the rest, by C / 256 + 8. The loss averages numbers up to E.
    classes = student.shape[1]
    exponents = max(1.0, *(float(np.abs(x).max()) for x in (log_p, log_q)))
    relative = (4 * exponents + classes / 256 + 16) * UNIT_ROUNDOFF
    assert np.abs(loss - want).max() <= 3 * exponents * relative
    off = np.abs(element.exact(gradient) - want_gradient)
    terms = np.abs(scale) * (np.exp(log_p) + np.exp(log_q))
    rounding = np.abs(want_gradient) * 2 * element.roundoff + element.step
    # Exponentials below the smallest normal number are flushed to 0.
    flushed = np.abs(scale) * 2.0**-125
    assert (off <= 2 * relative * terms + flushed + rounding).all()


def case(element: Element, rows: int, classes: int, *, seed: int = 0) -> tuple[Array, Array, Array]:
    """Stored logits of student and teacher, and upstream gradients."""
    rng = np.random.default_rng(seed)
    student, teacher = (element.stored(rng.standard_normal((rows, classes)) * 5) for _ in range(2))
    return student, teacher, rng.standard_normal(rows).astype(np.float32)


@pytest.mark.parametrize("element", ELEMENTS, ids=str)
@pytest.mark.parametrize(("rows", "classes"), SIZES)
def test_every_schedule_gives_the_loss_and_its_gradient(
    rows: int, classes: int, element: Element
) -> None:
    student, teacher, grad = case(element, rows, classes)
    first = emulated(shipped(), student, teacher, 2.0, grad, element, IN_ORDER)
    assert_close(first, student, teacher, 2.0, grad, element)
    for schedule in SCHEDULES[1:]:
        again = emulated(shipped(), student, teacher, 2.0, grad, element, schedule)
        assert all(a.tobytes() == b.tobytes() for a, b in zip(first, again, strict=True)), schedule


@pytest.mark.parametrize("temperature", [0.1, 100.0])
def test_other_temperatures(temperature: float) -> None:
    element = ELEMENTS[0]
    student, teacher, grad = case(element, 3, 300, seed=1)
    results = emulated(shipped(), student, teacher, temperature, grad, element, SCHEDULES[2])
    assert_close(results, student, teacher, temperature, grad, element)


def test_a_class_that_both_exclude_costs_nothing() -> None:
    element = ELEMENTS[0]
    student, teacher, grad = case(element, 2, 9, seed=2)
    without = emulated(
        shipped(), student[:, :8].copy(), teacher[:, :8].copy(), 1.0, grad, element, IN_ORDER
    )
    student[:, 8] = teacher[:, 8] = -np.inf
    loss, gradient = emulated(shipped(), student, teacher, 1.0, grad, element, IN_ORDER)
    assert np.allclose(loss, without[0], rtol=1e-6, atol=0)
    assert (gradient[:, 8] == 0).all()
    assert np.allclose(gradient[:, :8], without[1], rtol=0, atol=1e-6)
