"""What every test shares: the `gpu` mark, and the rule that nothing else is ever skipped."""

import os
from pathlib import Path

import pytest

pytest_plugins = ["tests.command", "benchmarks.options"]

ROOT = Path(__file__).parent


def pytest_configure(config: pytest.Config) -> None:
    """Sets up OpenMP before torch, which reads this once, is loaded. The user's setting wins."""
    if config.getoption("benchmark_only", False):
        # Unbound, two threads can end up on one core, and every parallel region waits for a tick.
        os.environ.setdefault("OMP_PROC_BIND", "true")
    else:
        # As the command line does: tests must not crawl on a busy machine.
        os.environ.setdefault("GOMP_SPINCOUNT", "10000")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    import torch

    if torch.cuda.is_available():
        return
    for item in items:
        if "gpu" in item.keywords:
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


def _is_benchmark(nodeid: str) -> bool:
    """--benchmark-skip leaves out the benchmarks by skipping them."""
    return nodeid.startswith("benchmarks/")
