"""The shipped contrastive kernels, emulated, against float64."""

import numpy as np
import pytest

from .emulator.library import IN_ORDER, SCHEDULES
from .nt_xent import (
    PAIRED,
    PRECISIONS,
    Case,
    Results,
    Truth,
    assert_close,
    drawn,
    emulated,
    truth,
    workspaces,
)
from .shipped import ELEMENTS, Array, Element

FLOAT32, FLOAT16, BFLOAT16 = ELEMENTS
FORMS = [*(Case(FLOAT32, precision) for precision in PRECISIONS), Case(FLOAT16), Case(BFLOAT16)]

# Rows that are too wide for a block of threads, which any are on a device without shared memory.
WIDE = [form.but(shared_bytes=0) for form in FORMS]

# Kernels for sm_90a, with as many tiles per block as there can be.
HOPPER = [form.but(hopper=True, wanted_blocks=1) for form in FORMS]
# Few rows, for which there is one kernel per direction.
SMALL = [form.but(small_rows=2048) for form in FORMS]

# Exponents that fit a float, and such that a row's largest has to be taken out.
TEMPERATURES = [0.2, 0.01]


def exact(z: Array, grad: Array, case: Case) -> Truth:
    return truth(case.element.exact(z), grad.astype(np.float64), case)


def same_bits(one: Results, other: Results) -> bool:
    return all(a.tobytes() == b.tobytes() for a, b in zip(one, other, strict=True))


# Rows of a view fill no block of 128, or one and a part; a step is 32 columns, a slice 64. Small
# blocks of 16 rows have eight warps for 32 rows each at a time, or three with so little memory.
@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize(
    ("case", "pairs", "dim"),
    [
        *((form, 33, 40) for form in (*FORMS, *WIDE, *SMALL, *HOPPER)),
        *((form, 131, 17) for form in (FORMS[-1], SMALL[-1])),
        (SMALL[-1].but(shared_bytes=26 * 2**10), 65, 40),
        *((HOPPER[4], 131, dim) for dim in (200, 320)),
    ],
    ids=str,
)
def test_every_schedule_gives_the_loss_and_its_gradient(
    case: Case, pairs: int, dim: int, temperature: float
) -> None:
    case = case.but(temperature=temperature)
    z, grad = drawn(case.element, pairs, dim)
    first = emulated(case.library, z, grad, case)
    assert_close(first, exact(z, grad, case), case.element)
    for schedule in SCHEDULES[1:]:
        # The kernels promise results that are equal in every bit, whoever comes first.
        assert same_bits(first, emulated(case.library, z, grad, case, schedule)), schedule


# 482 rows j are 16 groups of 32, which two blocks of eight warps share; 420 are 14, which those of
# one take in turns, while half of the warps have no columns of the gradient to make.
@pytest.mark.parametrize(
    ("case", "pairs", "dim"), [(SMALL[0], 241, 17), (SMALL[-1], 210, 40)], ids=str
)
@pytest.mark.parametrize("objective", PAIRED)
def test_small_blocks_share_rows_or_take_them_in_turns(
    objective: str, case: Case, pairs: int, dim: int
) -> None:
    case = case.but(objective=objective)
    z, grad = drawn(case.element, pairs, dim)
    first = emulated(case.library, z, grad, case)
    assert_close(first, exact(z, grad, case), case.element)
    assert same_bits(first, emulated(case.library, z, grad, case, SCHEDULES[1]))


# More columns than a block of threads has sums for: from 129 on, or from 257.
@pytest.mark.parametrize("dim", [50, 64, 128, 200, 512, 1000])
@pytest.mark.parametrize("case", [*FORMS, *SMALL, *HOPPER], ids=str)
def test_any_number_of_columns(case: Case, dim: int) -> None:
    z, grad = drawn(case.element, 9, dim)
    results = emulated(case.library, z, grad, case)
    assert_close(results, exact(z, grad, case), case.element)


@pytest.mark.parametrize("objective", PAIRED)
@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize(
    "form", [forms[i] for forms in (FORMS, SMALL, HOPPER) for i in (0, 3, 4)], ids=str
)
def test_every_objective(objective: str, temperature: float, form: Case) -> None:
    case, element = form.but(objective=objective, temperature=temperature), form.element
    z, grad = drawn(element, 131, 20, seed=1)
    assert_close(emulated(case.library, z, grad, case), exact(z, grad, case), element)


@pytest.mark.parametrize("form", [FORMS[0], SMALL[0], HOPPER[0]], ids=str)
@pytest.mark.parametrize("element", ELEMENTS, ids=str)
def test_rows_as_they_are(element: Element, form: Case) -> None:
    for temperature in (0.05, 10.0):
        case = form.but(element=element, temperature=temperature, normalize=False)
        z, grad = drawn(element, 7, 20, seed=2)
        z = element.stored(element.exact(z) / 10)
        assert_close(emulated(case.library, z, grad, case), exact(z, grad, case), element)


@pytest.mark.parametrize("form", [FORMS[0], SMALL[0], HOPPER[0]], ids=str)
def test_a_temperature_in_memory(form: Case) -> None:
    z, grad = drawn(FLOAT32, 40, 20, seed=3)
    for temperature in (*TEMPERATURES, 0.002, 100.0):
        case = form.but(temperature=temperature, learned=True)
        assert_close(emulated(case.library, z, grad, case), exact(z, grad, case), FLOAT32)


@pytest.mark.parametrize("objective", PAIRED)
@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_passes_add_up(objective: str, temperature: float) -> None:
    """With next to no memory for partial sums: several passes, the last of fewer row blocks."""
    case = Case(BFLOAT16, objective=objective, temperature=temperature, shared_bytes=0)
    z, grad = drawn(BFLOAT16, 260, 20, seed=4)
    want = exact(z, grad, case)
    enough_for_two = 2 * 12 * 128 * 4 * (2 if temperature < 0.1 else 1)
    for each in (case, case.but(hopper=True, wanted_blocks=4)):
        for workspace_bytes in (0, enough_for_two * (3 if each.hopper else 2) // 2):
            results = emulated(each.library, z, grad, each.but(workspace_bytes=workspace_bytes))
            assert_close(results, want, BFLOAT16)


@pytest.mark.parametrize("form", [Case(), Case(hopper=True, wanted_blocks=1)], ids=str)
@pytest.mark.parametrize("objective", ["nt_xent", "decoupled"])
@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_rows_of_other_processes(objective: str, temperature: float, form: Case) -> None:
    """Two processes with shares of a batch get its losses and gradients."""
    case = form.but(objective=objective, temperature=temperature)
    if objective == "decoupled":
        case = case.but(shared_bytes=0)
    pairs, mine = 140, np.r_[0:131, 140:271]
    theirs = np.setdiff1d(np.arange(2 * pairs), mine)
    z, grad = drawn(FLOAT32, pairs, 20, seed=5)
    want = exact(z, grad, case)
    moments = []
    for own, others in ((mine, theirs), (theirs, mine)):
        of_others = emulated(case.library, z[others], grad[others], case, others=z[own])
        assert np.isnan(of_others.gradient).all()
        got = emulated(
            case.library,
            z[own],
            grad[own],
            case,
            others=z[others],
            other_grad=grad[others],
            other_statistics=of_others.statistics,
        )
        moments.append(got.temperature[0])
        part = want._replace(
            loss=want.loss[own],
            gradient=want.gradient[own],
            gradient_error=want.gradient_error[own],
            temperature=got.temperature[0],
        )
        assert_close(got, part, FLOAT32)
    assert abs(sum(moments) - want.temperature) <= 2 * want.temperature_error


def test_lengths_do_not_matter() -> None:
    """Squares of the longest would overflow; the shortest just have a direction."""
    z, grad = drawn(FLOAT32, 9, 20, seed=6)
    lengths = np.float32(10.0) ** np.resize([-11, 30, 0], (18, 1)).astype(np.float32)
    for case in (*FORMS[:3], *SMALL[:3]):
        plain, scaled = (emulated(case.library, x, grad, case) for x in (z, z * lengths))
        want = exact(z, grad, case)
        assert_close(plain, want, FLOAT32)
        assert_close(scaled._replace(gradient=scaled.gradient * lengths), want, FLOAT32)


@pytest.mark.parametrize("small_rows", [0, 2048])
@pytest.mark.parametrize("element", ELEMENTS, ids=str)
def test_a_row_of_zeros_has_no_direction(element: Element, small_rows: int) -> None:
    case = Case(element, temperature=0.5, small_rows=small_rows)
    z, grad = drawn(element, 5, 12, seed=7)
    z[3] = 0
    grad[[3, 8]] = 0  # divided by 1e-12, its gradient would be beyond float16
    results = emulated(case.library, z, grad, case, SCHEDULES[2])
    want = exact(z, grad, case)
    others = np.arange(10) != 3
    assert np.abs(results.loss - want.loss).max() <= want.loss_error
    off = np.abs(element.exact(results.gradient) - want.gradient)[others]
    assert (off <= want.gradient_error[others] + 2 * element.roundoff).all()


@pytest.mark.parametrize(
    "case", [*FORMS, *SMALL, *HOPPER, WIDE[0], Case(objective="info_nce")], ids=str
)
def test_a_single_pair_has_loss_and_gradient_exactly_0(case: Case) -> None:
    z, grad = drawn(case.element, 1, 20, seed=8)
    for temperature in TEMPERATURES:
        results = emulated(case.library, z, grad, case.but(temperature=temperature))
        assert (results.loss == 0).all() and (case.element.exact(results.gradient) == 0).all()
        assert results.temperature[0] == 0


@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("case", [*FORMS, *SMALL, *HOPPER, WIDE[-1]], ids=str)
def test_a_nan_reaches_every_loss(case: Case, temperature: float) -> None:
    z, grad = drawn(case.element, 5, 12, seed=9)
    z[2, 7] = case.element.stored(np.array(np.nan, np.float32))
    results = emulated(case.library, z, grad, case.but(temperature=temperature), IN_ORDER)
    assert np.isnan(results.loss).all()
    assert np.isnan(case.element.exact(results.gradient)).all()


@pytest.mark.parametrize(("shared_bytes", "widest"), [(227 * 2**10, 512), (99 * 2**10, 384)])
def test_what_is_small_takes_next_to_no_workspace(shared_bytes: int, widest: int) -> None:
    case = SMALL[-1].but(shared_bytes=shared_bytes)
    assert workspaces(case.library, case, 1024, widest) == (0, 1024 + 768)
    for pairs, dim in ((1025, widest), (1024, widest + 1)):
        assert min(workspaces(case.library, case, pairs, dim)) > 2 * pairs * dim
