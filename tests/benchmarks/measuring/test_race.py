"""The race on a cell too small to time: who runs, in which order, and what is recorded of it."""

import pytest

from benchmarks.grid import SUITES, LossCell, Suite
from benchmarks.grid.losses import ACCURACY, MEMORY, nt_xent
from benchmarks.measuring import cpu
from benchmarks.measuring.race import Contestant, Race, measure_errors
from benchmarks.page import table
from benchmarks.providers.everyone import PROVIDERS
from benchmarks.providers.provider import REMEDY, LossFunction, Provider

TINY = Suite("tiny", (nt_xent(8, 4),), ("fused", "eager", "chunked"), rounds=9, patience_s=0.0)


@pytest.fixture(autouse=True)
def short_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "SAMPLE_S", 0.0)


def raced(suite: Suite) -> Race:
    return Race(suite, suite.cells[0])


def test_each_round_runs_everybody_once_and_the_first_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log: list[str] = []

    def sample(contestant: Contestant) -> None:
        log.append(contestant.name)
        contestant.times_ms.append(1.0)

    monkeypatch.setattr(Contestant, "sample", sample)
    raced(TINY).run()
    rounds = [log[i : i + 3] for i in range(0, len(log), 3)]
    assert rounds[:3] == [
        ["fused", "eager", "chunked"],
        ["eager", "chunked", "fused"],
        ["chunked", "fused", "eager"],
    ]
    assert rounds == rounds[:3] * 3


def test_ratios_are_over_ours_in_the_same_kept_round() -> None:
    entered = raced(TINY)
    for runner, factor in zip(entered.runners, (1.0, 3.0, 2.0), strict=True):
        runner.times_ms = [factor * (i + 1) for i in range(9)]
    entered.foreign = [0.0] * 7 + [0.5, 0.5]
    ours, eager, chunked = entered.records()
    assert ours.times_ms == (1, 2, 3, 4, 5, 6, 7) and ours.rounds_discarded == 2
    assert eager.ratios == pytest.approx([3] * 7) and chunked.ratios == pytest.approx([2] * 7)
    assert eager.foreign_cpu == (0.0,) * 7


def test_a_record_says_what_was_measured_where() -> None:
    for found in raced(TINY).run():
        assert found.not_run is None and len(found.times_ms) in {7, 8, 9}
        assert found.gradient_error is not None and found.gradient_error < 1e-5
        assert found.cell.threads == 2
        assert {
            "commit",
            "dirty",
            "python",
            "packages",
            "cpu",
            "cores",
            "kernels",
            "variables",
            "ceilings",
        } <= {*found.environment}
        assert found.package.split()[1][0].isdigit()


def test_a_peer_that_is_not_installed_is_listed_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    absent = Provider("peer", PROVIDERS["eager"].builders, package="peer", module="no_such_module")
    monkeypatch.setitem(PROVIDERS, "peer", absent)
    suite = Suite("tiny", TINY.cells, ("fused", "peer"), rounds=7, patience_s=0.0)
    ours, peer = raced(suite).run()
    assert ours.not_run is None
    assert (
        peer.not_run
        == f"not installed (No module named 'no_such_module'): {REMEDY.format('bench')}"
    )
    assert table.left_out([ours, peer]) == [f"peer: {peer.not_run}"]
    assert "not installed" in table.races([ours, peer])[2]


def test_a_size_that_a_peer_cannot_run_is_listed() -> None:
    cubic = PROVIDERS["pytorch-metric-learning"]
    assert cubic.why_not(nt_xent(512, 64)) == "runs up to 256 rows"


def test_without_ours_the_others_race_and_there_are_no_ratios() -> None:
    names = ("pytorch-metric-learning", "eager")
    suite = Suite("tiny", (nt_xent(512, 4),), names, rounds=7, patience_s=0.0)
    race = raced(suite)
    assert race.first is None
    ours, eager = race.run()
    assert ours.not_run == "runs up to 256 rows"
    assert len(eager.times_ms) == 7 and eager.ratio is None


def test_a_peer_that_fails_is_listed_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def build(cell: LossCell) -> LossFunction:
        raise ValueError("no such shape\nmore")

    monkeypatch.setitem(PROVIDERS, "broken", Provider("broken", {"nt_xent": build}))
    suite = Suite("tiny", TINY.cells, ("fused", "broken"), rounds=7, patience_s=0.0)
    ours, broken = raced(suite).run()
    assert ours.ratio is not None and broken.not_run == "failed: ValueError: no such shape"


def test_slow_rounds_are_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "SLOW_ROUND_MS", 0.0)
    assert raced(TINY).rounds == 7 < TINY.rounds


def test_errors_alone_are_records_too() -> None:
    cell = nt_xent(64, 16, temperature=0.0125)
    ours, eager = measure_errors(ACCURACY, cell)
    assert ours.suite == "accuracy" and not ours.times_ms
    assert ours.gradient_error is not None and eager.gradient_error is not None


@pytest.mark.parametrize("suite", [*SUITES, ACCURACY, MEMORY], ids=lambda s: f"{s.name}-{s.work}")
def test_every_suite_names_providers_of_its_loss_and_cells_once(suite: Suite) -> None:
    assert len(set(suite.cells)) == len(suite.cells)
    for name in suite.providers:
        assert suite.work in PROVIDERS[name].builders


def test_a_suite_has_one_loss() -> None:
    with pytest.raises(ValueError, match="one work on one device"):
        Suite("mixed", (nt_xent(8, 4), LossCell("distillation", 8, 4)), ("fused",))
