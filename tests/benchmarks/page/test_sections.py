"""The full grids of a machine, and what stands below them."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks.gpu.stages import FILE, Outcome, lines
from benchmarks.grid import cuda as plan
from benchmarks.grid.cells import ImageCell
from benchmarks.grid.losses import nt_xent
from benchmarks.page import words
from benchmarks.records.record import append
from tests.benchmarks.invented import ENVIRONMENT, record
from tests.benchmarks.page.measured import GONE, OURS, page, point, race, standard

GPU = {**ENVIRONMENT, "gpu": "A GPU", "cuda": "13.0"}


def test_a_grid_says_where_it_was_measured_with_what_and_who_is_missing(tmp_path: Path) -> None:
    found = page(tmp_path, standard(peer=GONE))
    assert "## A CPU, 2 threads, avx2 kernels" in found
    assert "torch 2.11.0, Python 3.11.2, commit 0123456789ab." in found
    assert "### NT-Xent, float32: standard, default allocator" in found
    assert "They flatter us" in found
    assert "- versions: simclr-bench 0.1.0, torch 2.11.0\n" in found
    assert f"- peer: {GONE}" in found


def test_a_wrong_gradient_is_marked_with_its_bound_and_another_loss_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(words, "differing", lambda: {"peer": "keeps the diagonal"})
    wrong = record("eager", nt_xent(256, 128), ratio=3.0, gradient_error=0.3)
    found = page(tmp_path, [*standard(), wrong])
    assert "3.00 [3.00, 3.00] · **✗ 3e-1**" in found
    assert "- ✗ eager: a gradient further off than 1e-3 for float32" in found
    assert "| peer † |" in found and "- † peer: keeps the diagonal" in found


def test_long_grids_are_folded_up(tmp_path: Path) -> None:
    cells = [nt_xent(64 * k, 32) for k in range(1, 26)]
    records = [
        record(name, cell, suite="sweep", ratio=ratio)
        for cell in cells
        for name, ratio in (("fused", 1.0), ("eager", 2.0))
    ]
    assert "<summary>25 cells</summary>" in page(tmp_path, records)


def test_images_have_no_text_about_buffers_of_losses(tmp_path: Path) -> None:
    found = page(tmp_path, race(ImageCell("augment", 64, 32, 48), peer=2.0))
    assert "### Augmentation, float32: standard\n" in found and "They flatter us" not in found


def test_works_of_one_core_say_so(tmp_path: Path) -> None:
    found = page(
        tmp_path, [*standard(), *race(ImageCell("augment", 64, 32, 48, threads=1), peer=2.0)]
    )
    assert "## A CPU, 2 threads" in found
    assert "### Augmentation, float32: standard, 1 thread\n" in found


def test_ceilings_are_shown_where_they_were_measured(tmp_path: Path) -> None:
    ceilings = {**ENVIRONMENT, "ceilings": {"matmul_gflop_s": 185.0, "copy_gb_s": 14.2}}
    records = [record("fused", ratio=1.0, environment=ceilings)]
    text = "Ceilings measured in the same process: matrix product 185 GFLOP/s, copy 14.2 GB/s."
    assert text in page(tmp_path / "with", records)
    assert "Ceilings measured" not in page(tmp_path / "without", standard())


def test_scaling_has_a_table_with_growth_and_refusals(tmp_path: Path) -> None:
    points = [
        point("fused", 2**k, 10.0 * 4 ** (k - 10), 30.0 * 2 ** (k - 10)) for k in range(10, 13)
    ]
    points += [point("eager", 1024, 50.0, 90.0), point("eager", 2048, None)]
    found = page(tmp_path, points)
    assert "### NT-Xent: time and memory as its rows double" in found
    assert "| rows | fused | eager |" in found and "| 2048 | 40 ms, 60 MB | refused |" in found
    assert "| time exponent | 2.00 [2.00, 2.00], 1024 to 4096 |  |" in found
    assert "- eager: refused: out of memory" in found


def test_accuracy_and_memory_have_tables_of_their_own(tmp_path: Path) -> None:
    sharp, large = nt_xent(256, 128, temperature=0.02), nt_xent(65536, 128)
    records = [
        record("fused", sharp, suite="accuracy", gradient_error=1e-6, **OURS),
        record("eager", sharp, suite="accuracy", gradient_error=2e-2),
        record("fused", large, suite="memory", peak_mb=250.4, **OURS),
        record("eager", large, suite="memory", not_run="runs up to 16384 rows"),
    ]
    found = page(tmp_path, records)
    assert "| nt_xent N=256 D=128 float32 | 0.02 | 1e-6 | **✗ 2e-2** |" in found
    assert "| nt_xent N=65536 D=128 float32 | 250 | not run |" in found
    assert "- eager: runs up to 16384 rows" in found


@pytest.fixture
def on_gpu(tmp_path: Path) -> str:
    cell = plan.nt_xent(1024, 128, "bfloat16", mode="graph")
    large = plan.nt_xent(8192, 128, "float32", "high")
    raced: dict[str, Any] = {"suite": "gpu_race", "environment": GPU}
    exact: dict[str, Any] = {"suite": "gpu_accuracy", "environment": GPU}
    records = [
        record("fused", cell, precision="bfloat16", ratio=0.01, **raced),
        record("eager", cell, precision="bfloat16", ratio=9.0, **raced),
        record("fused", large, loss_error=1e-5, gradient_error=3e-4, **exact),
        record("eager", large, loss_error=2e-5, gradient_error=4e-4, **exact),
    ]
    append(tmp_path / "gpu", records)
    outcome = Outcome("build", "failed", "no nvcc", 1.0, 9.0, GPU, "2026-01-01T00:00:00Z")
    (tmp_path / "gpu" / FILE).write_text(lines([outcome]))
    return page(tmp_path)


def test_gpu_records_are_judged_with_n_and_hardware(on_gpu: str) -> None:
    assert "- **GPU**, A GPU: of " in on_gpu and "not measured (`make gpu`" not in on_gpu
    stages = "| `make gpu`: stages | 4 | all done | NOT met | 0 of 1 done, build failed | 1 |"
    assert stages in on_gpu
    target = "| nt_xent bfloat16 N=1024 D=128 in a graph, us | 5 | <= 25 | met | 20.0 us | 7 |"
    assert target in on_gpu


def test_gpu_records_have_grids(on_gpu: str) -> None:
    assert "## A GPU" in on_gpu and "CUDA 13.0" in on_gpu
    assert "### NT-Xent, bfloat16: gpu_race" in on_gpu
    assert "| N=1024 D=128 graph | 0.0200 |  | 9.00 [9.00, 9.00] |" in on_gpu
    assert "| nt_xent N=8192 D=128 float32 high | 1e-5 | 2e-5 | 3e-4 | 4e-4 |" in on_gpu
