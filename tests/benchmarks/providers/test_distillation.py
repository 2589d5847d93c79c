"""Peers of distillation: with the package where it is installed, and with a stand-in everywhere."""

from typing import Any

import pytest

from benchmarks.grid.losses import distillation
from benchmarks.measuring.truth import errors, exact, make_inputs, step
from benchmarks.providers.distillation import PROVIDERS
from tests.benchmarks.providers import stand_ins

CELL = distillation(24, 7)
BY_NAME = {provider.name: provider for provider in PROVIDERS}
STAND_INS: dict[str, Any] = {
    "torchdistill": stand_ins.KDLoss,
    "liger": stand_ins.LigerKLDIVLoss,
    "liger-jsd": stand_ins.LigerJSD,
}
INSTALLED = [p.name for p in PROVIDERS if "cpu" in p.devices and p.version() is not None]


def test_every_peer_has_a_stand_in() -> None:
    assert {*STAND_INS} == {*BY_NAME}


@pytest.mark.parametrize(
    ("name", "stand_in"), [*STAND_INS.items(), *((name, None) for name in INSTALLED)]
)
def test_a_peer_computes_the_loss(
    name: str, stand_in: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    if stand_in is not None:
        stand_ins.install(monkeypatch, BY_NAME[name].module, stand_in)
    inputs = make_inputs(CELL)
    loss = BY_NAME[name].builders["distillation"](CELL)
    assert max(errors(exact(CELL, inputs), *step(loss, inputs))) < 1e-5
