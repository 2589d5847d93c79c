"""Peaks of a call whose memory is known, of a loss, and the records of them."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.grid import LossCell, Suite
from benchmarks.grid.losses import MEMORY, nt_xent
from benchmarks.measuring import child, resident
from benchmarks.measuring.memory import measure_peaks, peak_mb


def test_a_peak_is_what_a_call_holds_at_once_above_what_is_there_before() -> None:
    """Three times two of 50 MB, beside 200 MB that were there."""
    there = b"x" * 200_000_000

    def call() -> None:
        for _ in range(3):
            (b"x" * 50_000_000).upper()

    assert 99 < resident.rise_mb(call) < 105
    assert resident.rise_mb(lambda: None) < 5 and there


def test_plain_pytorch_holds_the_similarities_and_ours_does_not() -> None:
    """2048 x 2048 in float32 are 17 MB, and backward needs them twice at least."""
    ours, eager = (peak_mb(name, nt_xent(2048, 16)) for name in ("fused", "eager"))
    assert eager > 2 * 16.7 > 2 * ours


def test_each_provider_has_a_process_whose_peak_is_recorded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[str] = []

    def run(_: str, provider: str, cell: LossCell) -> subprocess.CompletedProcess[str]:
        started.append(provider)
        if provider == "chunked":
            return subprocess.CompletedProcess([], 1, stdout="", stderr="Traceback\nno luck\n")
        return subprocess.CompletedProcess([], 0, stdout=f"welcome\n{len(started)}.5\n")

    monkeypatch.setattr(child, "run", run)
    monkeypatch.setattr("benchmarks.measuring.race.reached", lambda *_: {})
    suite = Suite("memory", MEMORY.cells, ("fused", "chunked", "eager", "compile"))
    records = measure_peaks(suite, nt_xent(65536, 128))
    assert started == ["fused", "chunked"]
    assert [(r.provider, r.peak_mb, r.not_run) for r in records] == [
        ("fused", 1.5, None),
        ("chunked", None, "failed: no luck"),
        ("eager", None, "runs up to 16384 rows"),
        ("compile", None, "runs up to 16384 rows"),
    ]


def test_what_is_available_is_no_more_than_the_machine_has() -> None:
    with Path("/proc/meminfo").open() as file:
        total = int(file.readline().split()[1]) * 1024
    assert 0 < resident.available_bytes() <= total


LIMITED = """
from benchmarks.measuring import resident
resident.limit(100_000_000)
assert len(bytearray(80_000_000)) == 80_000_000
try:
    bytearray(120_000_000)
except MemoryError:
    print("refused")
"""


def test_a_limit_refuses_what_is_more_and_nothing_less() -> None:
    """In a process of its own: one that has lived holds free memory, which needs no more."""
    command = [sys.executable, "-c", LIMITED]
    done = subprocess.run(command, cwd=child.ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "refused\n"
