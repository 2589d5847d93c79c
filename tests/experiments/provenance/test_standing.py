"""Which records stand, which are stale, and that a row never mixes them."""

from collections.abc import Mapping
from dataclasses import replace

from simclr_bench.experiments.planning.jobs import Job, Plan
from simclr_bench.experiments.planning.plan import Request, plan_reproduction
from simclr_bench.experiments.provenance.standing import Standing, standing
from simclr_bench.results.store import Record
from tests.experiments.planning.test_plan import INPUTS, SOURCES

CURRENT = {
    "head": INPUTS.of("head"),
    "converged": INPUTS.of("converged"),
    "student vgg16": INPUTS.of("student", "", "vgg16"),
    "student resnet50": INPUTS.of("student", "", "resnet50"),
}


def plan(inputs=INPUTS, **probe: float) -> Plan:
    request = Request(targets=("table 1",), seeds=(0, 1, 2), probe=probe)
    return plan_reproduction(request, replace(SOURCES, inputs=inputs.of))


def record(job: Job) -> Record:
    return Record(
        key=job.key,
        job=job.as_dict(),
        status="done",
        reason="",
        metrics={},
        details={},
        predictions=None,
        environment={},
        started="2026-01-01T00:00:00+00:00",
        seconds=1.0,
    )


def found(
    of: Plan, records: list[Record], current: Mapping[str, Mapping[str, str]] = CURRENT
) -> Standing:
    def now(job: Job) -> Mapping[str, str]:
        return current[f"student {job.settings['student']}" if job.kind == "student" else job.kind]

    return standing(of, records, now)


def test_records_of_today_stand() -> None:
    wanted = plan()
    records = [record(job) for job in wanted.jobs]
    result = found(wanted, records)
    assert result.plan == wanted and result.missing == 0 and not result.stale
    assert result.records == {each.key: each for each in records}


def test_records_of_other_code_are_shown_as_stale() -> None:
    wanted = plan()
    now = {**CURRENT, "head": {"code": "other", "encoder": "e"}}
    result = found(wanted, [record(job) for job in wanted.jobs], now)
    assert [each["reason"] for each in result.stale] == ["other code"] * 8
    assert result.stale[0]["seeds"] == [0, 1, 2]
    assert len(result.records) == 24 and result.missing == 0


def test_a_changed_code_of_students_leaves_heads_alone() -> None:
    wanted = plan()
    now = {**CURRENT, "student vgg16": {"code": "x", "encoder": "e", "base": "v"}}
    assert not found(wanted, [record(job) for job in wanted.jobs], now).stale


def test_records_of_other_settings_are_shown_as_stale_where_new_ones_are_missing() -> None:
    before, now = plan(learning_rate=0.2), plan()
    result = found(now, [record(job) for job in before.jobs])
    assert {each["reason"] for each in result.stale} == {"settings.learning_rate 0.2, now 0.1"}
    assert {r.key for r in result.records.values()} == {job.key for job in before.jobs}
    assert {job.key for s in result.plan.series for job in s.jobs} == set(result.records)


def test_a_row_with_one_current_record_shows_current_ones_only() -> None:
    before, now = plan(learning_rate=0.2), plan()
    first = now.series[0].jobs[0]
    result = found(now, [record(job) for job in before.jobs] + [record(first)])
    assert [key for key in result.records if key in {j.key for j in now.series[0].jobs}] == [
        first.key
    ]
    assert result.plan.series[0] == now.series[0]
    assert all(each["label"] != now.series[0].label for each in result.stale)


def test_what_was_never_run_is_counted_as_missing() -> None:
    wanted = plan()
    half = [record(job) for job in wanted.series[0].jobs]
    result = found(wanted, half)
    assert result.missing == 24 - 3 and len(result.records) == 3


def test_another_encoder_is_named() -> None:
    wanted = plan()
    other = {kind: {**inputs, "encoder": "new"} for kind, inputs in CURRENT.items()}
    result = found(wanted, [record(job) for job in wanted.jobs], other)
    assert {each["reason"] for each in result.stale} == {"other encoder"}
    both = {kind: {**inputs, "code": "new"} for kind, inputs in other.items()}
    result = found(wanted, [record(job) for job in wanted.jobs], both)
    assert {each["reason"] for each in result.stale} == {"other code; other encoder"}
    assert replace(INPUTS, encoder="new").of("head") == other["head"]
