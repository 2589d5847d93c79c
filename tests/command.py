"""The real command, run as a user runs it: a new process, its own cache, its own run directory."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.stdout)

    def assert_refused(self, code: int, *needles: str) -> None:
        """One line on stderr that holds every needle, nothing on stdout, and this exit code."""
        assert self.code == code, self.stderr
        assert self.stdout == ""
        lines = self.stderr.strip().splitlines()
        assert len(lines) == 1, self.stderr
        assert lines[0].startswith("simclr-bench: ")
        for needle in needles:
            assert needle in lines[0]


class Command:
    """`simclr-bench` with a cache of its own."""

    def __init__(self, cache: Path) -> None:
        self.cache = cache

    def environment(self, **changes: str) -> dict[str, str]:
        """What the command's process sees: not that a worker of pytest has started it."""
        own = {name: text for name, text in os.environ.items() if "XDIST" not in name}
        return {**own, "SIMCLR_BENCH_CACHE": str(self.cache), **changes}

    def __call__(self, *words: str | Path, cwd: Path | None = None, **changes: str) -> Result:
        done = subprocess.run(
            [sys.executable, "-m", "simclr_bench", *map(str, words)],
            capture_output=True,
            text=True,
            cwd=cwd,
            env=self.environment(**changes),
            timeout=1200,
        )
        return Result(done.returncode, done.stdout, done.stderr)


@contextmanager
def another_process_holding(run_directory: Path) -> Iterator[int]:
    """A process that holds a run directory until it is killed; yields its pid."""
    program = (
        "import sys, pathlib\n"
        "from simclr_bench.results.store import RunDirectory\n"
        "with RunDirectory(pathlib.Path(sys.argv[1])).held():\n"
        "    print('held', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", program, run_directory],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
        yield holder.pid
    finally:
        holder.kill()
        holder.communicate()


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """The command, with an empty cache."""
    return Command(tmp_path / "cache")
