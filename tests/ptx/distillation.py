"""Calls the shipped distillation kernels, emulated; and what they should return, in float64."""

from dataclasses import dataclass, replace

import numpy as np

from .emulator.library import IN_ORDER, Library, Schedule
from .shipped import UNIT_ROUNDOFF, Array, Element, empty

KINDS = ("ce", "kl", "reverse_kl", "jsd")
H200_SHARED = 227 * 1024  # bytes that a block can have

POINTERS = (
    *("student", "teacher", "target", "upstream", "loss", "grad_student", "grad_teacher"),
    *("partials", "counts", "ticket"),
)
INTEGERS = (
    *("student_stride", "teacher_stride", "upstream_stride", "rows", "classes", "ignore_index"),
)
NUMBERS = ("inverse_temperature", "soft_weight", "hard_weight", "label_smoothing")

# SimclrBenchDistillation of csrc/cuda/launchers.h.
PROBLEM = np.dtype(
    [
        *((name, np.uint64) for name in POINTERS),
        *((name, np.int64) for name in INTEGERS),
        *((name, np.float64) for name in NUMBERS),
        ("element", np.int32),
        ("kind", np.int32),
        ("mean_of_targets", np.bool_),
    ],
    align=True,
)


@dataclass(frozen=True)
class Case:
    """A batch of stored logits, and what is asked of the kernels.

    Attributes:
        student: Rows of logits; perhaps a part of a wider array. [B, C]
        teacher: Likewise. [B, C]
        target: True classes; -100 for none. None: no hard term. [B]
        upstream: Multiplies the gradients of rows. [B]
        mean: Whether the loss is the mean: of rows, and of those with a target.
    """

    element: Element
    student: Array
    teacher: Array
    target: Array | None
    upstream: Array | None
    kind: str = "kl"
    temperature: float = 2.0
    soft_weight: float = 0.7
    hard_weight: float = 0.3
    label_smoothing: float = 0.1
    mean: bool = False


@dataclass(frozen=True)
class Results:
    """Losses [B] or their sum [1], and both gradients [B, C], as values or as they are stored."""

    loss: Array
    student: Array
    teacher: Array

    def bits(self) -> tuple[bytes, ...]:
        return self.loss.tobytes(), self.student.tobytes(), self.teacher.tobytes()


def elements_apart(rows: Array) -> int:
    """Between the rows of an array whose elements in a row are neighbours."""
    assert rows.shape[1] == 1 or rows.strides[1] == rows.itemsize
    return rows.strides[0] // rows.itemsize


def emulated(
    library: Library, case: Case, schedule: Schedule = IN_ORDER, *, shared: int = H200_SHARED
) -> Results:
    """Runs the launcher once, for the loss and both gradients."""
    rows, classes = case.student.shape
    loss = empty(1 if case.mean else rows)
    gradients = [aligned(case.element, rows, classes) for _ in range(2)]
    arrays = {
        "student": case.student,
        "teacher": case.teacher,
        "loss": loss,
        "grad_student": gradients[0],
        "grad_teacher": gradients[1],
        "counts": np.full(2048, -1, np.int64),
        "ticket": np.zeros(1, np.uint32),
    }
    if case.target is not None:
        arrays["target"] = case.target
    if case.upstream is not None:
        arrays["upstream"] = case.upstream
    if case.mean:
        arrays["partials"] = empty(2048, dtype=np.float64)
    problem = np.zeros(1, PROBLEM)
    for name, array in arrays.items():
        problem[name] = array.ctypes.data
    problem["student_stride"] = elements_apart(case.student)
    problem["teacher_stride"] = elements_apart(case.teacher)
    problem["upstream_stride"] = 1
    problem["rows"], problem["classes"], problem["ignore_index"] = rows, classes, -100
    problem["inverse_temperature"] = 1 / case.temperature
    problem["soft_weight"] = case.soft_weight / (rows if case.mean else 1)
    problem["hard_weight"] = case.hard_weight
    problem["label_smoothing"] = case.label_smoothing
    problem["element"], problem["kind"] = case.element.code, KINDS.index(case.kind)
    problem["mean_of_targets"] = case.mean and case.target is not None
    library.call("simclr_bench_distillation", problem, shared, None, schedule=schedule)
    return Results(loss, *gradients)


def aligned(element: Element, rows: int, classes: int) -> Array:
    """As `element.empty`, at a multiple of 16 bytes, as torch allocates."""
    size = np.dtype(element.storage).itemsize
    whole = element.empty(rows * classes + 16)
    begin = -whole.ctypes.data % 16 // size
    return whole[begin : begin + rows * classes].reshape(rows, classes)


def log_softmax(x: Array) -> Array:
    above = x - x.max(axis=1, keepdims=True)
    return above - np.log(np.exp(above).sum(axis=1, keepdims=True))


def mean_under(weights: Array, values: Array) -> Array:
    """Where the weight is 0, so is the product."""
    return np.where(weights == 0, 0, weights * np.where(weights == 0, 0, values))


def largest(x: Array) -> float:
    """The size of the largest finite element, at least 1."""
    return float(np.abs(x[np.isfinite(x)]).max(initial=1.0))


@dataclass(frozen=True)
class Reference:
    """Results in float64, and how far float32 may be off. [B], [B, C], [B, C] each."""

    exact: Results
    allowed: Results


def reference(case: Case) -> Reference:
    """The formulas of simclr_bench/losses/distillation/reference.py and their gradients."""
    x, t = case.element.exact(case.student), case.element.exact(case.teacher)
    rows, classes = x.shape
    k = 1 / case.temperature
    log_q, log_p = log_softmax(x * k), log_softmax(t * k)
    q, p = np.exp(log_q), np.exp(log_p)
    # Exponents of size E are off by some roundings of E, and so is, relative to it, a probability;
    # sums of C terms, of which a thread adds the 512th part or 8, by so many roundings more.
    counts = (p > 0) | (q > 0)
    exponents = max(largest(log_p[counts]), largest(log_q[counts]))
    relative = (4 * exponents + classes / 512 + 32) * UNIT_ROUNDOFF
    with np.errstate(invalid="ignore"):
        gap = log_p - log_q
    if case.kind == "ce":
        terms = mean_under(p, -log_q)
        loss = terms.sum(1)
        to_student, to_teacher = q - p, mean_under(p, -log_q - loss[:, None])
        sizes = p + q, p * exponents
    elif case.kind == "kl":
        terms = mean_under(p, gap)
        loss = terms.sum(1)
        to_student, to_teacher = q - p, mean_under(p, gap - loss[:, None])
        sizes = p + q, p * exponents
    elif case.kind == "reverse_kl":
        terms = mean_under(q, -gap)
        loss = terms.sum(1)
        to_student, to_teacher = mean_under(q, -gap - loss[:, None]), p - q
        sizes = q * exponents, p + q
    else:
        with np.errstate(invalid="ignore"):
            log_m = np.logaddexp(log_p, log_q) - np.log(2)
            to_q, to_p = log_q - log_m, log_p - log_m
        of_q, of_p = mean_under(q, to_q), mean_under(p, to_p)
        terms = of_q + of_p
        loss = terms.sum(1) / 2
        to_student = (of_q - q * of_q.sum(1, keepdims=True)) / 2
        to_teacher = (of_p - p * of_p.sum(1, keepdims=True)) / 2
        sizes = q * exponents, p * exponents
    loss_off = exponents * relative * np.ones(rows)
    shares = [size * relative for size in sizes]
    scale = np.broadcast_to(case.soft_weight * k, rows)
    if case.mean:
        scale = scale / rows
    loss, loss_off = loss * case.soft_weight, loss_off * case.soft_weight
    weight_of_row = 1.0
    to_student, to_teacher = to_student * scale[:, None], to_teacher * scale[:, None]
    student_off, teacher_off = shares[0] * scale[:, None], shares[1] * scale[:, None]
    if case.mean:
        loss, loss_off = loss / rows, loss_off / rows
    if case.target is not None:
        kept = case.target != -100
        weight_of_row = case.hard_weight / (max(1, kept.sum()) if case.mean else 1)
        log_1 = log_softmax(x)
        wanted = np.full((rows, classes), case.label_smoothing / classes)
        at = np.where(kept, case.target, 0)
        wanted[np.arange(rows), at] += 1 - case.label_smoothing
        hard = mean_under(wanted, -log_1).sum(1)
        loss = loss + np.where(kept, hard, 0) * weight_of_row
        size = largest(log_1[(wanted > 0) | (np.exp(log_1) > 0)])
        hard_relative = (4 * size + classes / 512 + 32) * UNIT_ROUNDOFF
        loss_off = loss_off + size * hard_relative * weight_of_row
        to_student = to_student + np.where(kept[:, None], np.exp(log_1) - wanted, 0) * weight_of_row
        student_off = student_off + (np.exp(log_1) + wanted) * hard_relative * weight_of_row
    if case.mean:
        loss, loss_off = loss.sum(keepdims=True), loss_off.sum(keepdims=True)
    loss_off = loss_off + np.abs(loss) * 8 * UNIT_ROUNDOFF
    if case.upstream is not None:
        upstream = case.upstream.astype(np.float64)[:, None]
        to_student, to_teacher = to_student * upstream, to_teacher * upstream
        student_off, teacher_off = (off * np.abs(upstream) for off in (student_off, teacher_off))
    return Reference(
        Results(loss, to_student, to_teacher), Results(loss_off, student_off, teacher_off)
    )


def assert_close(results: Results, case: Case) -> None:
    want = reference(case)
    assert (np.abs(results.loss - want.exact.loss) <= want.allowed.loss).all()
    assert_gradient_close(results.student, want.exact.student, want.allowed.student, case.element)
    assert_gradient_close(results.teacher, want.exact.teacher, want.allowed.teacher, case.element)


def assert_gradient_close(stored: Array, exact: Array, allowed: Array, element: Element) -> None:
    off = np.abs(element.exact(stored) - exact)
    rounding = np.abs(exact) * 2 * element.roundoff + element.step
    flushed = 2.0**-100  # exponentials below the smallest normal number, and their factors
    assert (off <= allowed + rounding + flushed).all()


def logits(element: Element, rows: int, classes: int, rng: np.random.Generator) -> Array:
    return element.stored(rng.standard_normal((rows, classes)) * 5)


def case_of(element: Element, rows: int, classes: int, *, seed: int = 0, **changes: object) -> Case:
    """Random logits; of three rows or more, one has no target."""
    rng = np.random.default_rng([seed, rows, classes])
    target = rng.integers(0, classes, rows)
    if rows > 2:
        target[1] = -100
    case = Case(
        element,
        logits(element, rows, classes, rng),
        logits(element, rows, classes, rng),
        target,
        rng.standard_normal(rows).astype(np.float32),
    )
    return replace(case, **changes)  # type: ignore[arg-type]
