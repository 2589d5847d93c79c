"""The model of work against sums by hand, and rates of invented times."""

from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.grid.cells import Cell, ImageCell, LossCell
from benchmarks.grid.losses import distillation, nt_xent
from benchmarks.grid.work import MULTIPLY_ADDS, Achieved, Work, achieved, work_of
from benchmarks.providers.losses import eager_nt_xent
from benchmarks.providers.training import simclr_network
from tests.benchmarks.invented import ENVIRONMENT, record

CEILINGS = {
    "matmul_gflop_s": 100.0,
    "matmul_bfloat16_gflop_s": 400.0,
    "copy_gb_s": 10.0,
    "exp_g_s": 2.0,
}


@pytest.mark.parametrize(
    ("cell", "work"),
    [
        (nt_xent(10, 3), Work(6.0 * 100 * 3, 100.0, 2.0 * 30 * 4)),
        (nt_xent(10, 3, "bfloat16"), Work(6.0 * 100 * 3, 100.0, 2.0 * 30 * 2)),
        (replace(nt_xent(10, 3), mode="forward"), Work(2.0 * 100 * 3, 100.0, 30.0 * 4)),
        (replace(nt_xent(10, 3), mode="graph"), Work(6.0 * 100 * 3, 100.0, 2.0 * 30 * 4)),
        (distillation(10, 5), Work(0.0, 150.0, 3.0 * 50 * 4)),
        (replace(distillation(10, 5), mode="forward"), Work(0.0, 150.0, 2.0 * 50 * 4)),
        (ImageCell("augment", 8, 32, 48), None),
        (ImageCell("extract", 8, 96, network="r18"), None),
        (ImageCell("extract", 8, 32, network="r18"), Work(2.0 * 559_611_904 * 8)),
        (ImageCell("train", 8, 32, network="r18"), Work(2.0 * 559_611_904 * 8 * 2 * 3)),
    ],
    ids=str,
)
def test_the_work_is_what_a_count_by_hand_gives(cell: Cell, work: Work | None) -> None:
    assert work_of(cell) == work


@pytest.mark.parametrize("mode", ["forward", "step"])
def test_plain_pytorch_multiplies_what_the_model_says(mode: str) -> None:
    cell = replace(nt_xent(64, 24), mode=mode)
    z0, z1 = (torch.randn(32, 24, requires_grad=mode == "step") for _ in range(2))
    with FlopCounterMode(display=False) as counter:
        loss = eager_nt_xent(cell)(z0, z1)
        if mode == "step":
            torch.autograd.grad(loss, (z0, z1))
    work = work_of(cell)
    assert work is not None and counter.get_total_flops() == work.flops


@pytest.mark.parametrize(("network", "side"), MULTIPLY_ADDS)
def test_networks_multiply_what_the_table_says(network: str, side: int) -> None:
    encoder = simclr_network(ImageCell("train", 2, side, network=network))[0].eval()
    with FlopCounterMode(display=False) as counter:
        encoder(torch.zeros(1, 3, side, side))
    assert counter.get_total_flops() == 2 * MULTIPLY_ADDS[network, side]


def test_rates_are_work_over_time_and_shares_are_of_the_ceilings() -> None:
    """1000 rows of 100: 0.6 GFLOP, 10^6 exponentials, 0.8 MB; in 10 ms."""
    found = achieved(
        record(
            "fused",
            nt_xent(1000, 100),
            times_ms=(9.0, 10.0, 11.0),
            environment={**ENVIRONMENT, "ceilings": CEILINGS},
        )
    )
    assert found is not None
    assert (found.tflop_s, found.gb_s, found.exp_g_s) == pytest.approx((0.06, 0.08, 0.1))
    assert (found.matmul_share, found.copy_share, found.exp_share) == pytest.approx(
        (0.6, 0.008, 0.05)
    )
    assert found.limit == ("matmul", pytest.approx(0.6))


@pytest.mark.parametrize(
    ("precision", "cell", "share", "gb_s"),
    [
        ("bfloat16", nt_xent(1000, 100, "bfloat16"), 0.15, 0.04),
        ("float16", nt_xent(1000, 100, "float16"), 0.15, 0.04),
        # Computes in float32 what it got in bfloat16: held against float32.
        ("float32", nt_xent(1000, 100, "bfloat16"), 0.6, 0.08),
        # TF32, whose products have no ceiling of their own.
        ("float32", replace(nt_xent(1000, 100), precision="high"), None, 0.08),
    ],
)
def test_a_share_is_of_the_ceiling_of_the_precision_that_was_computed_in(
    precision: str, cell: LossCell, share: float | None, gb_s: float
) -> None:
    environment = {**ENVIRONMENT, "ceilings": CEILINGS}
    found = achieved(
        record("fused", cell, times_ms=(10.0,), precision=precision, environment=environment)
    )
    assert found is not None and found.gb_s == pytest.approx(gb_s)
    assert found.matmul_share == (None if share is None else pytest.approx(share))


def test_16_bits_that_are_slower_than_float32_are_held_against_float32() -> None:
    environment = {**ENVIRONMENT, "ceilings": {**CEILINGS, "matmul_bfloat16_gflop_s": 1.3}}
    cell = nt_xent(1000, 100, "bfloat16")
    facts = {"precision": "bfloat16", "environment": environment}
    found = achieved(record("fused", cell, times_ms=(10.0,), **facts))
    assert found is not None and found.matmul_share == pytest.approx(0.6)


def test_without_ceilings_there_are_rates_and_no_shares() -> None:
    found = achieved(record("fused", distillation(1000, 100), times_ms=(1.0,)))
    assert found == Achieved(gb_s=pytest.approx(1.2), exp_g_s=pytest.approx(0.3))
    assert found.limit is None


def test_without_times_or_a_model_there_is_nothing() -> None:
    assert achieved(record("lightly", not_run="not installed")) is None
    assert achieved(record("ours", ImageCell("augment", 8, 32, 48), times_ms=(1.0,))) is None
