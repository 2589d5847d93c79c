"""What a record says about how it was made."""

import os
import platform
import subprocess
import threading
from importlib.metadata import version
from pathlib import Path

from simclr_bench.results.environment import describe_environment

ROOT = Path(__file__).parents[2]


def test_the_environment_holds_versions_and_hardware() -> None:
    described = describe_environment({"compiler": "x"})
    assert described["python"] == platform.python_version()
    assert described["packages"]["torch"] == version("torch")
    assert described["cores"] >= 1 and described["cpu"]
    assert described["extension"] == {"compiler": "x"}


def test_the_commit_is_that_of_the_checkout_if_there_is_one() -> None:
    head = subprocess.run(["git", "-C", ROOT, "rev-parse", "HEAD"], capture_output=True, text=True)
    expected = head.stdout.strip() if head.returncode == 0 else None
    assert describe_environment(None)["commit"] == expected


def test_cores_are_counted_though_the_asking_thread_is_bound_to_one() -> None:
    """As OMP_PROC_BIND=true leaves it after the first parallel loop."""
    before = os.sched_getaffinity(0)
    done = threading.Event()
    other = threading.Thread(target=done.wait)
    other.start()
    try:
        os.sched_setaffinity(0, {min(before)})
        assert describe_environment(None)["cores"] == len(before)
    finally:
        os.sched_setaffinity(0, before)
        done.set()
        other.join()
