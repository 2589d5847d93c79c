"""The estimate against what the committed records took."""

from datetime import datetime
from itertools import groupby, pairwise
from pathlib import Path

import pytest

from benchmarks.grid import Suite
from benchmarks.grid.cells import ImageCell
from benchmarks.grid.estimate import (
    FIRST_COMPILE_S,
    TYPICAL,
    announcement,
    call_ms,
    cell_s,
    duration,
    estimate_s,
)
from benchmarks.grid.losses import RACES, distillation, nt_xent
from benchmarks.measuring import cpu
from benchmarks.records.record import Record, read

ROOT = Path(__file__).parents[3]
SWEEPS = sorted((ROOT / "results" / "cpu").rglob("sweep.jsonl"))


def cells_of(records: list[Record]) -> list[list[Record]]:
    """The records that were made together, in the order in which they were."""
    return [list(group) for _, group in groupby(records, lambda r: (r.finished, str(r.cell)))]


def said_s(records: list[Record]) -> float:
    """What a cell took by its own times: every round a call that does not count, and a sample."""
    total = 0.0
    for r in records:
        if r.median_ms is None:
            continue
        calls = max(1, min(cpu.MOST_CALLS, round(1000 * cpu.SAMPLE_S / r.median_ms)))
        rounds = len(r.times_ms) + r.rounds_discarded
        total += rounds * r.median_ms * (calls + (r.median_ms < cpu.NO_MATTER_MS)) / 1000
        total += r.compile_s or 0.0
    return total


def test_there_are_sweeps_to_compare_with() -> None:
    assert SWEEPS


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.parent.name)
def test_a_sweep_takes_what_the_estimate_says(path: Path) -> None:
    """By the times in the records, and by the wall clock between one cell and the next."""
    groups = cells_of([r for r in read(path.parent) if r.suite == "sweep"])
    estimates, said = [], []
    for group in groups:
        ran = [r for r in group if r.times_ms]
        rounds = len(ran[0].times_ms) + ran[0].rounds_discarded
        ceilings = ran[0].environment.get("ceilings", TYPICAL)
        estimates.append(cell_s(ran[0].cell, [r.provider for r in ran], rounds, ceilings))
        said.append(said_s(group))
    # What the idle look, entering and the truth take is in no record.
    assert sum(said) < sum(estimates) < 2 * sum(said)
    ends = [datetime.fromisoformat(group[0].finished) for group in groups]
    walls = [(b - a).total_seconds() for a, b in pairwise(ends)]
    # A process that begins compiles for the first time, which takes long.
    first = [any((r.compile_s or 0) > FIRST_COMPILE_S for r in group) for group in groups]
    timed = [
        (estimate, wall)
        for estimate, wall, began in zip(estimates[1:], walls, first[1:], strict=True)
        if not began
    ]
    assert len(timed) > len(groups) / 2
    taken = sum(wall for _, wall in timed)
    assert taken / 2 < sum(estimate for estimate, _ in timed) < 2 * taken


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.parent.name)
def test_a_providers_calls_take_what_the_estimate_says(path: Path) -> None:
    for provider in ("fused", "eager", "compile"):
        said, estimated = 0.0, 0.0
        for r in read(path.parent):
            if (r.suite, r.provider) == ("sweep", provider) and r.median_ms is not None:
                said += r.median_ms
                estimated += call_ms(r.cell, provider, r.environment.get("ceilings", TYPICAL))
        assert said / 2 < estimated < 2 * said, provider


def test_a_machine_that_is_twice_as_fast_takes_half_as_long() -> None:
    fast = {key: 2 * value for key, value in TYPICAL.items()}
    cell = nt_xent(16384, 512)
    assert call_ms(cell, "eager", fast) == pytest.approx(call_ms(cell, "eager") / 2, rel=0.01)


def test_a_cell_is_priced_part_by_part() -> None:
    """A call of 200 ms is once a round what does not count and once the sample; 3 enter."""
    fused, eager = (call_ms(nt_xent(4096, 128), p) for p in ("fused", "eager"))
    assert 50 < eager < 1000
    both = cell_s(nt_xent(4096, 128), ["fused", "eager"], 9)
    one = cell_s(nt_xent(4096, 128), ["fused"], 9)
    assert both - one == pytest.approx((3 + 9 + 9) * eager / 1000)
    # From a second on, memory to be fetched is no matter, and nothing warms up.
    cell = nt_xent(8192, 1024)
    slow = call_ms(cell, "eager")
    assert 1000 < slow < cpu.SLOW_ROUND_MS
    assert cell_s(cell, ["eager"], 9) - cell_s(cell, [], 9) == pytest.approx((3 + 9) * slow / 1000)
    more = cell_s(nt_xent(4096, 128), ["fused"], 10) - one
    calls = 1000 * cpu.SAMPLE_S / fused
    assert more == pytest.approx(0.2 + fused * (1 + max(1, calls)) / 1000)


def test_slow_rounds_are_fewer() -> None:
    slow, quick, providers = nt_xent(16384, 2048), nt_xent(256, 128), ["fused", "eager"]
    assert cell_s(slow, providers, 9) == cell_s(slow, providers, 7)
    assert cell_s(quick, providers, 9) > cell_s(quick, providers, 7)


def test_work_costs_more_the_more_there_is_of_it() -> None:
    assert call_ms(distillation(1024, 1000), "eager") > 2 * call_ms(
        distillation(1024, 1000), "fused"
    )
    assert call_ms(nt_xent(256, 64), "pytorch-metric-learning") > 100
    step, features = (ImageCell(work, 64, 32, network="r18") for work in ("train", "extract"))
    assert call_ms(step, "ours") == pytest.approx(6 * call_ms(features, "ours"))
    views = ImageCell("augment", 256, 32, 48)
    assert call_ms(views, "ours") > 0


def test_who_does_not_run_costs_nothing() -> None:
    cells = (nt_xent(256, 64), nt_xent(1024, 64))
    suite = Suite("tiny", cells, ("fused", "pytorch-metric-learning"), rounds=9)
    without = Suite("tiny", cells, ("fused",), rounds=9)
    assert estimate_s([suite]) > 2 * estimate_s([without])
    assert estimate_s([suite], runs=lambda _, name: name == "fused") == estimate_s([without])


def test_a_line_says_what_is_about_to_run() -> None:
    sweep = [suite for suite in RACES if suite.name == "sweep"]
    line = announcement(sweep)
    assert line.startswith("sweep: 63 cells x 3 providers x 9 rounds, about ")
    assert line.endswith(" min on this machine")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (3, "about 10 s"),
        (64, "about 60 s"),
        (95, "about 2 min"),
        (1900, "about 30 min"),
        (5400, "about 1.5 h"),
        (3600 * 48.3, "about 48 h"),
    ],
)
def test_an_estimate_is_said_no_finer_than_it_is(seconds: float, words: str) -> None:
    assert duration(seconds) == words
