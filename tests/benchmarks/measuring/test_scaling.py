"""Curves with points that nobody measured, processes that end in every way, and small real ones."""

import json
import resource
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import run
from benchmarks.grid import LossCell, Suite
from benchmarks.grid.losses import distillation, nt_xent
from benchmarks.measuring import resident, scaling
from benchmarks.measuring.scaling import Found, measure_curves, measured, timed, understood
from benchmarks.records.record import Record, read

CURVE = Suite("scaling", tuple(nt_xent(2**k, 128) for k in range(8, 14)), ("fused", "eager"))


def curves(suite: Suite, points: dict[str, list[Found]], patience_s: float = 30.0) -> list[Record]:
    """The records of a suite whose providers find these points, one after the other."""
    left = {name: iter(found) for name, found in points.items()}
    return [*measure_curves(suite, patience_s, lambda name, cell, _: next(left[name]))]


def point(ms: float, mb: float = 1.0) -> Found:
    return Found((ms, ms, 100 * ms), mb)


def told(records: list[Record], name: str) -> list[tuple[int, float | None, str | None]]:
    return [
        (r.cell.rows, r.median_ms, r.not_run)
        for r in records
        if r.provider == name and isinstance(r.cell, LossCell)
    ]


def test_a_curve_ends_where_its_provider_refuses_and_the_others_go_on() -> None:
    full = Found(not_run="refused: out of memory (needs more than 1.0 GB)")
    records = curves(
        CURVE, {"fused": [point(1.0)] * 6, "eager": [point(2.0), point(8.0, 7.5), full]}
    )
    assert told(records, "eager") == [
        (256, 2.0, None),
        (512, 8.0, None),
        (1024, None, full.not_run),
    ]
    assert [rows for rows, _, _ in told(records, "fused")] == [2**k for k in range(8, 14)]
    assert [r.peak_mb for r in records if r.provider == "eager"] == [1.0, 7.5, None]
    assert all(not r.ratios and r.suite == "scaling" and r.ours == "fused" for r in records)


@pytest.mark.parametrize(("cell", "growth"), [(nt_xent, 4), (distillation, 2)])
def test_a_step_that_would_take_too_long_is_not_tried(cell: object, growth: int) -> None:
    cells = tuple(cell(n, 100) for n in (256, 512, 1024))  # type: ignore[operator]
    suite = Suite("scaling", cells, ("fused",))
    last = point(1000 * 30 / growth)
    assert told(curves(suite, {"fused": [last] * 3}), "fused")[-1][1] is not None
    slower = replace(last, times_ms=(1000 * 31 / growth,))
    records = curves(suite, {"fused": [last, slower]})
    assert told(records, "fused")[-1] == (1024, None, "refused: a step would take ~31 s")


def test_a_peer_that_is_not_installed_is_listed_once() -> None:
    suite = Suite("scaling", CURVE.cells[:3], ("fused", "lightly"))
    missing = replace(scaling.PROVIDERS["lightly"], module="no_such_module")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(scaling.PROVIDERS, "lightly", missing)
        records = curves(suite, {"fused": [point(1.0)] * 3, "lightly": []})
    ((rows, _, reason),) = told(records, "lightly")
    assert rows == 256 and (reason or "").startswith("not installed")


def test_the_limit_of_a_race_is_none_here() -> None:
    """Eager races up to 16384 rows."""
    suite = Suite("scaling", (nt_xent(2**20, 128),), ("eager",))
    assert told(curves(suite, {"eager": [point(1.0)]}), "eager") == [(2**20, 1.0, None)]


def test_records_are_written_as_they_come_so_that_an_interrupt_loses_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(name: str, cell: LossCell, _: float) -> Found:
        if cell.rows == 512:
            raise KeyboardInterrupt
        return point(1.0)

    monkeypatch.setattr(scaling, "in_a_process", interrupted)
    monkeypatch.setattr(run, "with_environment", lambda _: None)
    monkeypatch.setattr("benchmarks.measuring.ceilings.ceilings", lambda *_: {"copy_gb_s": 1.5})
    command = ["run", "scaling", "--loss", "distillation", "--record", str(tmp_path)]
    monkeypatch.setattr("sys.argv", command)
    with pytest.raises(KeyboardInterrupt):
        run.main()
    found = read(tmp_path)
    assert [r.provider for r in found] == ["fused", "chunked", "eager", "compile"]
    assert all(r.environment["ceilings"] == {"copy_gb_s": 1.5} for r in found)


@pytest.mark.parametrize(
    ("code", "err", "reason"),
    [
        (-9, "", "refused: out of memory (killed by the system)"),
        (1, "terminate called\n  what():  std::bad_alloc\n", "refused: out of memory"),
        (1, "Traceback\nTypeError: no such argument\n", "failed: TypeError: no such argument"),
        (-11, "", "failed: exit code -11"),
    ],
)
def test_a_process_that_failed_says_why(code: int, err: str, reason: str) -> None:
    assert understood(code, "", err) == Found(not_run=reason)


def test_what_a_peer_prints_before_its_point_is_no_matter() -> None:
    found = json.dumps({"times_ms": [1.5, 2.5], "peak_mb": 3.0, "not_run": None})
    assert understood(0, f"hello\n{found}\n", "") == Found((1.5, 2.5), 3.0)


def test_a_process_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def hangs(*_: object, timeout: float, **__: object) -> None:
        raise subprocess.TimeoutExpired("python", timeout)

    monkeypatch.setattr(subprocess, "run", hangs)
    limit = scaling.STARTING_S + scaling.LONGEST_STEPS * 10
    found = scaling.in_a_process("fused", nt_xent(256, 128), 10.0)
    assert found.not_run == f"refused: no answer within {limit:.0f} s"


def test_calls_are_as_many_as_fit_into_the_time_and_one_at_least() -> None:
    for each_s, calls in ((0.0, scaling.CALLS), (0.5, 4), (30.0, 1)):
        now = [0.0]

        def call_ms(each_s: float = each_s, now: list[float] = now) -> float:
            now[0] += each_s
            return 1000 * each_s

        assert timed(call_ms, lambda now=now: now[0]) == [1000 * each_s] * calls  # type: ignore[misc]


def test_a_process_that_may_not_have_the_memory_says_how_much_it_may(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """80 % of 150 MB hold no matrix of 8192 x 8192, which is 268 MB."""
    monkeypatch.setattr(resident, "available_bytes", lambda: 150_000_000)
    before = resource.getrlimit(resource.RLIMIT_DATA)
    try:
        found = measured("eager", nt_xent(8192, 16))
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)
    assert found.not_run == "refused: out of memory (needs more than 0.1 GB)"


def test_an_error_of_another_kind_is_no_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str, cell: LossCell) -> Found:
        raise RuntimeError("sizes do not match")

    monkeypatch.setattr(scaling, "_on_cpu", broken)
    monkeypatch.setattr(resident, "limit", lambda _: None)
    with pytest.raises(RuntimeError, match="sizes do not match"):
        measured("fused", nt_xent(256, 128))


def test_only_the_process_itself_is_limited() -> None:
    before = resource.getrlimit(resource.RLIMIT_DATA)
    found = scaling.in_a_process("eager", nt_xent(256, 16), 30.0)
    assert found.not_run is None and len(found.times_ms) == scaling.CALLS
    assert found.peak_mb is not None and 0 <= found.peak_mb < 50
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
