"""Targets against invented records: met, missed, not measured."""

from pathlib import Path

import pytest

from benchmarks import targets
from benchmarks.grid.losses import STANDARD, distillation, nt_xent
from benchmarks.records.record import append
from benchmarks.targets import TARGETS, against_eager, best_case, judge, speedup
from tests.benchmarks.invented import record


def of(text: str) -> list[targets.Target]:
    found = [target for target in TARGETS if text in target.text]
    assert found
    return found


@pytest.mark.parametrize(("ratio", "met"), [(2.0, True), (1.99, False)])
def test_a_ratio_is_held_against_its_bound(ratio: float, met: bool) -> None:
    (verdict,) = judge(of("eager's time over ours, N=256 D=128"), [record("eager", ratio=ratio)])
    assert verdict.met is met
    assert str(verdict).startswith("met" if met else "NOT MET")
    assert "(>= 2) | nt_xent-N256-D128-float32-tau0.1: " in str(verdict)


def test_every_cell_of_the_grid_has_to_be_measured() -> None:
    records = [
        record("lightly", nt_xent(256, 128), not_run="absent"),
        record("lightly", nt_xent(1024, 128), ratio=6.0),
    ]
    verdicts = judge(of("lightly's time over ours, D=128"), records)
    assert [(v.cell.rows, v.met) for v in verdicts] == [
        (256, None),
        (1024, True),
        (4096, None),
        (8192, None),
    ]
    assert str(verdicts[0]).startswith("not measured")


def test_each_allocator_has_its_own_records() -> None:
    cell = nt_xent(4096, 128)
    records = [
        record("eager", cell, ratio=5.5),
        record("eager", cell, ratio=2.0, allocator="tuned"),
    ]
    assert [v.met for v in judge(of("ours, N=4096 D=128"), records)] == [True, False]


def test_the_last_record_counts() -> None:
    records = [record("eager", ratio=1.0), record("eager", ratio=3.0)]
    assert [v.met for v in judge(of("eager's time over ours, N=256 D=128"), records)] == [True]


def test_the_sweep_asks_only_that_nothing_is_slower_beyond_doubt() -> None:
    cell = nt_xent(64, 32)
    doubtful = record("eager", cell, suite="sweep", ratios=(0.8,) * 4 + (1.1,) * 3)
    slower = record("eager", cell, suite="sweep", ratio=0.9)
    target = of("sweep, eager")
    assert [judge(target, [r])[0].met for r in (doubtful, slower)] == [True, False]
    assert best_case(slower, {}) == speedup(slower, {})


@pytest.mark.parametrize(
    ("ours", "eager", "met"), [(1e-6, 1e-7, True), (5e-6, 1e-6, False), (5e-6, 5e-6, True)]
)
def test_an_error_is_held_against_eagers_or_a_floor(ours: float, eager: float, met: bool) -> None:
    cell = nt_xent(256, 128)
    records = [
        record("fused", cell, gradient_error=ours),
        record("eager", cell, gradient_error=eager),
    ]
    verdict, *others = judge(of("NT-Xent standard, gradient error"), records)
    assert verdict.met is met and {other.met for other in others} == {None}
    assert against_eager(records[0], {}) is None


def test_distillation_has_bounds_by_size() -> None:
    cells = [distillation(64, 5), distillation(1024, 100), distillation(64, 1000)]
    records = [record("eager", cell, ratio=5.0) for cell in cells]
    verdicts = judge(of("distillation, eager's"), records)
    assert [(v.target.bound, v.met) for v in verdicts if v.met is not None] == [
        (3.0, True),
        (5.0, True),
        (6.5, False),
    ]


def test_every_target_has_a_cell_that_can_decide_it() -> None:
    assert all(target.cells() for target in TARGETS)


def test_the_command_prints_a_line_each_and_fails_when_one_is_missed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    append(tmp_path, [record("eager", cell, ratio=4.0) for cell in STANDARD])
    monkeypatch.setattr("sys.argv", ["targets", str(tmp_path)])
    assert targets.main() == 1
    out = capsys.readouterr().out
    assert "met" in out and "NOT MET" in out and "not measured" in out
    monkeypatch.setattr("sys.argv", ["targets", str(tmp_path / "nowhere")])
    assert targets.main() == 2
