"""Runs that are killed, interrupted, starved of memory and of disk: real processes and signals."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from simclr_bench.experiments.provenance.verification import verify
from simclr_bench.experiments.running import workers
from simclr_bench.results.store import RunDirectory
from tests.experiments.running.invented import contents, job, measure, run_here

JOBS = 60

# Seconds until a process counts as hanging. stdout is closed only once every worker is gone too.
PATIENCE = 60


def command(path: Path, workers: int, jobs: int = JOBS, *more: str) -> list[str]:
    words = [str(path), str(workers), str(jobs), *more]
    return [sys.executable, "-m", "tests.experiments.running.driver", *words]


def run(path: Path, workers: int, jobs: int = JOBS, *more: str) -> tuple[int, str]:
    """Exit code and stderr of a run that is left alone."""
    done = subprocess.run(
        command(path, workers, jobs, *more), capture_output=True, text=True, timeout=PATIENCE
    )
    return done.returncode, done.stderr


@contextmanager
def started(path: Path, workers: int, jobs: int = JOBS, *more: str) -> Iterator[subprocess.Popen]:
    """A run whose jobs are about to begin, in a process group of its own."""
    process = subprocess.Popen(
        command(path, workers, jobs, *more),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None and process.stdout.readline() == "started\n"
        yield process
    finally:
        process.kill()
        process.communicate(timeout=PATIENCE)


def wait_for_records(path: Path, number: int) -> None:
    limit = time.monotonic() + PATIENCE
    while len(list((path / "records").glob("[!.]*"))) < number:
        assert time.monotonic() < limit, "no more records come"
        time.sleep(0.001)


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[object, ...]]:
    """The records of a run that nothing happened to."""
    path = tmp_path_factory.mktemp("untouched")
    assert run(path, 1) == (0, "")
    found = contents(path)
    assert len(found) == JOBS and {content[0] for content in found.values()} == {"done"}
    return found


def test_two_workers_give_the_records_of_one(
    tmp_path: Path, untouched: dict[str, tuple[object, ...]]
) -> None:
    assert run(tmp_path, 2) == (0, "")
    assert contents(tmp_path) == untouched


@pytest.mark.parametrize("workers", [1, 2])
def test_killed_ten_times_and_resumed_it_gives_the_same_bits(
    tmp_path: Path, untouched: dict[str, tuple[object, ...]], workers: int
) -> None:
    rng = np.random.default_rng(workers)
    records = tmp_path / "records"
    for _ in range(10):
        before = len(list(records.glob("[!.]*")))
        with started(tmp_path, workers) as process:
            wait_for_records(tmp_path, before + int(rng.integers(5)))
            time.sleep(rng.uniform(0, 0.012))
            process.kill()
            # Returns when no process has stdout open: no worker outlives the parent.
            process.communicate(timeout=PATIENCE)
        assert process.returncode == -signal.SIGKILL
    assert 0 < len(list(records.glob("[!.]*"))) < JOBS
    with RunDirectory(tmp_path).held():  # the lock died with its holder
        pass
    assert run(tmp_path, workers) == (0, "")
    assert contents(tmp_path) == untouched
    assert RunDirectory(tmp_path).leftovers() == []


def test_killed_at_every_step_of_writing_it_gives_the_same_bits(
    tmp_path: Path, untouched: dict[str, tuple[object, ...]]
) -> None:
    """Three steps (sync, rename, sync of the folder) each for store.json and two files a job."""
    jobs = 2
    steps = 3 + 6 * jobs
    wanted = {job(seed).key: untouched[job(seed).key] for seed in range(jobs)}
    for step in range(1, steps + 2):
        path = tmp_path / str(step)
        code, _ = run(path, 1, jobs, "--die", str(step))
        assert code == (-signal.SIGKILL if step <= steps else 0)
        run_here(path, [job(seed) for seed in range(jobs)])
        assert contents(path) == wanted
        assert sorted(os.listdir(path)) == ["lock", "predictions", "records", "store.json"]
        assert len(os.listdir(path / "predictions")) == len(os.listdir(path / "records")) == jobs


def test_a_worker_in_the_middle_of_a_job_dies_with_its_parent(tmp_path: Path) -> None:
    with started(tmp_path, 2, 3, "--work", "sleep") as process:
        wait_for_records(tmp_path, 2)
        process.kill()
        process.communicate(timeout=PATIENCE / 2)  # the job sleeps longer


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    ("number", "code", "words"),
    [(signal.SIGINT, 130, "interrupted; finished"), (signal.SIGTERM, 143, "terminated")],
)
def test_an_interrupted_run_ends_at_once_in_one_line(
    tmp_path: Path, workers: int, number: signal.Signals, code: int, words: str
) -> None:
    """The signal goes to the whole group, as a terminal and a batch system send it."""
    with started(tmp_path, workers, 3, "--work", "sleep") as process:
        wait_for_records(tmp_path, 2)
        os.killpg(process.pid, number)
        _, said = process.communicate(timeout=PATIENCE / 2)
    assert process.returncode == code
    assert len(said.splitlines()) == 1 and words in said
    assert len(contents(tmp_path)) == 2


@pytest.mark.parametrize("delay", [0.0, 0.1, 0.2])
def test_an_interrupted_start_of_workers_ends_in_one_line(tmp_path: Path, delay: float) -> None:
    with started(tmp_path, 2, 3, "--work", "sleep") as process:
        time.sleep(delay)
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=PATIENCE / 2)
    assert process.returncode == 130
    assert len(said.splitlines()) == 1


def test_a_signal_that_another_thread_gets_does_not_interrupt_the_start_of_a_worker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As with a library's threads, which do not block what this one blocks."""
    worker = workers._Worker()
    steps = []

    def start() -> None:
        # From another process: what a process sends itself waits for the thread that sent it.
        subprocess.run(["kill", "-INT", str(os.getpid())], check=True)
        for _ in range(1000):  # Python looks for signals between instructions
            steps.append(signal.getsignal(signal.SIGINT))

    open_to_signals, done = threading.Event(), threading.Event()

    def library() -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        open_to_signals.set()
        done.wait()

    thread = threading.Thread(target=library)
    thread.start()
    open_to_signals.wait()
    monkeypatch.setattr(worker.process, "start", start)
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            worker.start()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
        done.set()
        thread.join()
    assert len(steps) == 1000


def test_a_worker_that_dies_is_named_with_its_job(tmp_path: Path) -> None:
    code, said = run(tmp_path, 2, 8, "--work", "die")
    assert code == 4
    assert "set 1, no augmentation, batch 64, seed 7: its process died" in said
    assert "(SIGKILL, as when memory runs out)" in said
    assert len(said.splitlines()) == 1
    assert job(1).key in contents(tmp_path)  # of the same group, so finished before


def test_a_second_writer_is_refused_and_told_who_holds_the_directory(tmp_path: Path) -> None:
    with started(tmp_path, 2, 3, "--work", "sleep") as process:
        code, said = run(tmp_path, 1)
        assert code == 5
        assert f"held by another process (pid {process.pid})" in said


def test_a_run_that_is_going_on_verifies(tmp_path: Path) -> None:
    """Reading takes no lock, and must meet neither half a file nor half a job."""
    checked = set()
    with started(tmp_path, 1) as process:
        while process.poll() is None:
            found = verify(RunDirectory(tmp_path), measure)
            assert found.faults == ()
            checked.add(found.records)
    assert len(checked) > 2


@pytest.mark.parametrize("workers", [1, 2])
def test_a_disk_that_refuses_ends_the_run_in_one_line_and_keeps_the_rest(
    tmp_path: Path, workers: int, untouched: dict[str, tuple[object, ...]]
) -> None:
    """The last job of its group has predictions that the limit on files does not let pass."""
    path = tmp_path / "run"
    code, said = run(path, workers, 6, "--work", "large", "--limit", "50000")
    large = job(5, "large").key
    assert code == 3
    assert said == (
        f"simclr-bench: {path}/predictions/{large}.npz: cannot be written (File too large)\n"
    )
    kept = contents(path)
    assert kept == {key: untouched[key] for key in kept}
    assert job(2).key in kept and large not in kept
    assert RunDirectory(path).leftovers() == []
