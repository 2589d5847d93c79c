"""What a worker answers, and how this side of it takes bad news; with calls that cost nothing."""

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.comparing import process, worker
from benchmarks.comparing.process import Worker, start
from simclr_bench.errors import JobError


@pytest.fixture(autouse=True)
def no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "REST_S", 0.0)


def answers(
    requests: list[dict[str, Any]], call_of: Callable[[dict[str, Any]], worker.Call]
) -> list[dict[str, Any]]:
    replies = io.StringIO()
    worker.serve((json.dumps(one) for one in requests), replies, call_of)
    return [json.loads(line) for line in replies.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("calls", "handicap", "made"), [(5, 0.0, 6), (5, 0.2, 7), (20, 0.2, 25), (10, 0.1, 12)]
)
def test_a_sample_is_the_counted_calls_one_before_and_the_handicap(
    calls: int, handicap: float, made: int
) -> None:
    log: list[int] = []
    worker.sample_ms(lambda: log.append(1), calls, handicap)
    assert len(log) == made


def test_the_time_is_a_call_s_and_the_handicap_is_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]

    def call() -> None:
        now[0] += 0.003

    monkeypatch.setattr(worker.time, "perf_counter", lambda: now[0])
    assert worker.sample_ms(call, 10) == pytest.approx(3.0)
    assert worker.sample_ms(call, 10, 0.2) == pytest.approx(3.6)


def test_cells_are_entered_and_timed_by_number() -> None:
    log: list[str] = []

    def call_of(cell: dict[str, Any]) -> worker.Call:
        return lambda: log.append(cell["loss"])

    first, second, timed = answers(
        [{"enter": {"loss": "a"}}, {"enter": {"loss": "b"}}, {"time": 1, "calls": 3}], call_of
    )
    assert first["warm_ms"] >= 0 and second["warm_ms"] >= 0
    assert timed["ms"] >= 0 and timed["cpu_s"] >= 0
    assert log[-4:] == ["b"] * 4 and log.count("a") == 2


def test_what_a_build_lacks_is_an_answer_and_the_next_cell_goes_on() -> None:
    def call_of(cell: dict[str, Any]) -> worker.Call:
        if cell["loss"] == "absent":
            raise ImportError("cannot import\nname 'absent'")
        if cell["loss"] == "other":
            return lambda: int("5", bases=3)  # type: ignore[call-overload]
        return lambda: None

    losses = ("absent", "other", "there")
    requests = [{"enter": {"loss": loss}} for loss in losses] + [{"time": 0, "calls": 5}]
    absent, other, there, timed = answers(requests, call_of)
    assert absent == {"error": "ImportError: cannot import name 'absent'"}
    assert other["error"].startswith("TypeError: ")
    assert "warm_ms" in there and "ms" in timed


def build(folder: Path, losses: str = "") -> Path:
    """A folder with a package that has only this."""
    (folder / "simclr_bench" / "losses").mkdir(parents=True)
    (folder / "simclr_bench" / "__init__.py").write_text("")
    (folder / "simclr_bench" / "losses" / "__init__.py").write_text(losses)
    return folder


def test_the_package_is_that_of_the_folder_and_the_benchmarks_are_this_tree_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    other = build(tmp_path, "compiled_extension = lambda: __import__('there').EXTENSION\n")
    (tmp_path / "there.py").write_text(
        "from types import SimpleNamespace as S\n"
        "EXTENSION = S(error=None, build_info={'source_hash': 'abc'}, cpu_capability='this')\n"
    )
    # A folder of the same name as the benchmarks' must not come in their place.
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "__init__.py").write_text("raise RuntimeError\n")
    found = start("other", other)
    try:
        assert found.hear() == {"kernels": "this", "source_hash": "abc"}
    finally:
        found.close()


def test_another_package_than_the_folder_s_is_refused(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib, importlib.util\n"
        "from benchmarks.comparing.worker import import_build\n"
        "import_build(pathlib.Path(sys.argv[1]))"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    done = subprocess.run(command, cwd=process.ROOT, capture_output=True, text=True)
    assert "RuntimeError: simclr_bench is that of" in done.stderr


def test_a_revision_without_an_extension_s_description_is_no_error(tmp_path: Path) -> None:
    found = start("old", build(tmp_path))
    try:
        assert found.hear() == {"kernels": None, "source_hash": None}
    finally:
        found.close()


def talker(program: str) -> Worker:
    return Worker("base", [sys.executable, "-c", program], {})


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("raise SystemExit('libgone.so: missing')", r"ended with 1 \(libgone.so: missing\)"),
        ("import os, signal; os.kill(os.getpid(), 9)", r"ended with -9 \(it said nothing\)"),
        ("print('hello', flush=True)", "gave no answer but 'hello'"),
    ],
)
def test_a_worker_that_ends_or_babbles_is_one_line(program: str, message: str) -> None:
    found = talker(program)
    with pytest.raises(JobError, match=f"the worker of base {message}"):
        found.hear()
    found.close()


def test_a_worker_that_has_ended_takes_no_question() -> None:
    found = talker("pass")
    found._process.wait()
    with pytest.raises(JobError, match="ended with 0"):
        found.ask(enter={})
    found.close()


def test_a_worker_that_does_not_listen_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "PATIENCE_S", 0.1)
    found = talker("import time; time.sleep(60)")
    found.close()
    assert found._process.returncode == -9
