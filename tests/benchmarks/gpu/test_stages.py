"""`make gpu` without a GPU: stages of a few lines, under budgets of a second."""

import json
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import benchmarks.gpu.__main__ as command
from benchmarks.gpu import stages
from benchmarks.gpu.commands import stages as all_stages
from benchmarks.gpu.stages import FILE, LOG, OUT_OF_TIME, Outcome, Stage, read_outcomes, run


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "LEAST_S", 0.1)
    monkeypatch.setattr(stages, "GRACE_S", 0.0)


def program(text: str) -> Callable[[float], list[str]]:
    return lambda _: [sys.executable, "-S", "-c", text]


def stage(name: str, text: str = "print('well')", reserve_s: float = 0.0, **more: object) -> Stage:
    return Stage(name, program(text), reserve_s, **more)  # type: ignore[arg-type]


def ran(tmp_path: Path, *some: Stage, budget_s: float = 30.0) -> list[tuple[str, str]]:
    outcomes = run(some, tmp_path, budget_s, {"gpu": "A GPU", "commit": "0123"})
    assert read_outcomes(tmp_path) == outcomes
    return [(outcome.outcome, outcome.detail) for outcome in outcomes]


def test_a_failure_says_so_and_stops_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    found = ran(
        tmp_path,
        stage("first", "print('a'); print('b'); print()"),
        stage("second", "import sys; print('broken'); sys.exit(7)"),
        stage("third", "print('c')"),
    )
    assert found == [("done", "b"), ("failed", "exit code 7: broken"), ("done", "c")]
    printed = capfd.readouterr().out
    assert re.search(r"make gpu: second: failed after \d+ s: exit code 7: broken\n", printed)
    assert printed.index("broken") < printed.index("third: done")
    assert (tmp_path / LOG).read_text() == "== first\na\nb\n\n== second\nbroken\n== third\nc\n"


def test_the_outcome_is_on_disk_before_the_next_stage_starts(tmp_path: Path) -> None:
    look = f"print(open({str(tmp_path / FILE)!r}).read().count('seconds'))"
    assert ran(tmp_path, stage("first"), stage("second", look))[1] == ("done", "1")
    (first, second) = json.loads((tmp_path / FILE).read_text())
    assert first["stage"] == "first"
    assert first["environment"] == {"gpu": "A GPU", "commit": "0123"}
    assert second["finished"].endswith("Z") and 0 <= second["seconds"] < second["limit_s"] <= 30


def test_a_stage_that_hangs_is_stopped_with_its_children(tmp_path: Path) -> None:
    hang = (
        "import subprocess, sys, time; print('started', flush=True);"
        "subprocess.run([sys.executable, '-S', '-c', 'import time; time.sleep(60)'])"
    )
    start = time.monotonic()
    found = ran(tmp_path, stage("hangs", hang), stage("next", reserve_s=50.0), budget_s=52.0)
    assert found == [("out of time", "started"), ("done", "well")]
    assert time.monotonic() - start < 50


def test_a_stage_may_end_by_itself_when_its_time_is_over(tmp_path: Path) -> None:
    text = f"import sys; print('3 cells left'); sys.exit({OUT_OF_TIME})"
    assert ran(tmp_path, stage("race", text)) == [("out of time", "3 cells left")]


def test_a_stage_is_told_what_later_ones_leave_it(tmp_path: Path) -> None:
    def told(seconds: float) -> list[str]:
        return [sys.executable, "-S", "-c", f"print({seconds:.0f})"]

    some = [Stage(name, told, 10.0) for name in ("a", "b", "c")]
    # 100 - 20, 100 - 10, 100: next to nothing is used. Of 12 each gets what was kept for it.
    told_s = [float(detail) for _, detail in ran(tmp_path, *some, budget_s=100.0)]
    assert told_s == pytest.approx([80, 90, 100], abs=8)
    assert ran(tmp_path, *some, budget_s=12.0)[0][1] == "10"


def test_without_time_nothing_starts(tmp_path: Path) -> None:
    wait = stage("slow", "import time; time.sleep(30)", reserve_s=1.0)
    assert ran(tmp_path, wait, stage("late"), budget_s=0.4)[1] == (
        "out of time",
        "the stages before it took all of it",
    )


def test_a_missing_tool_is_no_failure_and_an_exit_code_no_proof(tmp_path: Path) -> None:
    found = ran(
        tmp_path,
        stage("tool", why_not=lambda: "no tool on PATH"),
        stage("silent", "print('ERROR SUMMARY: 0 errors')", proof="SUMMARY: 0 "),
        stage(
            "refused", "print('= Device not supported'); raise SystemExit(1)", refusal="Device not"
        ),
        stage("loud", "print('ERROR SUMMARY: 3 errors')", proof="SUMMARY: 0 "),
    )
    assert found[:2] == [("not run", "no tool on PATH"), ("done", "ERROR SUMMARY: 0 errors")]
    assert found[2] == ("not run", "Device not")
    assert found[3] == ("failed", 'no "SUMMARY: 0 " in its output: ERROR SUMMARY: 3 errors')
    assert [o.ended_well for o in read_outcomes(tmp_path)] == [True, True, True, False]


def test_what_is_quiet_is_shown_when_it_fails(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    bad = "import os, sys; print(os.environ['WORD']); sys.exit(1)"
    ran(tmp_path, stage("good", "print('a line')", quiet=True))
    assert "\na line" not in capfd.readouterr().out
    ran(tmp_path, stage("bad", bad, quiet=True, variables={"WORD": "the reason"}))
    assert "\nthe reason" in capfd.readouterr().out


def test_the_stages_fit_the_budget_and_are_programs(tmp_path: Path) -> None:
    found = all_stages(tmp_path, (9, 0))
    names = ["build", "tests", "accuracy", "race", "memcheck", "racecheck"]
    names.append("conformance")
    assert [stage.name for stage in found] == names
    assert sum(stage.reserve_s for stage in found) < command.BUDGET_S
    assert found[0].variables["TORCH_CUDA_ARCH_LIST"] == "9.0a"
    assert all_stages(tmp_path, (8, 6))[0].variables["TORCH_CUDA_ARCH_LIST"] == "8.6"
    for stage in found:
        words = list(stage.command(33.0))
        modules = [word for word in words if word.startswith("benchmarks.gpu.")]
        for module in modules:
            assert (stages.ROOT / f"{module.replace('.', '/')}.py").is_file()
    assert found[3].command(33.0)[-2:] == [str(tmp_path), "33"]
    tools = [found[i].command(33.0)[2] for i in (4, 5)]
    assert tools == ["memcheck", "racecheck"]


@pytest.mark.parametrize(("text", "code"), [("print('well')", 0), ("raise SystemExit(1)", 1)])
def test_the_command_fails_if_a_stage_did(
    text: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "require_gpu", lambda: (9, 0))
    monkeypatch.setattr(command, "stages", lambda *_: [stage("only", text), stage("last")])
    monkeypatch.setattr("sys.argv", ["gpu", "--out", str(tmp_path), "--budget", "30"])
    assert command.main() == code
    outcomes = read_outcomes(tmp_path)
    assert len(outcomes) == 2 and "torch" in outcomes[0].environment["packages"]


def test_without_a_gpu_it_is_one_line_and_code_3(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(SystemExit) as stopped:
        command.require_gpu()
    assert stopped.value.code == 3
    assert capsys.readouterr().err.startswith("make gpu: torch ")


def test_no_run_has_no_outcomes(tmp_path: Path) -> None:
    assert read_outcomes(tmp_path) == []
    assert Outcome("a", "out of time", "", 1.0, 1.0, {}, "").ended_well is False
