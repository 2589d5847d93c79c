"""Who is asked when, what a disturbed round costs, and what cannot be compared."""

from collections.abc import Callable
from typing import Any

import pytest

from benchmarks.comparing import rounds
from benchmarks.comparing.rounds import Duel, Raced, calls_in, shares
from benchmarks.grid import LossCell
from benchmarks.grid.losses import distillation, nt_xent
from benchmarks.measuring.machine import Clock
from simclr_bench.errors import DataError, JobError
from tests.benchmarks.comparing.invented import Invented

SMALL, LARGE, OTHER = nt_xent(64, 16), nt_xent(128, 16), distillation(64, 5)


@pytest.fixture(autouse=True)
def foreign(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What others use of the machine in the tries to come; nothing once the list is empty."""
    found: list[float] = []
    monkeypatch.setattr(rounds, "foreign_share", lambda a, b: found.pop(0) if found else 0.0)
    monkeypatch.setattr(rounds, "wait_until_idle", lambda limit_s: 1.0)
    return found


def duel(log: list[Any], cells: tuple[LossCell, ...] = (SMALL,), **changes: Any) -> Duel:
    new = {"ms": lambda cell: 2.0}
    return Duel(
        lambda: Invented("A", log, **changes.get("base", {})),  # type: ignore[arg-type, return-value]
        lambda: Invented("B", log, **{**new, **changes.get("new", {})}),  # type: ignore[arg-type, return-value]
        cells,
        changes.get("checks", ()),
    )


@pytest.mark.parametrize(
    ("wanted", "found"), [(5, [5]), (8, [4, 4]), (12, [4, 4, 4]), (14, [5, 5, 4])]
)
def test_rounds_are_shared_out_evenly(wanted: int, found: list[int]) -> None:
    assert shares(wanted) == found


@pytest.mark.parametrize(
    ("warm_ms", "calls"), [(1000, 5), (25, 5), (10, 10), (1, 100), (0.01, 500), (0, 500)]
)
def test_a_sample_is_a_multiple_of_five_calls(warm_ms: float, calls: int) -> None:
    assert calls_in(warm_ms) == calls


def test_the_first_changes_each_round_and_the_workers_every_few() -> None:
    log: list[Any] = []
    (raced,) = duel(log).run(8)
    who = "".join(name for name, _ in log)
    words = [word for _, word in log]
    start, end = [*["hello"] * 3, *["enter"] * 3], ["end"] * 3
    assert words == [*start, *[5] * 12, *end] * 2
    assert who[6:18] == "ABAAABBAABAA" and who[27:39] == "AABABAABAAAB"
    assert raced.base_ms == raced.again_ms == [1.0] * 8
    assert raced.new_ms == [2.0] * 8 and raced.repeated == 0


def test_the_speed_of_the_machine_is_no_part_of_the_times() -> None:
    speeds = [1.0, 1.5, 3.0, 1.2, 0.8]
    raced = Raced(
        SMALL,
        base_ms=[10 * each for each in speeds],
        new_ms=[12 * each for each in speeds],
        again_ms=[11 * each for each in speeds],
    )
    base, new = raced.steady_ms
    assert base == pytest.approx([12.0] * 5)  # at 1.2, the median speed
    assert new == pytest.approx([14.4] * 5)


def test_the_order_goes_on_where_the_workers_before_have_left_it() -> None:
    log: list[Any] = []
    duel(log).run(9)
    timed = "".join(name for name, word in log if word == 5)
    assert timed == "ABA AAB BAA BAA AAB ABA ABA AAB BAA".replace(" ", "")


def test_each_cell_has_a_round_before_any_has_the_next() -> None:
    asked: list[Any] = []

    def ms(cell: dict[str, Any]) -> float:
        asked.append(cell["rows"])
        return 1.0

    duel([], (SMALL, LARGE), base={"ms": ms}).run(8)
    assert asked == [64, 64, 128, 128] * 8


def test_a_disturbed_round_is_tried_again_and_the_least_disturbed_counts(
    foreign: list[float],
) -> None:
    foreign += [0.5, 0.01, 0.5, 0.2, 0.3]
    tries = [9.0, 1.0, 9.0, 1.5, 9.0, *[1.0] * 6]
    slow = iter([ms for each in tries for ms in (each, each)])
    (raced,) = duel([], base={"ms": lambda cell: next(slow)}).run(8)
    assert raced.foreign == [0.01, 0.2, *[0.0] * 6]
    assert raced.base_ms == [1.0, 1.5, *[1.0] * 6] and raced.repeated == 3


def test_patience_ends(foreign: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "PATIENCE_S", 1.0)
    foreign += [0.5] * 9
    (raced,) = duel([]).run(8)
    assert raced.repeated == 1 and raced.foreign == [0.5] * 8


def test_what_the_workers_used_is_not_foreign(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[float] = []

    def share(start: Clock, end: Clock) -> float:
        seen.append(end.own_s - start.own_s)
        return 0.0

    monkeypatch.setattr(rounds, "foreign_share", share)
    duel([]).run(8)
    assert all(1.5 <= own_s < 2.0 for own_s in seen)


Fails = Callable[[dict[str, Any]], str | None]


def unknown(loss: str) -> Fails:
    return lambda cell: f"ImportError: no {loss}" if cell["loss"] == loss else None


def test_what_the_base_does_not_know_is_named_and_the_rest_is_raced() -> None:
    log: list[Any] = []
    cells = (OTHER, SMALL)
    other, small = duel(log, cells, base={"fails": unknown("distillation")}).run(8)
    assert other.not_comparable == "A: ImportError: no distillation" and not other.base_ms
    assert small.not_comparable is None and len(small.new_ms) == 8
    # Once in each pair of workers is enough, and the new build is not asked at all.
    assert [name for name, word in log if word == "enter"] == ["A", *"ABA", *"ABA"]


def test_nothing_to_compare_is_a_failure_and_no_verdict() -> None:
    with pytest.raises(JobError, match="no cell can be compared; A: ImportError: no nt_xent"):
        duel([], base={"fails": unknown("nt_xent")}).run(8)


def test_what_the_new_build_cannot_run_is_a_failure_and_the_workers_end() -> None:
    log: list[Any] = []
    with pytest.raises(JobError, match=r"B fails in nt_xent-N64.*: ImportError: no nt_xent"):
        duel(log, new={"fails": unknown("nt_xent")}).run(8)
    assert log[-2:] == [("B", "end"), ("A", "end")]


def test_a_build_that_does_not_start_is_a_failure() -> None:
    with pytest.raises(JobError, match="A: OSError: libgone"):
        duel([], base={"hello": {"error": "OSError: libgone"}}).run(8)


def test_a_build_is_checked_by_what_it_says_of_itself() -> None:
    def check(found: str | None) -> None:
        if found == "old":
            raise DataError("older")

    hello = {"kernels": "avx2", "source_hash": "old"}
    with pytest.raises(DataError, match="older"):
        duel([], new={"hello": hello}, checks=(lambda found: None, check)).run(8)
