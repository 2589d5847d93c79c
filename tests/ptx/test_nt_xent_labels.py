"""The shipped kernels of the supervised contrastive loss, emulated, against float64."""

import numpy as np
import pytest

from .emulator.library import SCHEDULES, Library
from .nt_xent import PRECISIONS, Case, Truth, assert_close, drawn, emulated, sizes_of
from .shipped import ELEMENTS, UNIT_ROUNDOFF, Array

FLOAT32, FLOAT16, BFLOAT16 = ELEMENTS
FORMS = [
    Case(element, precision, "supervised")
    for element, precision in (
        *((FLOAT32, precision) for precision in PRECISIONS),
        (FLOAT16, "highest"),
        (BFLOAT16, "highest"),
    )
]


def truth(z: Array, labels: Array, grad: Array, case: Case) -> Truth:
    """Loss and gradients of rows z [N, D] in float64."""
    n = len(z)
    k = 1 / case.temperature
    norms = np.linalg.norm(z, axis=1, keepdims=True) if case.normalize else np.ones((n, 1))
    divisors = np.maximum(norms, 1e-12)
    u = z / divisors
    similarities = u @ u.T
    others = ~np.eye(n, dtype=bool)
    same = (labels[:, None] == labels[None, :]) & others
    positives = same.sum(axis=1, keepdims=True)
    grad = np.where(positives > 0, grad[:, None], 0)
    logits = np.where(others, similarities * k, -np.inf)
    top = logits.max(axis=1, keepdims=True)
    sums = np.exp(logits - top).sum(axis=1, keepdims=True)
    softmax = np.exp(logits - top) / sums
    mean = np.where(same, similarities, 0).sum(axis=1, keepdims=True) / np.maximum(positives, 1)
    loss = np.where(positives > 0, np.log(sums) + top - mean * k, 0)[:, 0]
    pulls = np.where(same, grad / np.maximum(positives, 1), 0)
    weights = grad * softmax - pulls
    both = weights + weights.T
    du = k * both @ u
    along = (du * u).sum(axis=1, keepdims=True) if case.normalize else 0
    gradient = (du - np.where(norms < 1e-12, 0, along) * u) / divisors
    apart = np.where(others, similarities - mean, 0)

    largest, similarity_error, of_factors = sizes_of(u, case)
    exponent_error = 2 * k * similarity_error
    loss_error = 2 * exponent_error + (n + 16 + float(np.abs(loss).max())) * UNIT_ROUNDOFF
    relative = 2 * exponent_error + of_factors + (n + z.shape[1] + 32) * UNIT_ROUNDOFF
    # A weight is off relative to its terms; that of a pair has one.
    terms = np.where(same & (positives == 1), np.abs(weights), np.abs(grad * softmax) + abs(pulls))
    sizes = (terms + terms.T).sum(axis=1, keepdims=True)
    gradient_error = 2 * relative * k * sizes * np.sqrt(largest) / divisors
    moments = (terms * np.abs(apart)).sum()
    temperature_error = k * k * (moments * relative + 2 * terms.sum() * similarity_error)
    temperature = -k * k * float((weights * apart).sum())
    return Truth(loss, gradient, temperature, loss_error, gradient_error, temperature_error)


def check(case: Case, z: Array, labels: Array, grad: Array, library: Library | None = None) -> None:
    """Within rounding of the truth; in this library, else in the case's."""
    want = truth(case.element.exact(z), labels, grad.astype(np.float64), case)
    results = emulated(library or case.library, z, grad, case, labels=labels)
    assert_close(results, want, case.element)


def drawn_labels(rows: int, labels: int, seed: int = 7) -> Array:
    """Of any size; the first row has one for itself, the next two are a pair."""
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, labels, rows) * 2**40 - 5
    drawn[:3] = -1, 2**62, 2**62
    return drawn


# 131 rows are a block of 128 and three more.
@pytest.mark.parametrize("hopper", [False, True])
@pytest.mark.parametrize("temperature", [0.2, 0.01])
@pytest.mark.parametrize("case", FORMS, ids=str)
def test_labels(case: Case, temperature: float, hopper: bool) -> None:
    z, grad = drawn(case.element, 66, 40)
    z, grad = z[:131], grad[:131]
    check(case.but(temperature=temperature, hopper=hopper), z, drawn_labels(131, 5), grad)


@pytest.mark.parametrize("hopper", [False, True])
def test_every_schedule_gives_the_same_bits(hopper: bool) -> None:
    case = Case(objective="supervised", hopper=hopper)
    z, grad = drawn(FLOAT32, 66, 20)
    labels = drawn_labels(132, 3)
    first = emulated(case.library, z, grad, case, labels=labels)
    for schedule in SCHEDULES[1:]:
        again = emulated(case.library, z, grad, case, schedule, labels=labels)
        assert all(a.tobytes() == b.tobytes() for a, b in zip(first, again, strict=True)), schedule


@pytest.mark.parametrize("dim", [50, 128, 200, 512])
def test_any_number_of_columns(dim: int) -> None:
    z, grad = drawn(BFLOAT16, 9, dim, seed=1)
    check(Case(BFLOAT16, objective="supervised"), z, drawn_labels(18, 4), grad)


def test_passes_add_up() -> None:
    """With next to no memory for partial sums: a pass for each block of rows."""
    z, grad = drawn(FLOAT32, 150, 20, seed=2)
    case = Case(objective="supervised", workspace_bytes=0)
    check(case, z, drawn_labels(300, 7), grad)
    check(case.but(temperature=0.01, learned=True), z, drawn_labels(300, 7), grad)


@pytest.mark.parametrize(
    "labels",
    [
        np.zeros(12, np.int64),  # no negatives
        np.arange(12, dtype=np.int64),  # no positives
        np.arange(12, dtype=np.int64) // 2,  # pairs
        np.arange(12, dtype=np.int64) // 11,  # one row alone
    ],
    ids=["one", "none", "pairs", "alone"],
)
@pytest.mark.parametrize("temperature", [0.002, 0.1, 100.0])
def test_extremes(labels: Array, temperature: float) -> None:
    case = Case(objective="supervised", temperature=temperature)
    z, grad = drawn(FLOAT32, 6, 20, seed=3)
    check(case, z, labels, grad)
    z[1], z[2], z[4] = z[0], -z[0], 0  # equal, opposite, without a direction
    check(case, z, labels, grad)


def test_converged_pairs_keep_their_gradient() -> None:
    """1 - p would round to 0: labels of two rows are a pair, as in NT-Xent."""
    z, grad = drawn(FLOAT32, 6, 20, seed=4)
    z = np.concatenate([z[:6], z[:6] + np.float32(1e-4)]).astype(np.float32)
    labels = np.arange(12, dtype=np.int64) % 6
    case = Case(objective="supervised", temperature=0.02)
    want = truth(z.astype(np.float64), labels, grad.astype(np.float64), case)
    got = emulated(case.library, z, grad, case, labels=labels)
    assert_close(got, want, FLOAT32)
    assert np.abs(want.gradient).max() < 1e-2
    np.testing.assert_allclose(got.gradient, want.gradient, rtol=0.02, atol=1e-12)
