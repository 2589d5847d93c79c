"""Records do not depend on jobs, workers, interruptions or what was there before, bit for bit."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from simclr_bench.results.store import RunDirectory
from tests.command import Command
from tests.experiments.running.invented import contents

HEADS = ["reproduce", "--table", "1", "--rows", "None,All", "--seeds", "2"]
STUDENTS = ["reproduce", "--table", "2", "--seeds", "2"]
for assignment in ("epochs=3", "views=1", "widths=16"):
    STUDENTS += ["--set", f"distillation.{assignment}"]

# Seconds until a process counts as hanging.
PATIENCE = 300

Contents = dict[str, tuple[object, ...]]


@pytest.fixture(scope="module")
def heads(keeping: Command, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of four jobs in one process, without workers, that nothing happened to."""
    path = tmp_path_factory.mktemp("heads") / "run"
    result = keeping(*HEADS, "--jobs", "1", "--workers", "0", "--out", path)
    assert result.code == 0, result.stderr
    assert len(contents(path)) == 4
    return path


@pytest.mark.parametrize(("jobs", "workers"), [("2", "0"), ("1", "2")])
def test_heads_are_the_same_with_any_jobs_and_workers(
    keeping: Command, heads: Path, tmp_path: Path, jobs: str, workers: str
) -> None:
    result = keeping(*HEADS, "--jobs", jobs, "--workers", workers, "--out", tmp_path / "run")
    assert result.code == 0, result.stderr
    assert contents(tmp_path / "run") == contents(heads)


def test_students_are_the_same_with_any_jobs_and_workers(keeping: Command, tmp_path: Path) -> None:
    for jobs, workers in (("1", "0"), ("2", "2")):
        words = ["--jobs", jobs, "--workers", workers, "--out", tmp_path / jobs]
        result = keeping(*STUDENTS, *words)
        assert result.code == 0, result.stderr
    assert len(contents(tmp_path / "1")) == 2 * 2 * 2  # networks, teachers or labels, seeds
    assert contents(tmp_path / "2") == contents(tmp_path / "1")


@contextmanager
def started(keeping: Command, *words: str | Path) -> Iterator[subprocess.Popen]:
    """The command, going on, in a process group of its own as a shell makes it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "simclr_bench", *map(str, words)],
        env=keeping.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A test run in the background hands down an ignored SIGINT.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=PATIENCE)


def records_in(path: Path) -> int:
    return len(list((path / "records").glob("[!.]*.json")))


def wait_for_records(path: Path, number: int) -> None:
    limit = time.monotonic() + PATIENCE
    while records_in(path) < number:
        assert time.monotonic() < limit, "no more records come"
        time.sleep(0.001)


def test_killed_anywhere_and_resumed_it_gives_the_same_bits(
    keeping: Command, heads: Path, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    path = tmp_path / "run"
    # Somewhere before the first record, then soon after one more and another.
    for jobs, more, longest in (("2", 0, 3.0), ("2", 1, 0.02), ("1", 1, 0.2)):
        before = records_in(path)
        with started(keeping, *HEADS, "--jobs", jobs, "--out", path) as process:
            wait_for_records(path, before + more)
            time.sleep(rng.uniform(0, longest))
            process.kill()
            # Returns when no process has stdout open: no worker outlives the command.
            process.communicate(timeout=PATIENCE)
        assert process.returncode == -signal.SIGKILL
    assert records_in(path) >= 2
    result = keeping(*HEADS, "--jobs", "2", "--out", path)
    assert result.code == 0, result.stderr
    assert contents(path) == contents(heads)
    assert RunDirectory(path).leftovers() == []
    assert keeping("verify", "--out", path).code == 0


@pytest.mark.parametrize(
    ("number", "code", "jobs"), [(signal.SIGINT, 130, "2"), (signal.SIGTERM, 143, "1")]
)
def test_interrupted_it_keeps_what_is_finished_and_says_how_to_go_on(
    keeping: Command, heads: Path, tmp_path: Path, number: signal.Signals, code: int, jobs: str
) -> None:
    path = tmp_path / "run"
    with started(keeping, *HEADS, "--jobs", jobs, "--out", path) as process:
        wait_for_records(path, 1)
        os.killpg(process.pid, number)  # as a terminal does: the workers get it too
        stdout, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == code and stdout == ""
    assert "the same command continues" in stderr.splitlines()[-1] and "Traceback" not in stderr
    kept = contents(path)
    assert kept and kept.items() <= contents(heads).items()
    assert RunDirectory(path).leftovers() == []


def stamps(path: Path) -> dict[str, int]:
    return {file.name: file.stat().st_mtime_ns for file in (path / "records").iterdir()}


def test_more_seeds_extend_a_run_and_what_was_lost_comes_back(
    keeping: Command, heads: Path, tmp_path: Path
) -> None:
    path = shutil.copytree(heads, tmp_path / "run")
    sorted((path / "records").iterdir())[1].unlink()
    before = stamps(path)
    words = ["reproduce", "--table", "1", "--rows", "None,All", "--seeds", "0:3", "--jobs", "1"]
    result = keeping(*words, "--json", "--out", path)
    assert "3 of 6 jobs have records" in result.stderr and "jobs: 3/3 done" in result.stderr
    (table,) = result.json["tables"]
    assert [row["seeds"] for row in table["rows"]] == [[0, 1, 2]] * 2
    after = stamps(path)
    assert len(after) == 6 and before.items() <= after.items()
    assert contents(heads).items() <= contents(path).items()
