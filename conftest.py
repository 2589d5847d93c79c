"""What every test shares: the `gpu` mark, and the rule that nothing else is ever skipped.

The PTX emulator's tests need nvcc, those against TensorFlow an environment of their own. Where it
is missing they are not collected, and the header says so; `.ci/run` demands that they were.
"""

import os
import signal
from pathlib import Path

import pytest

from tests.ptx.emulator.nvcc import find_nvcc, why_not
from tests.tensorflow.interpreter import find_python

pytest_plugins = ["tests.command", "benchmarks.options"]

ROOT = Path(__file__).parent
TESTS = ROOT / "tests"

NO_EMULATOR = why_not()
TENSORFLOW = find_python()
collect_ignore = ["tests/ptx"] if NO_EMULATOR else []
collect_ignore += [] if TENSORFLOW else ["tests/tensorflow"]


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """The tests hold no benchmark, and take long to collect."""
    only = config.getoption("benchmark_only", False)
    return True if only and TESTS in collection_path.parents else None


def pytest_report_header() -> list[str]:
    emulator = f"tests/ptx not collected: {NO_EMULATOR}" if NO_EMULATOR else find_nvcc()
    tensorflow = TENSORFLOW or "tests/tensorflow not collected: `make tensorflow` installs it"
    return [f"PTX emulator: {emulator}", f"TensorFlow: {tensorflow}"]


def pytest_configure(config: pytest.Config) -> None:
    """Sets up signals, and OpenMP before torch, which reads this once, is loaded."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # As a run in the background inherits it, and hands it down to whatever a test interrupts.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # The user's own setting wins.
    if config.getoption("benchmark_only", False):
        # Unbound, two threads can end up on one core, and every parallel region waits for a tick.
        os.environ.setdefault("OMP_PROC_BIND", "true")
    else:
        # As the command line does: tests must not crawl on a busy machine.
        os.environ.setdefault("GOMP_SPINCOUNT", "10000")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    # Cases are made of the instruction sets of this CPU: of none there is nothing to run.
    empty = [item for item in items if _has_no_case(item)]
    config.hook.pytest_deselected(items=empty)
    items[:] = [item for item in items if item not in empty]
    import torch

    if torch.cuda.is_available():
        return
    for item in items:
        if item.get_closest_marker("gpu"):  # not any folder of that name
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A test that does not run proves nothing: only `gpu` tests may be skipped."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or session.config.getoption("benchmark_only", False):
        return
    silent = [
        report.nodeid
        for kind in ("skipped", "xfailed", "xpassed")
        for report in reporter.stats.get(kind, [])
        if "gpu" not in report.keywords and not _is_benchmark(report.nodeid)
    ]
    if silent:
        reporter.write_line(f"skipped or xfailed, which fails the run: {', '.join(silent)}")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _has_no_case(item: pytest.Item) -> bool:
    reasons = (mark.kwargs.get("reason", "") for mark in item.iter_markers("skip"))
    return any(str(reason).startswith("got empty parameter set") for reason in reasons)


def _is_benchmark(nodeid: str) -> bool:
    """--benchmark-skip leaves out the benchmarks by skipping them."""
    return nodeid.startswith("benchmarks/")
