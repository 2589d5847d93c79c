"""The shipped NT-Xent kernels, emulated, against float64."""

from typing import NamedTuple

import numpy as np
import pytest

from .emulator.library import IN_ORDER, SCHEDULES, Library, Schedule
from .shipped import ELEMENTS, UNIT_ROUNDOFF, Array, Element, empty, shipped

# Pairs and dimensions. Blocks take 8 rows and 256 columns or dimensions: sizes on both sides.
SIZES = [(1, 3), (3, 50), (33, 64), (9, 300), (131, 17)]


class Results(NamedTuple):
    """What the kernels return: loss [N], the gradient of both views [N, D]."""

    loss: Array
    gradient: Array


class Reference(NamedTuple):
    """The same in float64, and how far float32 may be off."""

    loss: Array
    gradient: Array
    loss_error: float
    gradient_error: Array


def emulated(
    library: Library,
    z: Array,
    temperature: float,
    normalize: bool,
    grad: Array,
    element: Element,
    schedule: Schedule,
) -> Results:
    """Forward and backward of z [N, D]: the first view's rows, then the second's."""
    n, dim = z.shape
    z0, z1 = (np.ascontiguousarray(half) for half in (z[: n // 2], z[n // 2 :]))
    rows, columns, norms = empty(n, dim), empty(dim, n), empty(n)
    loss, statistics = empty(n), empty(3, n, dtype=np.float64)
    coefficients, grad_rows = empty(2, n), empty(n, dim)
    grad_z0, grad_z1 = element.empty(n // 2, dim), element.empty(n // 2, dim)
    call, sizes = library.call, (n // 2, dim)
    call(
        "simclr_bench_unit_rows",
        *(z0, z1, element.code, *sizes, normalize, rows, columns, norms, None),
        schedule=schedule,
    )
    call(
        "simclr_bench_nt_xent_forward",
        *(rows, columns, *sizes, temperature, loss, statistics, None),
        schedule=schedule,
    )
    call(
        "simclr_bench_nt_xent_backward",
        *(grad, rows, columns, norms, statistics, *sizes, temperature, normalize),
        *(coefficients, grad_rows, element.code, grad_z0, grad_z1, None),
        schedule=schedule,
    )
    return Results(loss, np.concatenate([grad_z0, grad_z1]))


def reference(z: Array, temperature: float, normalize: bool, grad: Array) -> Reference:
    """NT-Xent of z [N, D] in float64 and bounds on what float32 loses."""
    n, dim = z.shape
    k = 1 / temperature
    norms = np.linalg.norm(z, axis=1, keepdims=True) if normalize else np.ones((n, 1))
    divisors = np.maximum(norms, 1e-12)
    u = z / divisors
    logits = u @ u.T * k
    np.fill_diagonal(logits, -np.inf)
    pairs = (np.arange(n) + n // 2) % n
    top = logits.max(axis=1, keepdims=True)
    exponentials = np.exp(logits - top)
    sums = exponentials.sum(axis=1, keepdims=True)
    loss = np.log(sums[:, 0]) + top[:, 0] - logits[np.arange(n), pairs]
    weights = exponentials / sums
    weights[np.arange(n), pairs] -= 1
    weights *= grad[:, None]
    weights += weights.T
    du = k * weights @ u
    gradient = du
    if normalize:
        along = (du * u).sum(axis=1, keepdims=True)
        gradient = (du - np.where(norms < 1e-12, 0, along) * u) / divisors
    # A sum of D products of rows of length R is off by (D + 8)·R² roundings, the 8 for rows that
    # are rounded themselves; two of them in every exponent, k times, and some roundings beside.
    largest = float((u * u).sum(axis=1).max())
    exponent_error = 2 * k * (dim + 10) * largest * UNIT_ROUNDOFF
    loss_error = exponent_error + (16 + float(np.abs(loss).max())) * UNIT_ROUNDOFF
    # Each weight is off by that, relative to the two softmax terms that it is the sum of; then
    # N products with them are summed. Projection takes the error up to twice.
    terms = exponentials / sums * np.abs(grad[:, None])
    terms[np.arange(n), pairs] += np.abs(grad)
    sizes = k * (terms + terms.T).sum(axis=1, keepdims=True) * np.sqrt(largest) / divisors
    gradient_error = 2 * sizes * (2 * exponent_error + (n + dim + 32) * UNIT_ROUNDOFF)
    return Reference(loss, gradient, loss_error, gradient_error)


def case(element: Element, pairs: int, dim: int, *, seed: int = 0) -> tuple[Array, Array]:
    """Stored embeddings [N, D] and upstream gradients [N]."""
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((2 * pairs, dim)) * rng.uniform(0.1, 4, (2 * pairs, 1))
    return element.stored(z), rng.standard_normal(2 * pairs).astype(np.float32)


def assert_close(results: Results, want: Reference, element: Element) -> None:
    assert np.abs(results.loss - want.loss).max() <= want.loss_error
    rounding = np.abs(want.gradient) * 2 * element.roundoff + element.step
    off = np.abs(element.exact(results.gradient) - want.gradient)
    assert (off <= want.gradient_error + rounding).all()


@pytest.mark.parametrize("element", ELEMENTS, ids=str)
@pytest.mark.parametrize(("pairs", "dim"), SIZES)
def test_every_schedule_gives_the_loss_and_its_gradient(
    pairs: int, dim: int, element: Element
) -> None:
    z, grad = case(element, pairs, dim)
    want = reference(element.exact(z), 0.2, True, grad.astype(np.float64))
    first = emulated(shipped(), z, 0.2, True, grad, element, IN_ORDER)
    assert_close(first, want, element)
    for schedule in SCHEDULES[1:]:
        again = emulated(shipped(), z, 0.2, True, grad, element, schedule)
        # The kernels promise results that are equal in every bit, whoever comes first.
        assert first.loss.tobytes() == again.loss.tobytes(), schedule
        assert first.gradient.tobytes() == again.gradient.tobytes(), schedule


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("temperature", [0.05, 10.0])
def test_other_temperatures_and_rows_as_they_are(temperature: float, normalize: bool) -> None:
    element = ELEMENTS[0]
    z, grad = case(element, 7, 20, seed=1)
    z /= 10
    want = reference(element.exact(z), temperature, normalize, grad.astype(np.float64))
    assert_close(
        emulated(shipped(), z, temperature, normalize, grad, element, IN_ORDER), want, element
    )


def test_a_row_of_zeros_has_no_direction() -> None:
    element = ELEMENTS[0]
    z, grad = case(element, 5, 12, seed=2)
    z[3] = 0
    want = reference(element.exact(z), 0.5, True, grad.astype(np.float64))
    results = emulated(shipped(), z, 0.5, True, grad, element, SCHEDULES[2])
    assert_close(results, want, element)


def test_a_nan_reaches_every_loss() -> None:
    element = ELEMENTS[0]
    z, grad = case(element, 5, 12, seed=3)
    z[2, 7] = np.nan
    assert np.isnan(emulated(shipped(), z, 0.5, True, grad, element, IN_ORDER).loss).all()
