"""A run of invented jobs in a process of its own, for tests to kill.

python -m tests.experiments.running.driver OUT WORKERS JOBS [--work W] [--die N] [--limit BYTES]
"""

import argparse
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from simclr_bench.cli.main import explain, print_error
from simclr_bench.errors import Interrupted
from simclr_bench.experiments.running.runner import run_jobs
from simclr_bench.results.store import RunDirectory
from tests.experiments.running import invented


class Announced(invented.Silence):
    """Tells the test that jobs are about to start."""

    @contextmanager
    def stage(self, description: str, total: int) -> Iterator[invented.Silence]:
        print("started", flush=True)
        yield self


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("workers", type=int)
    parser.add_argument("jobs", type=int)
    parser.add_argument("--work", default="arithmetic", help="that of the last job")
    parser.add_argument("--die", type=int, help="SIGKILL before this sync or rename of a file")
    parser.add_argument("--limit", type=int, help="no file may grow larger")
    options = parser.parse_args()
    if options.limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (options.limit, options.limit))
    if options.die is not None:
        die_before(options.die)
    signal.signal(signal.SIGTERM, on_sigterm)
    jobs = [invented.job(seed) for seed in range(options.jobs - 1)]
    jobs.append(invented.job(options.jobs - 1, options.work))
    store = RunDirectory(options.out)
    try:
        with store.held():
            run_jobs(
                jobs,
                store,
                invented.prepare,
                dict,
                Announced(),
                measure=invented.measure,
                share_key=invented.share_key,
                workers=options.workers,
            )
    except BaseException as error:
        message, code = explain(error)
        print_error(message)
        sys.exit(code)


def die_before(number: int) -> None:
    """Kills this process in place of its `number`th fsync or replace."""
    calls = 0

    def counted(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*arguments)

        return call

    os.fsync, os.replace = counted(os.fsync), counted(os.replace)


def on_sigterm(number: int, frame: object) -> None:
    raise Interrupted("terminated")


if __name__ == "__main__":
    main()
