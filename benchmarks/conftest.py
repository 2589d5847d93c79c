"""The pytest front end of the race.

Which suites run: those that `--suite NAME` (repeatable) or -k or -m names, and `standard` and
`bfloat16` if none is named. They run on a GPU if there is one, else on the CPU; `--device` says it.
What is not chosen is deselected, never skipped. `--record DIR` appends the raw records there.

    pytest --benchmark-only -k quick                              a first answer, minutes
    pytest --benchmark-only                                       the standard grid, half an hour
    pytest benchmarks -k "nt_xent and cpu" --benchmark-only       that of NT-Xent
    pytest benchmarks -k "nt_xent and sweep" --benchmark-only     its sweep, hours
"""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.grid import SUITES, Cell, Suite
from benchmarks.grid.estimate import announcement
from benchmarks.options import NAMES
from benchmarks.page import table, words
from benchmarks.records.record import Record, append

RECORDS = pytest.StashKey[list[Record]]()
DEFAULT = ("standard", "bfloat16")
HERE = Path(__file__).parent
CLOCKS = (
    "ms: of a call, the median of a turn's, after one that does not count; pytest-benchmark's table"
    " divides our whole turn by the calls that count"
)

RunRace = Callable[[Suite, Cell], None]


def cases(work: str) -> list[object]:
    """A parameter per suite and cell of a work; the sweep's carry the mark `sweep`."""
    return [
        pytest.param(
            suite,
            cell,
            id=f"{suite.device}-{suite.name}-{cell}",
            marks=[pytest.mark.sweep] if suite.name == "sweep" else [],
        )
        for suite in SUITES
        if suite.work == work
        for cell in suite.cells
    ]


def chosen_suites(suites: list[str] | None, expression: str) -> set[str]:
    """The names of the suites that run.

    Args:
        suites: What --suite named, None without it.
        expression: -k and -m, one behind the other.
    """
    if suites:
        return set(suites)
    named = {name for name in NAMES if re.search(rf"(?<!not )\b{name}\b", expression)}
    return named or set(DEFAULT)


def chosen_device(option: str | None) -> str:
    """What --device named; without it a GPU if there is one."""
    if option:
        return option
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not any(_suite(item) for item in items):
        return
    expression = f"{config.option.keyword or ''} {config.option.markexpr or ''}"
    names = chosen_suites(config.getoption("suite"), expression)
    device = chosen_device(config.getoption("device"))

    def runs(item: pytest.Item) -> bool:
        suite = _suite(item)
        return suite is None or (suite.name in names and suite.device == device)

    config.hook.pytest_deselected(items=[item for item in items if not runs(item)])
    items[:] = [item for item in items if runs(item)]
    if device != chosen_device(None) == "cpu" and config.getoption("benchmark_only"):
        raise pytest.UsageError("--device cuda: torch finds no CUDA device here; use --device cpu")


def _suite(item: pytest.Item) -> Suite | None:
    """The suite of a benchmark; a test may have a parameter of that name too."""
    call = getattr(item, "callspec", None)
    suite = call.params.get("suite") if call and HERE in item.path.parents else None
    return suite if isinstance(suite, Suite) else None


def planned(items: list[pytest.Item]) -> list[Suite]:
    """The suites of what is collected, with those of their cells that are."""
    cells: dict[Suite, list[Cell]] = {}
    for item in items:
        if suite := _suite(item):
            cells.setdefault(suite, []).append(item.callspec.params["cell"])  # type: ignore[attr-defined]
    return [replace(suite, cells=tuple(found)) for suite, found in cells.items()]


def pytest_report_collectionfinish(config: pytest.Config, items: list[pytest.Item]) -> list[str]:
    """A sweep says what it takes, before it begins."""
    sweeps = [s for s in planned(items) if (s.name, s.device) == ("sweep", "cpu")]
    if not sweeps or not config.getoption("benchmark_only"):
        return []
    from benchmarks.measuring.ceilings import ceilings
    from benchmarks.providers.everyone import PROVIDERS

    found = ceilings("cpu", sweeps[0].cells[0].threads)
    return [announcement(sweeps, found, lambda cell, name: PROVIDERS[name].why_not(cell) is None)]


@pytest.fixture
def run_race(benchmark: BenchmarkFixture, request: pytest.FixtureRequest) -> RunRace:
    """Races a cell; pytest-benchmark times our turn of each round."""

    def run(suite: Suite, cell: Cell) -> None:
        from benchmarks.measuring.race import Race

        race = Race(suite, cell)
        if race.first is None:
            pytest.fail(f"{suite.providers[0]}: {race.out[suite.providers[0]]}", pytrace=False)
        calls = race.first.sampler.calls

        def before() -> None:
            # A set-up forbids iterations in pytest-benchmark, and our turn is many calls: without
            # this, it would show the turn's time and not a call's.
            assert benchmark.stats is not None
            benchmark.stats.iterations = calls
            race.before()

        benchmark.group = f"{suite.device} {suite.name} {suite.work}"
        benchmark.pedantic(
            race.ours, setup=before, teardown=race.after, rounds=race.rounds, iterations=1
        )
        records = race.records()
        for record in records:
            benchmark.extra_info[record.provider] = {
                "package": record.package,
                "median_ms": record.median_ms,
                "ratio": record.ratio and record.ratio._asdict(),
                "gradient_error": record.gradient_error,
                "peak_mb": record.peak_mb,
                "rounds": len(record.times_ms),
                "rounds_discarded": record.rounds_discarded,
                "rounds_disturbed": words.disturbed(record.foreign_cpu),
                "not_run": record.not_run,
            }
        request.config.stash.setdefault(RECORDS, []).extend(records)
        if directory := request.config.getoption("record"):
            append(directory, records)

    return run


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    records = config.stash.get(RECORDS, [])
    if not records:
        return
    terminalreporter.section("race: time of each provider over ours, median [95 %]")
    for suite in SUITES:
        found = [r for r in records if (r.suite, r.cell) in {(suite.name, c) for c in suite.cells}]
        for line in table.aligned(table.races(found)):
            terminalreporter.write_line(line)
    for line in [*table.left_out(records), *table.differences(records), CLOCKS]:
        terminalreporter.write_line(line)
