"""The emulated contrastive kernels are no less accurate than the formula, in the hard regimes too.

By the rule of tests/losses: the formula in float32 sets what is allowed. It holds for half types
and for float32 at the highest precision; a device rounds tensor cores' sums less well than the
emulator, so that tests/losses/test_cuda.py asks the same of a GPU.
"""

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.losses.contrastive import family
from tests.losses.numerics import Case as Quantity
from tests.losses.numerics import assert_as_accurate_as

from .nt_xent import Case, emulated
from .shipped import ELEMENTS, Array, Element

DTYPES = dict(zip(ELEMENTS, (torch.float32, torch.float16, torch.bfloat16), strict=True))

HARD = ("collapsed", "converged", "antipodal", "duplicates")
KERNELS = {
    "of 8.0": Case(),
    "of 9.0a": Case(hopper=True),
    "small": Case(small_rows=2048),
}
TEMPERATURES = {"float32": (0.002, 1.0, 100.0), "float16": (0.02,), "bfloat16": (0.02,)}
CASES = [
    (element, regime, temperature, kernels)
    for element in ELEMENTS
    for regime in HARD
    for temperature in TEMPERATURES[element.name]
    for kernels in KERNELS
]


def stored(x: Tensor) -> Array:
    return x.view(torch.int16).numpy().view(np.uint16) if x.dtype is torch.bfloat16 else x.numpy()


def loaded(x: Array, element: Element) -> Tensor:
    if element.name == "bfloat16":
        return torch.from_numpy(x.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(x)


@pytest.mark.parametrize(("element", "regime", "temperature", "kernels"), CASES, ids=str)
def test_nt_xent_is_no_less_accurate_than_the_formula(
    element: Element, regime: str, temperature: float, kernels: str
) -> None:
    pairs = 5
    known = family.known_draws(
        "nt_xent", regime, temperature, DTYPES[element], (pairs, 17), True, "cpu"
    )
    draws = []
    for (z0, z1, tau), upstream, naive, exact in known:
        z = np.concatenate([stored(z0), stored(z1)])
        case = KERNELS[kernels].but(element=element, temperature=float(tau))
        results = emulated(case.library, z, upstream.float().numpy(), case)
        got = [
            torch.from_numpy(results.loss),
            loaded(results.gradient[:pairs].copy(), element),
            loaded(results.gradient[pairs:].copy(), element),
            torch.tensor(results.temperature[0], dtype=torch.float32),
        ]
        noise = family.gradient_noise("nt_xent", exact[0], temperature)
        of_rows, of_tau = noise / family.LENGTHS[regime], noise * 2 * pairs / temperature
        noises = [0.0, of_rows, of_rows, of_tau]
        draws.append([Quantity(*q) for q in zip(got, naive, exact, noises, strict=True)])
    for quantity in zip(*draws, strict=True):
        assert_as_accurate_as(quantity)
