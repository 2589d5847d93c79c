"""BENCHMARKS.md says what the records say."""

from dataclasses import replace
from pathlib import Path

from benchmarks.gpu.stages import FILE, Outcome, lines
from benchmarks.grid import cuda as plan
from benchmarks.grid.losses import nt_xent
from benchmarks.page.page import PAGE, ROOT, render
from benchmarks.records.record import append
from tests.benchmarks.invented import ENVIRONMENT, record


def test_the_page_is_what_the_records_give() -> None:
    assert PAGE.read_text() == render(ROOT / "results")


def test_without_records_it_says_so_and_nothing_is_met(tmp_path: Path) -> None:
    page = render(tmp_path)
    assert "No records of a CPU have been committed yet." in page
    assert "| not measured |" in page and "| met |" not in page and "| NOT met |" not in page


def test_gpu_records_are_judged_and_shown_with_n_and_hardware(tmp_path: Path) -> None:
    facts = {"gpu": "A GPU", "cuda": "13.0"}
    cell = plan.nt_xent(1024, 128, "bfloat16", mode="graph")
    large = plan.nt_xent(8192, 128, "float32", "high")
    changes = {"suite": "gpu_race", "environment": {**ENVIRONMENT, **facts}}
    errors = {"suite": "gpu_accuracy", "environment": {**ENVIRONMENT, **facts}}
    records = [
        record("fused", cell, times_ms=(0.02,) * 7, ratios=(1.0,) * 7, **changes),
        record("eager", cell, ratio=9.0, **changes),
        record("fused", large, loss_error=1e-5, gradient_error=3e-4, **errors),
        record("eager", large, loss_error=2e-5, gradient_error=4e-4, **errors),
    ]
    append(tmp_path / "gpu", records)
    outcome = Outcome("build", "failed", "no nvcc", 1.0, 9.0, facts, "2026-01-01T00:00:00Z")
    (tmp_path / "gpu" / FILE).write_text(lines([outcome]))
    page = render(tmp_path)
    assert "| 4 | `make gpu`: stages | all done | NOT met | 0 of 1 done, build failed | 1 |" in page
    assert (
        "| 5 | nt_xent bfloat16 N=1024 D=128 in a graph, us | <= 25 | met | 20.0 us | 7 | A GPU |"
        in page
    )
    assert "## nt_xent on a GPU, gpu_race" in page
    assert "| nt_xent N=1024 D=128 bfloat16 graph | 0.020 | 9.00 [9.00, 9.00] |" in page
    assert "| cell | loss error: fused | loss error: eager | gradient error: fused |" in page
    assert "| nt_xent N=8192 D=128 float32 high | 1.0e-05 | 2.0e-05 | 3.0e-04 | 4.0e-04 |" in page
    assert (
        "Measured on: A GPU, CUDA 13.0, torch 2.11.0, Python 3.11.2, commit 0123456789ab." in page
    )


def test_a_race_is_a_line_with_ratios_errors_rounds_and_hardware(tmp_path: Path) -> None:
    records = [
        record("fused", ratio=1.0, gradient_error=2e-7, loss_error=1e-8, rounds_discarded=2),
        record("eager", ratio=3.0, gradient_error=4e-7, rounds_discarded=2),
        record("lightly", not_run="not installed (No module named 'lightly'): install it"),
    ]
    append(tmp_path / "cpu" / "here", records)
    page = render(tmp_path)
    assert (
        "| cell | ours ms | eager | lightly | gradient error: ours | eager | loss error |" in page
    )
    assert (
        "| nt_xent N=256 D=128 float32 | 2.000 | 3.00 [3.00, 3.00] | not installed"
        " | 2.0e-07 | 4.0e-07 | 1.0e-08 | 7/2 |" in page
    )
    assert "- lightly: not installed (No module named 'lightly'): install it" in page
    assert "A CPU, 2 threads, avx2 kernels, torch 2.11.0, Python 3.11.2" in page
    assert "They flatter us" in page


def test_disturbed_rounds_that_were_kept_are_counted(tmp_path: Path) -> None:
    ours = record("fused", ratio=1.0)
    append(tmp_path / "cpu" / "here", [replace(ours, foreign_cpu=(0.0,) * 5 + (0.07, 0.5))])
    assert "| 7/0 (2 disturbed) |" in render(tmp_path)


def test_allocators_have_a_table_each(tmp_path: Path) -> None:
    pairs = [("default", 5.0), ("tuned", 2.5)]
    for allocator, ratio in pairs:
        ours = record("fused", ratio=1.0, allocator=allocator)
        append(tmp_path / "cpu" / "here", [ours, record("eager", ratio=ratio, allocator=allocator)])
    default, tuned = render(tmp_path).split("tuned allocator")
    assert "5.00 [5.00, 5.00]" in default and "2.50 [2.50, 2.50]" in tuned


def test_accuracy_and_memory_have_tables_of_their_own(tmp_path: Path) -> None:
    sharp, large = nt_xent(256, 128, temperature=0.02), nt_xent(65536, 128)
    records = [
        record("fused", sharp, suite="accuracy", gradient_error=1e-6),
        record("eager", sharp, suite="accuracy", gradient_error=2e-2),
        record("fused", large, suite="memory", peak_mb=250.4),
        record("eager", large, suite="memory", not_run="runs up to 16384 rows"),
    ]
    append(tmp_path / "cpu" / "here", records)
    page = render(tmp_path)
    assert "| nt_xent N=256 D=128 float32 | 0.02 | 1.0e-06 | 2.0e-02 |" in page
    assert "| nt_xent N=65536 D=128 float32 | 250 | not run |" in page
    assert "- eager: runs up to 16384 rows" in page
