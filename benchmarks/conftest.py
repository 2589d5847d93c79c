"""The pytest front end of the race.

Which suites run: `--suite NAME` (repeatable) names them. Without it, a run that selects with -k or
-m gets the acceptance grid, or the sweep if the expression says `sweep`; a bare run gets `quick`.
What is not chosen is deselected, never skipped. `--record DIR` appends the raw records there.

    pytest --benchmark-only                                       the quick grid, half a minute
    pytest benchmarks -k "nt_xent and cpu" --benchmark-only       the acceptance grid of NT-Xent
    pytest benchmarks -k "nt_xent and sweep" --benchmark-only     its sweep, hours
"""

import re
from collections.abc import Callable

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks import table
from benchmarks.grid import SUITES, Cell, Suite
from benchmarks.records import Record, append

RECORDS = pytest.StashKey[list[Record]]()

RunRace = Callable[[Suite, Cell], None]


def cases(loss: str) -> list[object]:
    """A parameter per suite and cell of a loss; the sweep's carry the mark `sweep`."""
    return [
        pytest.param(
            suite,
            cell,
            id=f"cpu-{suite.name}-{cell}",
            marks=[pytest.mark.sweep] if suite.name == "sweep" else [],
        )
        for suite in SUITES
        if suite.loss == loss
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
    if re.search(r"(?<!not )\bsweep\b", expression):
        return {"sweep"}
    return {"acceptance", "bfloat16"} if expression.strip() else {"quick"}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    expression = f"{config.option.keyword or ''} {config.option.markexpr or ''}"
    names = chosen_suites(config.getoption("suite"), expression)
    left = [item for item in items if _suite(item) is not None and _suite(item) not in names]
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if item not in left]


def _suite(item: pytest.Item) -> str | None:
    call = getattr(item, "callspec", None)
    suite = call.params.get("suite") if call else None
    return suite.name if isinstance(suite, Suite) else None


@pytest.fixture
def run_race(benchmark: BenchmarkFixture, request: pytest.FixtureRequest) -> RunRace:
    """Races a cell; pytest-benchmark times our turn of each round."""

    def run(suite: Suite, cell: Cell) -> None:
        from benchmarks.race import Race

        race = Race(suite, cell)

        def before() -> None:
            # A set-up forbids iterations in pytest-benchmark, and our turn is many calls: without
            # this, it would show the turn's time and not a call's.
            assert benchmark.stats is not None
            benchmark.stats.iterations = race.runners[0].calls
            race.before()

        benchmark.group = f"cpu {suite.name} {cell.loss}"
        benchmark.pedantic(
            race.ours, setup=before, teardown=race.after, rounds=suite.rounds, iterations=1
        )
        records = race.records()
        for record in records:
            benchmark.extra_info[record.provider] = {
                "median_ms": record.median_ms,
                "ratio": record.ratio,
                "gradient_error": record.gradient_error,
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
        found = [r for r in records if (r.suite, r.cell.loss) == (suite.name, suite.loss)]
        for line in table.aligned(table.races(found)):
            terminalreporter.write_line(line)
    for line in table.left_out(records):
        terminalreporter.write_line(line)
