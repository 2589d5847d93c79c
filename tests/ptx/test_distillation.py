"""The shipped distillation kernels, emulated, against float64."""

from dataclasses import replace

import numpy as np
import pytest

from .distillation import (
    H200_SHARED,
    KINDS,
    aligned,
    assert_close,
    assert_gradient_close,
    case_of,
    emulated,
    logits,
    reference,
)
from .emulator.library import REVERSED, SCHEDULES
from .shipped import ELEMENTS, Element, shipped

# A row per thread; 8, 16 and 32 lanes; 128 and 256, beyond one warp; ragged ends of a vector.
SIZES = [(300, 1), (3, 2), (259, 5), (5, 50), (3, 64), (3, 100), (2, 128), (3, 200), (3, 1000),
         (2, 1001), (2, 2000)]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("element", ELEMENTS, ids=str)
@pytest.mark.parametrize(("rows", "classes"), SIZES)
def test_losses_and_both_gradients(rows: int, classes: int, element: Element, kind: str) -> None:
    case = case_of(element, rows, classes, kind=kind)
    assert_close(emulated(shipped(), case), case)


@pytest.mark.parametrize("shared", [H200_SHARED, 0], ids=["kept", "read twice"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("element", ELEMENTS, ids=str)
def test_long_rows(element: Element, kind: str, shared: int) -> None:
    """A block per row: one whose gradients come from shared memory, or from another read."""
    case = case_of(element, 2, 5000, kind=kind)
    assert_close(emulated(shipped(), case, shared=shared), case)


@pytest.mark.parametrize("element", ELEMENTS, ids=str)
def test_the_most_classes(element: Element) -> None:
    """Beyond all shared memory. The last row's maxima come last: all sums before are raised."""
    case = case_of(element, 2, 151936)
    case.student[1] = np.sort(case.student[1])
    case.teacher[1] = np.sort(case.teacher[1])[::-1]
    assert_close(emulated(shipped(), case), case)


@pytest.mark.parametrize("mean", [False, True], ids=["rows", "mean"])
@pytest.mark.parametrize(("rows", "classes"), [(520, 5), (5, 50), (3, 1000), (2, 5000)])
def test_every_schedule_gives_the_same_bits(rows: int, classes: int, mean: bool) -> None:
    case = case_of(ELEMENTS[0], rows, classes, mean=mean)
    first = emulated(shipped(), case)
    assert_close(first, case)
    for schedule in SCHEDULES[1:]:
        assert emulated(shipped(), case, schedule).bits() == first.bits(), schedule


@pytest.mark.parametrize(("rows", "classes"), [(2500, 3), (2500, 17)])
def test_many_targets_are_counted_by_another_kernel(rows: int, classes: int) -> None:
    case = case_of(ELEMENTS[0], rows, classes, mean=True)
    case.target[::3] = -100  # type: ignore[index]
    assert_close(emulated(shipped(), case, REVERSED), case)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("classes", [5, 50, 1001, 5000])
@pytest.mark.parametrize("element", ELEMENTS, ids=str)
def test_rows_apart_by_any_stride(element: Element, classes: int, kind: str) -> None:
    """Parts of wider arrays, which begin and go on at any element; a teacher's row for all."""
    case = case_of(element, 3, classes, kind=kind)
    wide = logits(element, 3, classes + 11, np.random.default_rng(7))
    for student, teacher in [
        (wide[:, 3 : 3 + classes], case.teacher),
        (case.student, np.broadcast_to(wide[:1, 5 : 5 + classes], (3, classes))),
    ]:
        apart = replace(case, student=student, teacher=teacher)
        assert_close(emulated(shipped(), apart), apart)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("temperature", [0.05, 1.0, 100.0])
@pytest.mark.parametrize("classes", [5, 300, 4500])
def test_other_temperatures(classes: int, temperature: float, kind: str) -> None:
    case = case_of(ELEMENTS[0], 3, classes, kind=kind, temperature=temperature, seed=1)
    assert_close(emulated(shipped(), case), case)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("classes", [5, 300, 4500])
def test_without_target_and_upstream(classes: int, kind: str) -> None:
    case = case_of(ELEMENTS[2], 3, classes, kind=kind, target=None, upstream=None)
    assert_close(emulated(shipped(), case), case)


@pytest.mark.parametrize("kind", KINDS[1:])
@pytest.mark.parametrize("classes", [5, 40, 1000, 5000])
@pytest.mark.parametrize("element", ELEMENTS, ids=str)
def test_equal_logits_lose_exactly_0(element: Element, classes: int, kind: str) -> None:
    case = case_of(element, 3, classes, kind=kind, target=None, temperature=0.7)
    results = emulated(shipped(), replace(case, teacher=case.student))
    assert (results.loss == 0).all()
    assert (element.exact(results.student) == 0).all()
    assert (element.exact(results.teacher) == 0).all()


@pytest.mark.parametrize("kind", ["ce", "kl", "jsd"])
@pytest.mark.parametrize("classes", [6, 70, 5000])
def test_a_one_hot_teacher(classes: int, kind: str) -> None:
    case = case_of(ELEMENTS[0], 3, classes, kind=kind)
    case.teacher[:] = -np.inf
    case.teacher[:, classes - 2] = 1
    assert_close(emulated(shipped(), case), case)


@pytest.mark.parametrize("excluded", [-np.inf, np.finfo(np.float32).min])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("classes", [9, 70, 5000])
def test_classes_that_both_exclude_cost_nothing(classes: int, kind: str, excluded: float) -> None:
    """Among them all that a thread meets first, before it has a maximum."""
    case = case_of(ELEMENTS[0], 3, classes, kind=kind, label_smoothing=0.0)
    case.student[:, : classes // 2] = case.teacher[:, : classes // 2] = excluded
    case.target[:] = classes - 1  # type: ignore[index]
    assert_close(emulated(shipped(), case), case)


@pytest.mark.parametrize("kind", ["ce", "kl"])
@pytest.mark.parametrize("classes", [6, 70, 5000])
def test_a_class_that_only_the_student_excludes_costs_everything(classes: int, kind: str) -> None:
    """And the student's gradient is right."""
    case = case_of(ELEMENTS[0], 3, classes, kind=kind, target=None)
    case.student[:, 0] = -np.inf
    results = emulated(shipped(), case)
    assert np.isposinf(results.loss).all()
    with np.errstate(invalid="ignore"):
        want = reference(case)
    assert_gradient_close(results.student, want.exact.student, want.allowed.student, case.element)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("classes", [5, 70, 5000])
def test_nan_stays_in_its_row(classes: int, kind: str) -> None:
    """From a NaN, from a row that excludes every class, from a target that is no class."""
    case = case_of(ELEMENTS[0], 5, classes, kind=kind)
    case.student[1, 3] = np.nan
    case.teacher[2] = -np.inf
    case.target[4] = classes  # type: ignore[index]
    results = emulated(shipped(), case)
    assert np.isnan(results.loss).tolist() == [False, True, True, False, True]
    assert np.isnan(results.student).all(axis=1).tolist() == [False, True, True, False, True]
    assert not np.isnan(results.student[[0, 3]]).any()


@pytest.mark.parametrize("element", ELEMENTS, ids=str)
@pytest.mark.parametrize("elements", [1, 8, 2051])
def test_a_gradient_is_scaled_in_place(elements: int, element: Element) -> None:
    made = aligned(element, 1, elements)
    made[0] = element.stored(np.random.default_rng(3).standard_normal(elements))
    before = element.exact(made)
    for factor in (1.0, 2.5):
        by = np.array([factor], np.float32)
        shipped().call("simclr_bench_scale", made, element.code, elements, by, None)
        assert (made == element.stored(before * factor)).all()
