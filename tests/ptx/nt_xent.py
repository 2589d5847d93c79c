"""Calls the emulated launchers of the contrastive losses."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from .emulator.library import IN_ORDER, Library, Schedule
from .shipped import ELEMENTS, UNIT_ROUNDOFF, Array, Element, empty, shipped

PAIRED = ("nt_xent", "decoupled", "info_nce")
OBJECTIVES = (*PAIRED, "supervised")
PRECISIONS = ("highest", "high", "medium")

# SimclrBenchContrast.
_PROBLEM = np.dtype(
    [
        ("pairs", np.int64),
        ("other_pairs", np.int64),
        ("dim", np.int64),
        ("workspace_bytes", np.int64),
        ("small_rows", np.int64),
        ("shared_bytes", np.int64),
        ("wanted_blocks", np.int64),
        ("temperature", np.float64),
        ("learned_temperature", np.uint64),
        ("labels", np.uint64),
        ("element", np.int32),
        ("precision", np.int32),
        ("objective", np.int32),
        ("normalize", np.bool_),
        ("hopper", np.bool_),
    ],
    align=True,
)


@dataclass(frozen=True)
class Case:
    """What the launchers take, besides rows.

    Attributes:
        element: Of the rows.
        precision: In which float32 rows are multiplied.
        objective: Which loss.
        temperature: tau.
        normalize: Whether rows are divided by their length first.
        learned: Whether tau comes from memory.
        workspace_bytes: For what grows with N^2; with 0, one pass per block of rows.
        small_rows: The most rows that get one kernel per direction.
        shared_bytes: Of the device; with 0, no block of rows fits one block of threads.
        wanted_blocks: Of kernels for sm_90a; with 1, each has as many tiles as it can have.
        hopper: Whether it runs the kernels for sm_90a.
    """

    element: Element = ELEMENTS[0]
    precision: str = "highest"
    objective: str = "nt_xent"
    temperature: float = 0.2
    normalize: bool = True
    learned: bool = False
    workspace_bytes: int = 2**26
    small_rows: int = 0
    shared_bytes: int = 227 * 2**10
    wanted_blocks: int = 512
    hopper: bool = False

    def but(self, **changes: object) -> "Case":
        """The same with some changes."""
        return replace(self, **changes)  # type: ignore[arg-type]

    def __str__(self) -> str:
        precision = self.precision if self.element.name == "float32" else ""
        wide = "small" if self.small_rows else "" if self.shared_bytes else "wide"
        hopper = "hopper" if self.hopper else ""
        return f"{self.objective} {self.element} {precision} tau {self.temperature} {wide} {hopper}"

    @property
    def library(self) -> Library:
        """The shipped kernels, emulated for such a device."""
        return shipped("90a" if self.hopper else "80")


class Results(NamedTuple):
    """Loss [N], statistics [3, N], gradient of both views [N, D] and of the temperature []."""

    loss: Array
    statistics: Array
    gradient: Array
    temperature: Array


def emulated(
    library: Library,
    z: Array,
    grad: Array,
    case: Case,
    schedule: Schedule = IN_ORDER,
    others: Array | None = None,
    other_grad: Array | None = None,
    other_statistics: Array | None = None,
    labels: Array | None = None,
) -> Results:
    """Forward and backward of stored rows z [N, D]: the first view's, then the second's.

    With rows of `others` [M, D], ordered likewise, the gradient needs theirs of the losses [M] and
    their statistics [3, M]; without these it is left out. Supervised with labels [N], int64.
    """
    n, dim = z.shape
    first = n // 2 if labels is None else n
    z0, z1 = (np.ascontiguousarray(half) for half in (z[:first], z[first:]))
    tau = np.array(case.temperature)
    other_pairs = 0 if others is None else len(others) // 2
    problem = _problem(case, first, dim, other_pairs, tau, labels)
    forward, backward = _workspace_bytes(library, problem)
    loss, statistics = empty(n), empty(3 if labels is None else 6, n, dtype=np.float64)
    rows = (z0, z1, others)
    library.call(
        "simclr_bench_nt_xent_forward",
        *(problem, *rows, _workspace(forward), loss, statistics, None),
        schedule=schedule,
    )
    gradient, grad_tau = case.element.empty(n, dim), empty(1, dtype=np.float64)
    saved = statistics
    if others is not None:
        if other_grad is None or other_statistics is None:
            return Results(loss, statistics, gradient, grad_tau)
        grad = np.concatenate([grad, other_grad])
        saved = np.concatenate([statistics, other_statistics], axis=1)
    halves = [case.element.empty(*half.shape) for half in (z0, z1)]
    library.call(
        "simclr_bench_nt_xent_backward",
        *(problem, grad, *rows, saved, _workspace(backward), *halves, grad_tau, None),
        schedule=schedule,
    )
    return Results(loss, statistics, np.concatenate(halves), grad_tau)


def workspaces(library: Library, case: Case, pairs: int, dim: int) -> tuple[int, int]:
    """Of the forward and the backward."""
    return _workspace_bytes(library, _problem(case, pairs, dim, 0, np.array(case.temperature)))


def _problem(
    case: Case,
    pairs: int,
    dim: int,
    other_pairs: int,
    tau: Array,
    labels: Array | None = None,
) -> Array:
    """A SimclrBenchContrast, which points to tau [] if that is learned."""
    problem = np.zeros(1, _PROBLEM)
    problem[0] = (
        pairs,
        other_pairs,
        dim,
        case.workspace_bytes,
        case.small_rows,
        case.shared_bytes,
        case.wanted_blocks,
        0.0 if case.learned else case.temperature,
        tau.ctypes.data if case.learned else 0,
        0 if labels is None else labels.ctypes.data,
        case.element.code,
        PRECISIONS.index(case.precision),
        OBJECTIVES.index(case.objective),
        case.normalize,
        case.hopper,
    )
    return problem


def _workspace_bytes(library: Library, problem: Array) -> tuple[int, int]:
    forward, backward = np.zeros(1, np.int64), np.zeros(1, np.int64)
    library.call("simclr_bench_nt_xent_workspace", problem, forward, backward)
    return int(forward[0]), int(backward[0])


def _workspace(size: int) -> Array:
    """NaN everywhere, whatever the type."""
    return np.full(size, 0xFF, np.uint8)


class Truth(NamedTuple):
    """The formulas in float64, and how far the kernels may be off."""

    loss: Array
    gradient: Array
    temperature: float
    loss_error: float
    gradient_error: Array
    temperature_error: float


# Largest relative error of a row's elements in its products, and of the two factors of a gradient.
_ERRORS = {
    "bfloat16": (0.0, 2.0**-8),
    "float16": (0.0, 2.0**-16),
    "medium": (2.0**-8, 2.0**-8),
    "high": (2.0**-16, 2.0**-15),
    "highest": (2.0**-24, 2.0**-23),
}


def sizes_of(u: Array, case: Case) -> tuple[float, float, float]:
    """The largest square of a row's length, and the errors of similarities and of factors.

    A sum of D products of rows of length R is off by (D + 8)·R² roundings, the 8 for rows that are
    rounded themselves, and by what its factors are; two of them in every exponent, k times.
    """
    of_rows, of_factors = _ERRORS[
        case.precision if case.element.name == "float32" else case.element.name
    ]
    largest = float((u * u).sum(axis=1).max())
    return largest, largest * ((u.shape[1] + 10) * UNIT_ROUNDOFF + 2 * of_rows), of_factors


def truth(z: Array, grad: Array, case: Case) -> Truth:
    """Loss and gradients of rows z [N, D] in float64, with positives and negatives kept apart."""
    n, dim = z.shape
    k = 1 / case.temperature
    norms = np.linalg.norm(z, axis=1, keepdims=True) if case.normalize else np.ones((n, 1))
    divisors = np.maximum(norms, 1e-12)
    u = z / divisors
    similarities = u @ u.T
    rows, pairs = np.arange(n), (np.arange(n) + n // 2) % n
    counts = rows[:, None] != rows[None, :]
    counts[rows, pairs] = False
    if case.objective == "info_nce":
        counts &= (rows[:, None] < n // 2) != (rows[None, :] < n // 2)
    positives = similarities[rows, pairs]
    logits = np.where(counts, similarities * k, -np.inf)
    top = logits.max(axis=1, keepdims=True)
    exponentials = np.exp(logits - top)
    sums = exponentials.sum(axis=1, keepdims=True)
    gap = np.log(sums[:, 0]) + top[:, 0] - positives * k
    pull = grad if case.objective == "decoupled" else grad * np.exp(-np.logaddexp(0, -gap))
    weights = pull[:, None] * exponentials / sums
    both = weights + weights.T
    both[rows, pairs] = -(pull + pull[pairs])
    du = k * both @ u
    gradient = du
    if case.normalize:
        along = (du * u).sum(axis=1, keepdims=True)
        gradient = (du - np.where(norms < 1e-12, 0, along) * u) / divisors
    loss = gap if case.objective == "decoupled" else np.logaddexp(0, gap)
    apart = similarities - positives[:, None]

    largest, similarity_error, of_factors = sizes_of(u, case)
    exponent_error = 2 * k * similarity_error
    loss_error = exponent_error + (16 + float(np.abs(loss).max())) * UNIT_ROUNDOFF
    # Each weight is off by that, relative to the two terms that it is the sum of; then N products
    # with them are summed. Projection takes the error up to twice.
    relative = 2 * exponent_error + of_factors + (n + dim + 32) * UNIT_ROUNDOFF
    terms = np.abs(weights)
    sizes = (terms + terms.T).sum(axis=1, keepdims=True) + np.abs(pull + pull[pairs])[:, None]
    gradient_error = 2 * relative * k * sizes * np.sqrt(largest) / divisors
    moments = (terms * np.abs(np.where(counts, apart, 0))).sum()
    temperature_error = k * k * (moments * relative + 2 * terms.sum() * similarity_error)
    temperature = -k * k * (weights * np.where(counts, apart, 0)).sum()
    return Truth(loss, gradient, temperature, loss_error, gradient_error, temperature_error)


def drawn(element: Element, pairs: int, dim: int, *, seed: int = 0) -> tuple[Array, Array]:
    """Stored embeddings [N, D] and upstream gradients [N]."""
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((2 * pairs, dim)) * rng.uniform(0.1, 4, (2 * pairs, 1))
    return element.stored(z), rng.standard_normal(2 * pairs).astype(np.float32)


def assert_close(results: Results, want: Truth, element: Element) -> None:
    """Within what rounding can do."""
    assert np.abs(results.loss - want.loss).max() <= want.loss_error
    rounding = np.abs(want.gradient) * 2 * element.roundoff + element.step
    off = np.abs(element.exact(results.gradient) - want.gradient)
    assert (off <= want.gradient_error + rounding).all()
    assert abs(results.temperature[0] - want.temperature) <= want.temperature_error
