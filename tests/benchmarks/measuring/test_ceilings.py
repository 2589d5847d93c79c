"""Ceilings with clocks of our own: what is counted, which size counts, and that it is soon over."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks.grid import Suite
from benchmarks.grid.losses import nt_xent
from benchmarks.measuring import ceilings as measuring
from benchmarks.measuring import race
from benchmarks.measuring.ceilings import (
    CALLS,
    LONGEST_MS,
    best_rate,
    ceilings,
    clock_mhz,
    copy,
    exponentials,
    matrix_product,
)
from benchmarks.measuring.devices import DEVICES

Call = Callable[[], object]


class Slow:
    """A timer for which each size takes what a table says, and that notes what was timed."""

    def __init__(self, ms: dict[int, list[float]]) -> None:
        self.ms, self.timed = ms, list[int]()

    def build(self, size: int) -> tuple[Call, float]:
        return lambda: self.timed.append(size), 1e6 * size

    def __call__(self, call: Call, calls: int) -> list[float]:
        call()
        return self.ms[self.timed[-1]][:calls]


def test_the_best_call_at_the_best_size_counts() -> None:
    timer = Slow({2: [2.0, 4.0, 4.0, 4.0, 4.0], 8: [4.0, 3.0, 2.0, 3.0, 4.0], 32: [64.0] * 5})
    assert best_rate(timer.build, (2, 8, 32), timer) == 8 / 2.0


def test_a_size_that_would_take_long_is_not_tried() -> None:
    timer = Slow({1: [1.0] * 5, 100: [100.0] * 5, 200: [200.0] * 5, 400: [1.0] * 5})
    assert LONGEST_MS < 200
    assert best_rate(timer.build, (1, 100, 200, 400), timer) == 1.0
    assert {*timer.timed} == {1, 100}


def test_a_call_that_does_not_count_warms_up() -> None:
    timer = Slow({1: [9.0] * CALLS})
    best_rate(timer.build, (1,), timer)
    assert timer.timed == [1, 1]


def test_operations_are_counted_by_hand() -> None:
    """2 n^3 of a product, 8 bytes an element of a copy, one exponential an element and repeat."""
    for build, size, work in (
        (matrix_product(torch.float32, "cpu"), 16, 8192.0),
        (copy("cpu"), 16, 128.0),
        (exponentials("cpu"), 16, 16.0 * measuring.EXP_REPEATS),
    ):
        call, counted = build(size)
        call()
        assert counted == work


def test_calls_do_what_they_are_counted_for(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    real = torch.exp

    def counted(x: torch.Tensor, *, out: torch.Tensor) -> torch.Tensor:
        done.append("exp")
        return real(x, out=out)

    monkeypatch.setattr(torch, "exp", counted)
    exponentials("cpu")(4)[0]()
    assert done == ["exp"] * measuring.EXP_REPEATS
    product = matrix_product(torch.bfloat16, "cpu")(4)[0]()
    assert isinstance(product, torch.Tensor)
    assert product.dtype == torch.bfloat16 and product.shape == (4, 4)
    copied = copy("cpu")(4)[0]()
    assert isinstance(copied, torch.Tensor) and copied.tolist() == [1.0] * 4


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Small sizes, a clock that stands at 2 ms, and the threads that each call had."""
    threads: list[int] = []

    def timer(call: Call, calls: int) -> list[float]:
        threads.append(torch.get_num_threads())
        call()
        return [2.0] * calls

    monkeypatch.setattr(measuring, "processor_timer", timer)
    monkeypatch.setattr(measuring, "MATRICES", {"cpu": (8,)})
    monkeypatch.setattr(measuring, "COPY_ELEMENTS", 1000)
    monkeypatch.setattr(measuring, "EXP_ELEMENTS", (10,))
    ceilings.cache_clear()
    return threads


def test_all_ceilings_of_a_processor_once_a_process(quick: list[int]) -> None:
    before = torch.get_num_threads()
    found = ceilings("cpu", 3)
    assert found == {
        "matmul_gflop_s": pytest.approx(1024 / 2e6),
        "matmul_bfloat16_gflop_s": pytest.approx(1024 / 2e6),
        "copy_gb_s": pytest.approx(8000 / 2e6),
        "exp_g_s": pytest.approx(3 * 10 * measuring.EXP_REPEATS / 2e6),  # 10 a thread
    }
    assert {*quick} == {3} and torch.get_num_threads() == before
    calls = len(quick)
    assert ceilings("cpu", 3) is found and len(quick) == calls
    assert ceilings("cpu", 1)["exp_g_s"] == pytest.approx(10 * measuring.EXP_REPEATS / 2e6)
    ceilings.cache_clear()


def test_a_record_is_given_the_ceilings_of_its_device_and_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(measuring, "ceilings", lambda device, threads: {device: float(threads)})
    clocks = iter((2400.0, None))
    monkeypatch.setattr(measuring, "clock_mhz", lambda _: next(clocks))
    monkeypatch.setattr(DEVICES["cuda"], "environment", lambda: {"gpu": "A GPU"})
    monkeypatch.setattr(DEVICES["cuda"], "allocator", lambda: "default")
    cell = replace(nt_xent(256, 128), threads=7, device="cuda")
    suite = Suite("tiny", (cell,), ("fused",))
    known, unknown = (race.record(suite, cell, "fused").environment for _ in range(2))
    assert known == {"gpu": "A GPU", "ceilings": {"cuda": 7.0}, "clock_mhz": 2400.0}
    assert unknown == {"gpu": "A GPU", "ceilings": {"cuda": 7.0}}


def test_the_clock_is_the_median_over_cores(tmp_path: Path) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text("".join(f"processor\t: 0\ncpu MHz\t\t: {mhz}\n" for mhz in (800, 3000, 3100.5)))
    assert measuring._cores_mhz(info) == 3000.0


def test_a_machine_that_tells_no_clock_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert measuring._cores_mhz(tmp_path / "absent") is None
    (tmp_path / "cpuinfo").write_text("processor : 0\n")
    assert measuring._cores_mhz(tmp_path / "cpuinfo") is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert clock_mhz("cuda") is None


@pytest.mark.parametrize(
    ("script", "mhz"), [("echo 1980; echo 345", 1980.0), ("echo N/A", None), ("exit 9", None)]
)
def test_the_clock_of_a_gpu_is_what_its_tool_prints(
    script: str, mhz: float | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert clock_mhz("cuda") == mhz
