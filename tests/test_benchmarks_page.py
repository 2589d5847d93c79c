"""BENCHMARKS.md says what the records say."""

import json
from dataclasses import replace
from pathlib import Path

from benchmarks.grid import nt_xent
from benchmarks.page import PAGE, ROOT, render
from benchmarks.records import append
from tests.benchmarks.invented import record

GPU_RECORD = {
    "loss": "nt_xent",
    "provider": "fused",
    "rows": 512,
    "columns": 128,
    "dtype": "float32",
    "median_ms": 0.5,
    "times_ms": [0.4, 0.5, 0.6],
    "gradient_error": 1.5e-7,
    "environment": {"gpu": "A GPU", "torch": "2.11.0", "commit": "0123456789abcdef"},
}


def test_the_page_is_what_the_records_give() -> None:
    assert PAGE.read_text() == render(ROOT / "results")


def test_without_records_it_holds_no_number_and_says_so(tmp_path: Path) -> None:
    assert "this page holds no numbers. GPU: not measured" in render(tmp_path)


def test_a_gpu_record_is_a_line_with_its_n_and_hardware(tmp_path: Path) -> None:
    path = tmp_path / "gpu" / "losses.jsonl"
    path.parent.mkdir()
    path.write_text(json.dumps(GPU_RECORD) + "\n")
    assert (
        "| nt_xent | 512 x 128 | float32 | fused | 0.500 (3) | 1.5e-07 |"
        " A GPU, torch 2.11.0, commit 0123456789ab |" in render(tmp_path)
    )


def test_a_race_is_a_line_with_ratios_errors_rounds_and_hardware(tmp_path: Path) -> None:
    records = [
        record("fused", ratio=1.0, gradient_error=2e-7, loss_error=1e-8, rounds_discarded=2),
        record("eager", ratio=3.0, gradient_error=4e-7, rounds_discarded=2),
        record("lightly", not_run="absent (No module named 'lightly'): install it"),
    ]
    append(tmp_path / "cpu", records)
    page = render(tmp_path)
    assert (
        "| cell | ours ms | eager | lightly | gradient error: ours | eager | loss error |" in page
    )
    assert (
        "| nt_xent N=256 D=128 float32 | 2.000 | 3.00 [3.00, 3.00] | absent"
        " | 2.0e-07 | 4.0e-07 | 1.0e-08 | 7/2 |" in page
    )
    assert "- lightly: absent (No module named 'lightly'): install it" in page
    assert "A CPU, 2 threads, avx2 kernels, torch 2.11.0, Python 3.11.2" in page
    assert "They flatter us" in page


def test_disturbed_rounds_that_were_kept_are_counted(tmp_path: Path) -> None:
    ours = record("fused", ratio=1.0)
    append(tmp_path / "cpu", [replace(ours, foreign_cpu=(0.0,) * 5 + (0.07, 0.5))])
    assert "| 7/0 (2 disturbed) |" in render(tmp_path)


def test_allocators_have_a_table_each(tmp_path: Path) -> None:
    pairs = [("default", 5.0), ("tuned", 2.5)]
    for allocator, ratio in pairs:
        ours = record("fused", ratio=1.0, allocator=allocator)
        append(tmp_path / "cpu", [ours, record("eager", ratio=ratio, allocator=allocator)])
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
    append(tmp_path / "cpu", records)
    page = render(tmp_path)
    assert "| nt_xent N=256 D=128 float32 | 0.02 | 1.0e-06 | 2.0e-02 |" in page
    assert "| nt_xent N=65536 D=128 float32 | 250 | not run |" in page
    assert "- eager: runs up to 16384 rows" in page
