"""Progress: bars on a terminal, lines elsewhere."""

import io

import pytest
from rich.console import Console

from simclr_bench.cli import progress
from simclr_bench.cli.progress import LiveProgress, PlainProgress, make_progress


def test_a_pipe_gets_plain_lines() -> None:
    assert isinstance(make_progress(io.StringIO()), PlainProgress)


def test_plain_lines_come_now_and_then_with_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 1000, 4))
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(clock)))
    stream = io.StringIO()
    with PlainProgress(stream).stage("jobs", 20) as stage:
        for number in range(20):
            stage.advance(1, f"seed {number}")
    lines = stream.getvalue().splitlines()
    assert lines[0] == "jobs: 0/20" and lines[-1].startswith("jobs: 20/20 done in")
    assert 3 <= len(lines) <= 12
    assert ", seed " in lines[1] and "s left" in lines[1]


def test_a_terminal_gets_bars() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    with LiveProgress(console).stage("jobs [dtd]", 2) as stage:
        stage.advance(1, "seed [0]")
        stage.advance(1)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "jobs [dtd]" in text and "2/2" in text and "seed [0]" in text


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    silent = make_progress(quiet=True)
    silent.say("a notice")
    with silent.stage("jobs", 2) as stage:
        stage.advance(1, "seed 0")
        stage.advance()
    assert capsys.readouterr() == ("", "")
