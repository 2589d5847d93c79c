"""The options of the race's pytest front end (conftest.py), for the root conftest to load.

Options that take a value must be known before the paths are: a conftest in a folder is too late.
"""

import pytest

from benchmarks.grid import SUITES
from benchmarks.grid.cells import DEVICES
from simclr_bench.cli.arguments.common import new_or_folder

NAMES = tuple(dict.fromkeys(suite.name for suite in SUITES))


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("race")
    group.addoption("--suite", action="append", choices=NAMES, help="suites to run (repeatable)")
    group.addoption(
        "--device", choices=DEVICES, help="where they run; a GPU if there is one by default"
    )
    group.addoption(
        "--record", type=new_or_folder, metavar="DIR", help="append raw records to DIR/*.jsonl"
    )
