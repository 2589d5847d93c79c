"""Peers of NT-Xent: what each computes, with its package where that is installed, or a stand-in."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.grid.losses import nt_xent
from benchmarks.measuring.truth import Inputs, cast, errors, exact, make_inputs, step
from benchmarks.providers.contrastive import PROVIDERS, SIGLIP_BIAS
from tests.benchmarks.providers import stand_ins

CELL = nt_xent(34, 16)
BY_NAME = {provider.name: provider for provider in PROVIDERS}
# Where the stand-ins stand, and what the loss is multiplied by in them.
STAND_INS: dict[str, tuple[tuple[Any, ...], float]] = {
    "lightly": ((stand_ins.NTXentLoss,), 1),
    "pytorch-metric-learning": ((stand_ins.NTXentLoss, stand_ins.SelfSupervisedLoss), 1),
    "pytorch-metric-learning-supcon": ((stand_ins.SupConLoss, stand_ins.SelfSupervisedLoss), 2),
    "memeff": ((stand_ins.MemoryEfficientQwen3Loss,), 1),
}
EXACT_ON_A_CPU = [p.name for p in PROVIDERS if "cpu" in p.devices and not p.differs]
INSTALLED = [name for name in EXACT_ON_A_CPU if BY_NAME[name].version() is not None]


def unlike_views() -> Inputs:
    """Views that do not resemble each other: a peer that masks what is nearer would be noticed."""
    z0, z1 = make_inputs(CELL).leaves
    leaves = z0, z1.detach().flip(0).requires_grad_()
    return Inputs(leaves, leaves)


def found_errors(
    function: Callable[..., Tensor], wanted: Callable[..., Tensor] | None = None
) -> tuple[float, float]:
    """Of the loss and its gradients, against a formula in float64, or else against NT-Xent."""
    inputs = unlike_views()
    truth = exact(CELL, inputs)
    if wanted is not None:
        loss, gradients = step(wanted, cast(inputs, "float64"))
        truth = loss.item(), torch.cat(gradients)
    return errors(truth, *step(function, inputs))


def rows(z0: Tensor, z1: Tensor) -> Tensor:
    return functional.normalize(torch.cat([z0, z1]), dim=1)


def with_the_self_term(z0: Tensor, z1: Tensor) -> Tensor:
    z = rows(z0, z1)
    return functional.cross_entropy(z @ z.T / 0.1, torch.arange(len(z)).roll(len(z0)))


@pytest.mark.parametrize("name", INSTALLED)
def test_what_runs_on_a_cpu_computes_nt_xent(name: str) -> None:
    provider = BY_NAME[name]
    bound = 3e-2 if provider.dtype == "bfloat16" else 1e-5
    assert max(found_errors(provider.builders["nt_xent"](CELL))) < bound


@pytest.mark.parametrize("name", STAND_INS)
def test_a_package_is_called_for_nt_xent(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    members, factor = STAND_INS[name]
    stand_ins.install(monkeypatch, BY_NAME[name].module, *members)
    loss = BY_NAME[name].builders["nt_xent"](CELL)
    assert max(found_errors(lambda z0, z1: loss(z0, z1) / factor)) < 1e-5


@pytest.mark.parametrize("tau", [0.5, 0.1, 0.02])
def test_the_formula_of_supcontrast_is_nt_xent_in_float64(tau: float) -> None:
    cell = nt_xent(34, 16, temperature=tau)
    inputs = cast(make_inputs(cell), "float64")
    loss = BY_NAME["supcontrast-formula"].builders["nt_xent"](cell)
    assert max(errors(exact(cell, inputs), *step(loss, inputs))) < 1e-12


def test_autocast_multiplies_in_bfloat16_and_is_recorded_as_that() -> None:
    provider = BY_NAME["eager-autocast"]
    assert provider.precision(CELL) == "bfloat16"
    _, gradient_error = found_errors(provider.builders["nt_xent"](CELL))
    assert 1e-4 < gradient_error < 3e-2


def test_flex_attention_leaves_a_row_to_itself_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forward only: it has no backward on a CPU, which is why it does not race there."""
    monkeypatch.setattr(torch, "compile", lambda function, **_: function)
    inputs = make_inputs(CELL)
    with torch.no_grad():
        loss = BY_NAME["flex-attention"].builders["nt_xent"](CELL)(*inputs.arguments)
    assert loss.item() == pytest.approx(exact(CELL, inputs)[0], rel=1e-5)
    assert BY_NAME["flex-attention"].why_not(CELL) == "runs on cuda only"


@pytest.mark.parametrize(("device", "factor"), [("cuda", 1), ("cpu", 2)])
def test_cut_cross_entropy_is_exact_but_for_the_self_term(
    device: str, factor: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a CPU it has one implementation, on a GPU its own kernels are meant."""
    stand_ins.install(monkeypatch, "cut_cross_entropy", stand_ins.linear_cross_entropy)
    loss = BY_NAME["cut-cross-entropy"].builders["nt_xent"](replace(CELL, device=device))
    assert max(found_errors(lambda a, b: loss(a, b) / factor, with_the_self_term)) < 1e-5


@pytest.mark.parametrize("columns", [16, 512])
def test_inf_cl_is_exact_but_for_the_self_term_in_heads_that_it_can_run(
    columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_ins.install(monkeypatch, "inf_cl", stand_ins.cal_flash_loss)
    cell = nt_xent(34, columns)
    inputs = make_inputs(cell)
    wanted, gradients = step(with_the_self_term, cast(inputs, "float64"))
    loss = BY_NAME["inf-cl"].builders["nt_xent"](cell)
    found = errors((wanted.item(), torch.cat(gradients)), *step(loss, inputs))
    assert max(found) < 1e-5


def test_open_clip_compares_normalised_views(monkeypatch: pytest.MonkeyPatch) -> None:
    def wanted(z0: Tensor, z1: Tensor) -> Tensor:
        half = len(z0)
        logits = (rows(z0, z1) @ rows(z0, z1).T / 0.1)[:half, half:]
        own = torch.arange(half)
        return 0.5 * sum(functional.cross_entropy(x, own) for x in (logits, logits.T))

    stand_ins.install(monkeypatch, "open_clip.loss", stand_ins.ClipLoss)
    assert max(found_errors(BY_NAME["open-clip"].builders["nt_xent"](CELL), wanted)) < 1e-5


def test_siglip_has_all_similarities_with_each_rows_positive_on_the_diagonal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def wanted(z0: Tensor, z1: Tensor) -> Tensor:
        z = rows(z0, z1)
        logits = z @ rows(z1, z0).T / 0.1 + SIGLIP_BIAS
        targets = torch.eye(len(z), dtype=z.dtype)
        return functional.binary_cross_entropy_with_logits(logits, targets) * len(z)

    stand_ins.install(monkeypatch, "siglip_kernel", stand_ins.fused_siglip_loss)
    assert max(found_errors(BY_NAME["siglip-kernel"].builders["nt_xent"](CELL), wanted)) < 1e-5
