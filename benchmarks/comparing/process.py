"""This side of worker.py: starts it, asks it, ends it."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from simclr_bench.errors import JobError

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 5.0


class Worker:
    """A worker process.

    Attributes:
        name: What errors call it.
    """

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.name = name
        self._said = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
            env=dict(environment),
        )

    def hear(self) -> dict[str, Any]:
        """The next answer.

        Raises:
            JobError: The process has ended, or what it says is no answer.
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        try:
            answer = json.loads(line)
        except ValueError as error:
            raise JobError(f"the worker of {self.name} {self._how_it_ended(line)}") from error
        assert isinstance(answer, dict)
        return answer

    def ask(self, **request: Any) -> dict[str, Any]:
        """Asks, and waits for the answer.

        Raises:
            JobError: As `hear`.
        """
        assert self._process.stdin is not None
        try:
            print(json.dumps(request), file=self._process.stdin, flush=True)
        except BrokenPipeError as error:
            raise JobError(f"the worker of {self.name} {self._how_it_ended('')}") from error
        return self.hear()

    def _how_it_ended(self, line: str) -> str:
        if line:
            return f"gave no answer but {line.strip()!r}"
        code = self._process.wait()
        self._said.seek(0)
        last = (self._said.read().strip() or "it said nothing").splitlines()[-1]
        return f"ended with {code} ({last})"

    def close(self) -> None:
        """Ends the process: by the end of its input, or else by force."""
        assert self._process.stdin is not None and self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # it has ended with a question unread
            self._process.stdin.close()
        try:
            self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._said.close()


def start(name: str, folder: Path, handicap: float = 0.0) -> Worker:
    """The worker of a build; its first answer is still to be heard."""
    module = "benchmarks.comparing.worker"
    # Without -P the working directory's benchmarks would come first, wherever that is.
    command = [sys.executable, "-P", "-m", module, str(folder), "--handicap", str(handicap)]
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {"OMP_PROC_BIND": "true", **os.environ, "PYTHONPATH": path}
    return Worker(name, command, environment)
