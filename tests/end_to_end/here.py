"""The command in this process: what it says and its exit code, without three seconds of imports.

For what needs no process of its own. Whatever is killed, terminated or compared to the bit across
processes runs as a user runs it (`tests/command.py`).
"""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from unittest import mock

import torch

from simclr_bench.cli.main import main
from tests.command import Command, Result


@contextmanager
def one_thread() -> Iterator[None]:
    """As OMP_NUM_THREADS=1, which other processes are given."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def here(command: Command, *words: str | Path) -> Result:
    """Runs the command's words with the command's cache, on one thread."""
    stdout, stderr = io.StringIO(), io.StringIO()
    with (
        mock.patch.dict(os.environ, command.environment()),
        redirect_stdout(stdout),
        redirect_stderr(stderr),
        one_thread(),
    ):
        code = main([str(word) for word in words])
    return Result(code, stdout.getvalue(), stderr.getvalue())
