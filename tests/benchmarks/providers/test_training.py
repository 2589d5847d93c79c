"""Training steps as they are raced: equal losses in the same network, and who can train at all."""

import math

import pytest
import torch

from benchmarks.grid.cells import ImageCell
from benchmarks.providers import training
from benchmarks.providers.everyone import PROVIDERS
from benchmarks.providers.networks import views_in
from benchmarks.providers.provider import Provider
from simclr_bench.training.lars import LARS

STEP = ImageCell("train", 8, 32, network="small")


def trained(provider: Provider, cell: ImageCell) -> list[float]:
    call = provider.builders["train"](cell)
    return [float(call()) for _ in range(3)]


@pytest.mark.parametrize("network", ["small", "mlp"])
def test_every_loss_is_the_same_in_the_same_network_and_falls(network: str) -> None:
    cell = ImageCell("train", 8, 32, network=network)
    names = ("fused", "chunked", "eager", "lightly")
    found = [trained(PROVIDERS[n], cell) for n in names if PROVIDERS[n].why_not(cell) is None]
    assert len(found) >= 3
    for losses in found:
        assert losses == pytest.approx(found[0], rel=1e-3, abs=1e-3)
        assert losses[2] < losses[0]


def test_a_residual_network_is_trained() -> None:
    first, _, third = trained(PROVIDERS["fused"], ImageCell("train", 8, 8, network="r18"))
    assert third < first - 1e-3


def test_without_a_loss_the_network_is_trained_all_the_same() -> None:
    # Its head ends with a batch norm, of whose output a plain sum has no gradient.
    cell = ImageCell("train", 8, 32, network="mlp")
    first, _, third = trained(PROVIDERS["network-only"], cell)
    assert math.isfinite(first) and third < first - 1e-3


def test_who_has_the_loss_can_train_and_nobody_else() -> None:
    without = Provider("peer", {"distillation": lambda cell: lambda: None})
    assert training.with_training(without) is without
    for provider in PROVIDERS.values():
        alone = provider.name in ("network-only", "lightly-loop")
        assert ("train" in provider.builders) == (alone or "nt_xent" in provider.builders)


def test_the_loss_of_a_step_has_both_views_and_the_heads_width() -> None:
    loss = training.loss_of(ImageCell("train", 8, 32, network="r18", dtype="bfloat16", threads=1))
    assert (loss.rows, loss.columns, loss.dtype, loss.threads) == (16, 128, "bfloat16", 1)
    assert training.loss_of(STEP).columns == 64
    for network in ("small", "mlp", "r18"):
        cell = ImageCell("train", 2, 32, network=network)
        z = training.simclr_network(cell)(views_in(cell))
        assert z.shape == (4, training.loss_of(cell).columns)


def test_residual_networks_train_with_lars_and_small_ones_with_adamw() -> None:
    for network, kind, rate in (
        ("r18", LARS, 0.3 * 512 / 256),
        ("small", torch.optim.AdamW, 3e-3),
        ("mlp", torch.optim.AdamW, 3e-3),
    ):
        cell = ImageCell("train", 512, 32, network=network)
        optimizer = training.our_optimizer(cell, training.simclr_network(cell))
        assert type(optimizer) is kind
        assert {group["lr"] for group in optimizer.param_groups} == {rate}


def test_mixed_precision_reaches_the_network_and_the_loss() -> None:
    seen: list[torch.dtype] = []

    def loss(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        seen.append(first.dtype)
        return (first * second).sum()

    for dtype in ("float32", "bfloat16"):
        cell = ImageCell("train", 4, 32, network="small", dtype=dtype)
        training.training_with(lambda _: loss)(cell)()
    assert seen == [torch.float32, torch.bfloat16]


def test_lightlys_loop_trains_its_own_network() -> None:
    provider, cell = PROVIDERS["lightly-loop"], ImageCell("train", 8, 8, network="r18")
    reason = provider.why_not(cell)
    assert reason is None or reason.startswith("not installed")
    if reason is None:
        losses = trained(provider, cell)
        assert len({*losses}) == 3 and all(map(math.isfinite, losses))
