"""Which old record stood in the place of a planned job, by hand."""

from dataclasses import replace
from typing import Any

from simclr_bench.experiments.planning.jobs import Job
from simclr_bench.experiments.provenance.stale import Stale, find_stale
from simclr_bench.results.store import Record

SETTINGS: dict[str, Any] = {
    "seed": 0,
    "batch_size": 64,
    "augment": ["crop", "flip"],
    "learning_rate": 0.1,
    "iterations": 100,
}


def job(code: str = "c2", encoder: str = "e", kind: str = "head", **settings: Any) -> Job:
    return Job(
        kind=kind,
        profile="embedded",
        dataset="dtd",
        classes=47,
        settings={**SETTINGS, **settings},
        inputs={"code": code, "encoder": encoder},
    )


def record(of: Job, day: int = 1, status: Any = "done") -> Record:
    return Record(
        key=of.key,
        job=of.as_dict(),
        status=status,
        reason="",
        metrics={},
        details={},
        predictions=None,
        environment={},
        started=f"2026-01-{day:02}T00:00:00+00:00",
        seconds=1.0,
    )


def reasons(found: dict[str, Stale], of: Job) -> tuple[str, ...]:
    return found[of.key].reasons


def test_a_job_with_a_record_is_not_stale() -> None:
    assert find_stale([job()], [record(job()), record(job(code="c1"))]) == {}


def test_an_empty_store_has_nothing_stale() -> None:
    assert find_stale([job()], []) == {}


def test_what_differs_is_named_old_first() -> None:
    old = job(code="c1", encoder="e1", learning_rate=0.2)
    found = find_stale([job()], [record(old)])
    assert found[job().key].record.key == old.key
    assert reasons(found, job()) == (
        "settings.learning_rate 0.2, now 0.1",
        "other code",
        "other encoder",
    )


def test_settings_within_settings_and_absent_ones_are_named() -> None:
    new = job(teacher={"iterations": 50, "momentum": 0.9}, color_strength=0.3)
    old = job(teacher={"iterations": 40, "momentum": 0.9}, optimizer="lars")
    assert reasons(find_stale([new], [record(old)]), new) == (
        "settings.color_strength absent, now 0.3",
        'settings.optimizer "lars", now absent',
        "settings.teacher.iterations 40, now 50",
    )


def test_another_number_of_classes_and_other_data_are_named() -> None:
    new = replace(job(), inputs={"code": "c2", "data": "d2"})
    old = replace(job(), inputs={"code": "c2", "data": "d1"}, classes=46)
    assert reasons(find_stale([new], [record(old)]), new) == ("classes 46, now 47", "other data")


def test_another_place_is_never_stale() -> None:
    elsewhere = [
        job(code="c1", seed=1),
        job(code="c1", batch_size=32),
        job(code="c1", augment=["flip"]),
        job(code="c1", class_count=5),
        job(code="c1", kind="converged"),
        replace(job(code="c1"), dataset="cifar10"),
        replace(job(code="c1"), profile="folder"),
    ]
    assert find_stale([job()], [record(other) for other in elsewhere]) == {}


def test_a_tuple_in_memory_is_the_list_of_the_record() -> None:
    old = record(job(code="c1"))
    assert reasons(find_stale([job(augment=("crop", "flip"))], [old]), job()) == ("other code",)


def test_the_fewest_differences_win_and_then_the_newest() -> None:
    far = record(job(code="c1", learning_rate=0.2), day=9)
    near, nearer = record(job(code="c0"), day=2), record(job(code="c1"), day=3)
    for records in ([far, near, nearer], [nearer, near, far]):
        assert find_stale([job()], records)[job().key].record == nearer


def test_a_failed_record_is_no_earlier_result_and_a_diverged_one_is() -> None:
    old = job(code="c1")
    assert find_stale([job()], [record(old, status="failed")]) == {}
    assert find_stale([job()], [record(old, status="diverged")])[job().key].record.key == old.key


def test_series_that_differ_in_iterations_keep_their_own_records() -> None:
    short, long = job(iterations=100), job(iterations=200)
    old = [record(job(code="c1", iterations=n), day=n // 50) for n in (100, 200)]
    for planned in ([short, long], [long, short]):
        found = find_stale(planned, old)
        assert reasons(found, short) == reasons(found, long) == ("other code",)


def test_a_new_series_is_not_stale_for_the_old_record_of_its_sibling() -> None:
    """Whether or not the sibling has been run again, and however often it was before."""
    sibling, new = job(iterations=100), job(iterations=200)
    old = [record(job(code=code, iterations=100)) for code in ("c0", "c1")]
    assert find_stale([sibling, new], old).keys() == {sibling.key}
    assert find_stale([sibling, new], [*old, record(sibling)]) == {}


def test_a_record_that_is_itself_planned_is_no_earlier_result() -> None:
    planned, other = job(iterations=100), job(iterations=200)
    assert find_stale([planned, other], [record(planned)]) == {}


def test_a_record_goes_to_one_job_only() -> None:
    """Both are new settings, equally far from the one old record: the first of the plan has it."""
    first, second = job(iterations=150), job(iterations=300)
    found = find_stale([first, second], [record(job(iterations=100))])
    assert found.keys() == {first.key}
    assert reasons(found, first) == ("settings.iterations 100, now 150",)
