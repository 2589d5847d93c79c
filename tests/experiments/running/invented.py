"""Invented jobs: cheap, deterministic, and as badly behaved as a test asks for.

Everything that a worker needs is at the top of this module, so that it can be pickled.
"""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from simclr_bench.errors import DataError
from simclr_bench.experiments.execution.outcome import Outcome
from simclr_bench.experiments.planning.jobs import Job
from simclr_bench.experiments.running.attempt import Execute
from simclr_bench.experiments.running.runner import Records, run_jobs
from simclr_bench.results.store import RunDirectory


class Silence:
    """Progress that nobody reads; keeps what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    @contextmanager
    def stage(self, description: str, total: int) -> Iterator["Silence"]:
        yield self

    def advance(self, amount: int = 1, note: str = "") -> None:
        pass

    def say(self, text: str) -> None:
        self.said.append(text)


def job(seed: int, work: str = "arithmetic") -> Job:
    return Job(
        kind="head",
        profile="embedded",
        dataset=f"set {seed % 3}",
        classes=5,
        settings={"augment": [], "batch_size": 64, "seed": seed, "work": work},
        inputs={"code": "c", "encoder": "e"},
    )


def share_key(job: Job) -> str:
    return job.dataset


def prepare() -> Execute:
    return execute


def prepare_nothing() -> Execute:
    raise DataError("weights.bin: missing")


def prepare_badly() -> Execute:
    raise ValueError("no such\nencoder")


def execute(job: Job) -> Outcome:
    """About 10 ms of arithmetic, unless the job's work is something else."""
    work = job.settings["work"]
    rng = np.random.default_rng(job.settings["seed"])
    match work:
        case "sleep":
            time.sleep(60)
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "diverge":
            raise FloatingPointError("the loss became inf\nat step 3")
        case "raise":
            raise IndexError("index 7")
        case "missing data":
            raise DataError("a.png: empty")
        case "children":
            child = multiprocessing.get_context("fork").Process(target=int)
            child.start()
            child.join()
        case "nan":
            return Outcome(details={"loss": [float("nan")]}, arrays=predictions(rng, 10))
    scores = rng.normal(size=(400, job.classes))
    losses = []
    for _ in range(80):
        scores = np.tanh(scores + 0.1 * rng.normal(size=scores.shape))
        losses.append(float(scores.std()))
    arrays = predictions(rng, 300_000 if work == "large" else 400)
    arrays["scores"] = scores[:4]
    return Outcome(details={"loss": losses}, arrays=arrays)


def predictions(rng: np.random.Generator, n: int) -> dict[str, np.ndarray]:
    return {
        "heldout_predicted": rng.integers(5, size=n).astype(np.uint8),
        "heldout_label": rng.integers(5, size=n).astype(np.uint8),
    }


def measure(kind: str, arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    right = arrays["heldout_predicted"] == arrays["heldout_label"]
    correct, n = int(right.sum()), len(right)
    return {"kind": kind, "heldout": {"value": correct / n, "correct": correct, "n": n}}


def run_here(
    path: Path,
    jobs: Sequence[Job],
    prepare: Callable[[], Execute] = prepare,
    workers: int = 1,
    progress: Silence | None = None,
) -> Records:
    store = RunDirectory(path)
    with store.held():
        return run_jobs(
            jobs,
            store,
            prepare,
            lambda: {"python": "3.11"},
            progress or Silence(),
            measure=measure,
            share_key=share_key,
            workers=workers,
        )


def contents(path: Path) -> dict[str, tuple[object, ...]]:
    """All that must not depend on how a store came about: by key, arrays as the file's bytes."""
    store = RunDirectory(path)
    found: dict[str, tuple[object, ...]] = {}
    for record in store.read_all():
        beside = store.predictions / f"{record.key}.npz"
        data = beside.read_bytes() if record.predictions else None
        found[record.key] = (record.status, record.reason, record.metrics, record.details, data)
    return found
