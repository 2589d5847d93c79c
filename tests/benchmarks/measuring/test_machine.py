"""What a process hands down to those it starts."""

import os
import subprocess
import sys

import pytest

from benchmarks.measuring.child import ROOT

PARENT = """
import os, subprocess, sys
from benchmarks.measuring.machine import start_unbound
if sys.argv[1] == "unbound":
    start_unbound()
import torch
torch.ones(1 << 20).exp().sum()
count = "import os; print(len(os.sched_getaffinity(0)), os.environ['OMP_PROC_BIND'])"
subprocess.run([sys.executable, "-c", count], check=True)
"""


@pytest.mark.parametrize(
    ("how", "cores"), [("unbound", len(os.sched_getaffinity(0))), ("bound", 1)]
)
def test_a_process_hands_all_its_cores_down_only_if_openmp_did_not_bind_it(
    how: str, cores: int
) -> None:
    environment = {**os.environ, "OMP_PROC_BIND": "true", "OMP_NUM_THREADS": "2"}
    command = [sys.executable, "-c", PARENT, how]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{cores} true\n"
