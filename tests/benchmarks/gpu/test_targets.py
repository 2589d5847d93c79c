"""Lines 4 to 6 of the CUDA operators, judged by records that nobody measured."""

from typing import Any

import pytest

from benchmarks.gpu.stages import Outcome
from benchmarks.gpu.targets import (
    ACCURACY_TARGETS,
    FLOOR_MS,
    LINE_5,
    LINE_6,
    Judged,
    bytes_moved,
    judge_all,
)
from benchmarks.grid import Cell
from benchmarks.grid.cuda import ACCURACY, RACES, distillation, nt_xent
from benchmarks.records.record import Record
from tests.benchmarks.invented import ENVIRONMENT, record

GPU = {**ENVIRONMENT, "gpu": "A GPU", "cuda": "13.0", "copy_gb_s": 4000.0}
GOOD = ("build", "tests", "accuracy", "race", "memcheck", "racecheck", "conformance")


def outcome(stage: str, outcome: str = "done", detail: str = "") -> Outcome:
    return Outcome(stage, outcome, detail, 1.0, 10.0, GPU, "2026-01-01T00:00:00Z")


def gpu(provider: str, cell: Cell, suite: str = "gpu_race", **changes: Any) -> Record:
    return record(provider, cell, suite=suite, environment=GPU, **changes)


def judged(text: str, records: list[Record]) -> Judged:
    (found,) = [each for each in judge_all([], records) if text in each.text]
    return found


def bf16(rows: int, columns: int = 128) -> Cell:
    return nt_xent(rows, columns, "bfloat16")


def test_nothing_is_measured_without_records() -> None:
    found = judge_all([], [])
    assert {each.verdict for each in found} == {"not measured"}
    assert {each.value for each in found} == {""} and {each.n for each in found} == {None}
    assert [line for line in (4, 5, 6) if line in {each.line for each in found}] == [4, 5, 6]


def test_every_target_has_cells() -> None:
    for target in (*ACCURACY_TARGETS, *LINE_5, *LINE_6):
        assert target.cells(), target.text
    counts = [len(target.cells()) for target in (*LINE_5, *LINE_6)]
    assert counts == [6, 3, 3, 1, 3, 3, 6, 6, 2, 6]
    assert sum(len(target.cells()) for target in ACCURACY_TARGETS) == 2 * sum(
        len(suite.cells) for suite in ACCURACY
    )


@pytest.mark.parametrize(("ours", "met"), [(2.0, True), (2.01, False)])
def test_an_error_may_be_twice_eagers(ours: float, met: bool) -> None:
    records = []
    for cell in ACCURACY[0].cells:
        error = ours if (cell.rows, cell.columns) == (32768, 512) else 1.0
        records += [
            gpu("fused", cell, "gpu_accuracy", loss_error=1e-6, gradient_error=error * 1e-6),
            gpu("eager", cell, "gpu_accuracy", loss_error=1e-6, gradient_error=1e-6),
        ]
    found = judged("nt_xent float32 high, gradient error", records)
    assert (found.met, found.n, found.device, found.bound) == (met, 32768, "A GPU", "<= 2")
    assert found.value.startswith(f"{ours * 1e-6:.1e}, eager 1.0e-06 at nt_xent-N32768-D512")
    assert judged("nt_xent float32 high, loss error", records).met is True


def test_below_a_rounding_of_float32_eager_was_lucky() -> None:
    cells = [cell for cell in ACCURACY[1].cells if cell.dtype == "float32"]
    records = [
        gpu(name, cell, "gpu_accuracy", loss_error=error, gradient_error=1e-7)
        for cell in cells
        for name, error in (("fused", 1e-7), ("eager", 1e-12))
    ]
    assert judged("distillation float32, loss error", records).met is True


@pytest.mark.parametrize(("worst", "met"), [(2.0, True), (2.1, False)])
def test_the_floor_of_every_size_counts(worst: float, met: bool) -> None:
    records = []
    for (rows, columns), floor in FLOOR_MS.items():
        factor = worst if rows == 8192 and columns == 512 else 1.2
        times = (factor * floor,) * 9
        records.append(gpu("fused", bf16(rows, columns), times_ms=times))
    found = judged("time over the floor", records)
    assert (found.met, found.n) == (met, 9)
    assert found.value == (
        f"{0.18 * worst:.3f} ms, {worst:.2f}x at nt_xent-N8192-D512-bfloat16-tau0.1"
    )


def test_a_missing_cell_leaves_a_target_open_and_a_miss_decides_it() -> None:
    some = [gpu("memeff", bf16(8192), ratio=1.6)]
    found = judged("memeff", some)
    assert found.verdict == "not measured"
    assert found.value.endswith("at nt_xent-N8192-D128-bfloat16-tau0.1; 2 of 3 cells: no record")
    some.append(gpu("memeff", bf16(32768), ratio=1.4))
    found = judged("memeff", some)
    assert found.verdict == "NOT met"
    assert found.value.startswith("1.40 [1.40, 1.40] at nt_xent-N32768")


def test_a_reason_is_shown() -> None:
    cells = [bf16(rows) for rows in (8192, 32768, 131072)]
    absent = [gpu("memeff", cell, not_run="absent (no memeff): install it") for cell in cells]
    found = judged("memeff", absent)
    assert found.verdict == "not measured"
    assert found.value == "3 of 3 cells: absent (no memeff): install it"


def test_eager_has_to_fit() -> None:
    records = [gpu("eager-autocast", bf16(rows), ratio=12.0) for rows in (8192, 32768)]
    records.append(gpu("eager-autocast", bf16(131072), not_run="out of memory"))
    assert judged("eager-autocast", records).verdict == "met"
    ours = [gpu("fused", bf16(*size), times_ms=(0.01,) * 7) for size in list(FLOOR_MS)[:5]]
    ours.append(gpu("fused", bf16(131072, 512), not_run="out of memory"))
    assert judged("time over the floor", ours).verdict == "not measured"


@pytest.mark.parametrize(("us", "met"), [(24.9, True), (25.1, False)])
def test_a_small_step_in_a_graph(us: float, met: bool) -> None:
    cell = nt_xent(1024, 128, "bfloat16", mode="graph")
    found = judged("in a graph", [gpu("fused", cell, times_ms=(us / 1e3,) * 11)])
    assert (found.met, found.value, found.n) == (met, f"{us:.1f} us", 11)


def test_bytes_are_the_fewest() -> None:
    assert bytes_moved(distillation(10, 100, "bfloat16")) == 3 * 1000 * 2
    assert bytes_moved(distillation(10, 100, "float32", "forward")) == 2 * 1000 * 4


@pytest.mark.parametrize(("share", "met"), [(0.86, True), (0.84, False)])
def test_bandwidth_is_over_a_copys(share: float, met: bool) -> None:
    records = []
    for cell in (cell for suite in RACES for cell in suite.cells if cell.loss == "distillation"):
        bytes_per_ms = share * 4000e9 / 1e3
        times = (bytes_moved(cell) / bytes_per_ms,) * 7
        records.append(gpu("fused", cell, times_ms=times))
    found = judged("distillation forward, B C >= 32 M", records)
    assert found.met is met and found.value.startswith(f"{100 * share:.0f} % of 4000 GB/s at ")
    assert judged("forward and backward, B C >= 32 M", records).met is met


def test_small_distillation_takes_two_kernels() -> None:
    cells = [cell for cell in RACES[2].cells]
    records = [gpu("fused", cell, kernels=2) for cell in cells]
    assert judged("kernels", records).verdict == "met"
    records[3] = gpu("fused", cells[3], kernels=3)
    assert judged("kernels", records).verdict == "NOT met"


def line_4(*outcomes: Outcome) -> list[Judged]:
    return judge_all(outcomes, [])[:3]


def test_stages_are_judged_by_their_outcomes() -> None:
    good = [outcome(name, detail="==== ERROR SUMMARY: 0 errors") for name in GOOD]
    assert [each.verdict for each in line_4(*good)] == ["met"] * 3
    assert line_4(*good)[1].value == "ERROR SUMMARY: 0 errors"
    failed = [*good[:-3], outcome("memcheck", "failed", "3 errors"), *good[-2:]]
    assert [each.verdict for each in line_4(*failed)] == ["NOT met", "NOT met", "met"]
    assert line_4(*failed)[0].value == "6 of 7 done, memcheck failed"


def test_a_sanitizer_that_is_not_there_has_found_nothing() -> None:
    absent = [outcome(name) for name in GOOD if "check" not in name]
    absent += [outcome(tool, "not run", "no tool") for tool in ("memcheck", "racecheck")]
    assert [each.verdict for each in line_4(*absent)] == ["not measured"] * 3
    late = [outcome(name) for name in GOOD[:-1]] + [outcome("conformance", "out of time")]
    assert [each.verdict for each in line_4(*late)] == ["NOT met", "met", "met"]
