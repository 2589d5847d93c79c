"""What is measured on a GPU, on a CPU: sizes, the race with a clock of its own, both errors."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from benchmarks.gpu import accuracy, race, small
from benchmarks.grid import GPU_SUITES, LossCell, Suite
from benchmarks.grid import cuda as plan
from benchmarks.grid.cuda import ACCURACY, PEERS, RACES
from benchmarks.measuring import cuda, truth
from benchmarks.measuring.devices import DEVICES
from benchmarks.measuring.race import Race
from benchmarks.measuring.truth import exact_rows, make_inputs
from benchmarks.providers.everyone import PROVIDERS
from benchmarks.providers.provider import LossFunction, Provider
from benchmarks.records.ratios import KEPT_AT_LEAST
from benchmarks.records.record import read
from tests.benchmarks.invented import record


def nt_xent(rows: int, columns: int, dtype: str, precision: str = "highest") -> LossCell:
    return replace(plan.nt_xent(rows, columns, dtype, precision), device="cpu")


def distillation(rows: int, columns: int, dtype: str) -> LossCell:
    return replace(plan.distillation(rows, columns, dtype), device="cpu")


FACTS = {"gpu": "A GPU", "copy_gb_s": 4000.0}


@pytest.fixture
def fake_clock(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """A clock for which each call takes as many ms as calls were made before it."""
    made: list[object] = []

    def times_ms(call: cuda.Call, calls: int, *, pause_ms: float) -> list[float]:
        made.append(call)
        call()
        return [float(len(made))] * calls

    monkeypatch.setattr(cuda, "times_ms", times_ms)
    monkeypatch.setattr(cuda, "wait", lambda: None)
    monkeypatch.setattr(cuda, "peak_mb", lambda _: 12.5)
    monkeypatch.setattr(cuda, "launch_ms", lambda _: 0.0)
    monkeypatch.setattr(cuda, "kernels_of", lambda _: 2)
    monkeypatch.setattr(cuda, "environment", lambda: FACTS)
    monkeypatch.setattr("benchmarks.measuring.race.reached", lambda *_: {})
    monkeypatch.setitem(DEVICES, "cpu", cuda)
    monkeypatch.setattr("benchmarks.measuring.race.foreign_share", lambda *_: 0.0)
    ours = replace(PROVIDERS["fused"], builders=PROVIDERS["chunked"].builders)
    monkeypatch.setitem(PROVIDERS, "fused", ours)
    return made


def loss_that(error: Exception) -> Any:
    def build(cell: LossCell) -> LossFunction:
        def loss(*_: Tensor) -> Tensor:
            raise error

        return loss

    return build


def test_the_plan_has_the_sizes_that_the_targets_name() -> None:
    errors = {(c.rows, c.columns, c.dtype, c.precision) for c in ACCURACY[0].cells}
    assert len(errors) == 3 * 2 * 5 and (131072, 512, "float32", "high") in errors
    raced = {cell for suite in RACES for cell in suite.cells}
    assert {
        plan.nt_xent(n, d, "bfloat16") for n in (8192, 32768, 131072) for d in (128, 512)
    } <= raced
    assert plan.nt_xent(1024, 128, "bfloat16", mode="graph") in raced
    assert plan.distillation(4096, 128256, "float32", "forward") in raced
    assert plan.distillation(4096, 1000, "bfloat16") in raced
    assert all({*suite.providers} <= {*PROVIDERS} for suite in (*RACES, *PEERS))


def test_a_measurement_is_planned_once() -> None:
    keys = [
        (suite.name, cell, provider)
        for suite in (*plan.ACCURACY, *GPU_SUITES)
        for cell in suite.cells
        for provider in suite.providers
    ]
    assert len(keys) == len({*keys})


def test_a_race_takes_turns_and_records_everyone(fake_clock: list[object]) -> None:
    cell = distillation(64, 100, "float32")
    suite = Suite("gpu_race", (cell,), ("fused", "eager"), rounds=8, patience_s=0.0)
    ours, eager = Race(suite, cell).run()
    assert [each.provider for each in (ours, eager)] == ["fused", "eager"]
    # Two warm each of them up; then ours begins every other round.
    assert ours.times_ms == (3, 6, 7, 10, 11, 14, 15, 18)
    assert eager.times_ms == (4, 5, 8, 9, 12, 13, 16, 17)
    assert eager.ratios == tuple(e / o for e, o in zip(eager.times_ms, ours.times_ms, strict=True))
    assert (ours.kernels, eager.kernels, ours.peak_mb) == (2, None, 12.5)
    assert ours.gradient_error is not None and 0 < ours.gradient_error < 1e-5
    assert ours.environment == FACTS and ours.cell == cell
    forward = Race(suite, replace(cell, mode="forward")).run()[0]
    assert forward.times_ms and not fake_clock[-1]().requires_grad  # type: ignore[operator]


def test_peers_that_fail_are_listed_and_the_others_race(
    fake_clock: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, error in (
        ("large", torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 64 GiB")),
        ("broken", ValueError("no such shape\nmore")),
    ):
        peer = Provider(name, {"nt_xent": loss_that(error)})
        monkeypatch.setitem(PROVIDERS, name, peer)
    wrong = Provider("wrong", {"nt_xent": lambda _: lambda z0, z1: (z0 * torch.nan + z1).sum()})
    monkeypatch.setitem(PROVIDERS, "wrong", wrong)
    cell = nt_xent(32, 8, "float32")
    suite = Suite(
        "gpu_race",
        (cell,),
        ("fused", "large", "memeff", "broken", "wrong", "eager"),
        patience_s=0.0,
    )
    records = {found.provider: found for found in Race(suite, cell).run()}
    assert records["large"].not_run == "out of memory"
    assert records["broken"].not_run == "failed: ValueError: no such shape"
    assert "not finite" in (records["wrong"].not_run or "")
    assert records["memeff"].not_run == "runs on cuda only"
    assert len(records["eager"].ratios) == len(records["fused"].times_ms) > 6


def test_slow_rounds_are_fewer(fake_clock: list[object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "SLOW_ROUND_MS", 1.0)
    cell = nt_xent(32, 8, "float32")
    (ours,) = Race(Suite("gpu_race", (cell,), ("fused",), patience_s=0.0), cell).run()
    assert len(ours.times_ms) == KEPT_AT_LEAST


def test_cells_without_time_say_so(fake_clock: list[object], tmp_path: Path) -> None:
    assert race.run(RACES[:1], tmp_path, end=time.monotonic() - 1) == (0, 4)
    found = read(tmp_path)
    assert {each.not_run for each in found} == {race.NO_TIME}
    assert [each.cell for each in found] == list(RACES[0].cells)


@pytest.mark.parametrize(
    ("dtype", "precision", "rounding"),
    [("float32", "highest", 2.0**-23), ("float32", "medium", 2.0**-8), ("float16", "", 2.0**-11)],
)
def test_both_compute_rows_and_the_gradients_of_their_sum(
    dtype: str, precision: str, rounding: float
) -> None:
    for cell in (nt_xent(96, 16, dtype, precision or "highest"), distillation(40, 7, dtype)):
        inputs = make_inputs(cell)
        want = exact_rows(cell, inputs)
        for got in (accuracy.ours(cell, inputs, "chunked"), accuracy.plain(cell, inputs)):
            assert [x.shape for x in got] == [x.shape for x in want]
            for one, other in zip(got, want, strict=True):
                assert accuracy.distance(one, other) < 16 * rounding


def test_medium_rounds_the_inputs_of_the_plain_formula() -> None:
    inputs = make_inputs(nt_xent(96, 16, "float32"))
    errors = [
        accuracy.distance(accuracy.plain(cell, inputs)[1], exact_rows(cell, inputs)[1])
        for cell in (nt_xent(96, 16, "float32", p) for p in ("highest", "medium"))
    ]
    assert errors[0] < 1e-5 and 1e-3 < errors[1] < 0.1


def test_errors_are_recorded_beside_each_other(
    fake_clock: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = nt_xent(96, 16, "float32")
    inputs = make_inputs(cell)
    rows, gradients = exact_rows(cell, inputs)
    monkeypatch.setattr(accuracy, "ours", lambda *_: (1.5 * rows, 0.75 * gradients))
    suite = Suite("gpu_accuracy", (cell,), ("fused", "eager"))
    ours, eager = accuracy.measure(suite, cell, inputs, (rows, gradients))
    assert (ours.provider, ours.loss_error, ours.gradient_error) == ("fused", 0.5, 0.25)
    assert eager.provider == "eager" and 0 < (eager.gradient_error or 0) < 1e-5


SMALL_ACCURACY = Suite(
    "gpu_accuracy",
    tuple(nt_xent(96, 16, "float32", precision) for precision in ("highest", "medium")),
    ("fused", "eager"),
)


def test_accuracy_has_one_truth_for_all_precisions_and_says_what_was_left_out(
    fake_clock: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    truths: list[LossCell] = []

    def counted(cell: LossCell, inputs: truth.Inputs) -> accuracy.Results:
        truths.append(cell)
        return exact_rows(cell, inputs)

    monkeypatch.setattr(accuracy, "exact_rows", counted)
    monkeypatch.setattr(accuracy, "ours", lambda cell, inputs: accuracy.plain(cell, inputs))
    done, left = accuracy.run([SMALL_ACCURACY], tmp_path, time.monotonic() + 60)
    assert (len(done), left, truths) == (4, 0, [SMALL_ACCURACY.cells[0]])
    assert read(tmp_path) == done
    assert accuracy.run([SMALL_ACCURACY], tmp_path, time.monotonic() - 1) == ([], 2)
    assert [each.not_run for each in read(tmp_path)[4:]] == [race.NO_TIME] * 2


@pytest.mark.parametrize(("ours", "met"), [(1.9e-6, True), (2.1e-6, False), (None, False)])
def test_the_stage_fails_if_an_error_is_more_than_twice_eagers(
    ours: float | None, met: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    cell = ACCURACY[0].cells[0]
    facts: dict[str, Any] = {"suite": "gpu_accuracy", "cell": cell}
    eager = record("eager", loss_error=1e-6, gradient_error=1e-6, **facts)
    failed = "failed: RuntimeError: an illegal memory access was encountered"
    mine = record(
        "fused",
        loss_error=ours and 1e-6,
        gradient_error=ours,
        not_run=None if ours else failed,
        **facts,
    )
    assert accuracy.verdict([mine, eager]) is met
    assert (failed in capsys.readouterr().out) is (ours is None)


def test_an_error_that_is_no_number_is_a_failure(fake_clock: list[object]) -> None:
    cell = nt_xent(8, 4, "float32")
    inputs = make_inputs(cell)
    rows, gradients = exact_rows(cell, inputs)
    with torch.no_grad():
        inputs.leaves[0][0, 0] = torch.nan
    suite = Suite("gpu_accuracy", (cell,), ("fused", "eager"))
    for found in accuracy.measure(suite, cell, inputs, (rows, gradients)):
        assert found.gradient_error is None and (found.not_run or "").startswith("failed")


def test_the_plain_formula_in_blocks_is_the_formula(monkeypatch: pytest.MonkeyPatch) -> None:
    cell = nt_xent(96, 16, "float32")
    inputs = make_inputs(cell)
    whole = accuracy.plain(cell, inputs)
    monkeypatch.setattr(accuracy, "PLAIN", 7 * 96)
    for got, want in zip(accuracy.plain(cell, inputs), whole, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-6)


def test_float32_is_multiplied_as_the_cell_says_and_then_as_before() -> None:
    matmul = torch.backends.cuda.matmul
    before = matmul.fp32_precision
    for precision, name in (("highest", "ieee"), ("high", "tf32"), ("medium", "ieee")):
        with accuracy.multiplied(precision):
            assert matmul.fp32_precision == name
    assert matmul.fp32_precision == before


@pytest.mark.parametrize("block", [1, 33, 2**24])
def test_the_truth_comes_in_blocks(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for cell in (nt_xent(34, 8, "bfloat16"), distillation(16, 9, "bfloat16")):
        inputs = make_inputs(cell)
        monkeypatch.setattr(truth, "BLOCK", 2**24)
        wanted = exact_rows(cell, inputs)
        monkeypatch.setattr(truth, "BLOCK", block)
        for got, want in zip(exact_rows(cell, inputs), wanted, strict=True):
            assert got.dtype == torch.float64 and got.shape[0] == cell.rows
            torch.testing.assert_close(got, want, rtol=1e-12, atol=1e-14)


def test_the_small_cases_are_calls_that_the_losses_take() -> None:
    """Which of them a GPU watches: 2 of each size and dtype, 3 precisions in float32."""
    assert small.run("cpu", "chunked") == 2 * 4 * (3 + 2) + 2 * 6 * 3
