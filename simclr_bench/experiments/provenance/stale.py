"""Which old record stood where a planned job has none yet, and what has changed since."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from simclr_bench.experiments.planning.jobs import Job
from simclr_bench.results.store import Record
from simclr_bench.storage.files import canonical_json

# What tells one place of the tables from another; every other setting may have changed over time.
# Iterations are not here although series differ in them: a change of theirs makes a cell stale.
IDENTITY = ("seed", "batch_size", "augment", "student", "learns_from", "class_count", "weights")


@dataclass(frozen=True, kw_only=True)
class Stale:
    """An earlier result for the place of a planned job.

    Attributes:
        record: The earlier record; it is never mixed with current ones.
        reasons: What differs, such as "settings.learning_rate 0.2, now 0.1" or "other code".
    """

    record: Record
    reasons: tuple[str, ...]


def find_stale(planned: Iterable[Job], records: Iterable[Record]) -> dict[str, Stale]:
    """The earlier result of each planned job that has no record, where there is one.

    A record is an earlier result only of those planned jobs that it differs least from, and of one
    of them at most; one that is itself planned is none, nor is a failed one.

    Args:
        planned: Every job of the plan.
        records: Every record of the run directory.

    Returns:
        By the planned job's key.
    """
    records = list(records)
    jobs = {job.key: job for job in planned}
    present = {record.key for record in records}
    places: dict[str, list[Job]] = defaultdict(list)
    for job in jobs.values():
        places[_place(job.as_dict())].append(job)

    pairs: list[tuple[Job, Stale]] = []
    for record in records:
        if record.key in jobs or record.status == "failed":
            continue
        pairings = [
            (job, Stale(record=record, reasons=_changes(record.job, job.as_dict())))
            for job in places[_place(record.job)]
        ]
        fewest = min((len(stale.reasons) for _, stale in pairings), default=0)
        pairs += [
            (job, stale)
            for job, stale in pairings
            if len(stale.reasons) == fewest and job.key not in present
        ]

    order = list(jobs)
    pairs.sort(key=lambda pair: order.index(pair[0].key))
    pairs.sort(key=lambda pair: pair[1].record.started, reverse=True)
    pairs.sort(key=lambda pair: len(pair[1].reasons))
    found: dict[str, Stale] = {}
    taken: set[str] = set()
    for job, stale in pairs:
        if job.key not in found and stale.record.key not in taken:
            found[job.key] = stale
            taken.add(stale.record.key)
    return found


def _place(job: Mapping[str, Any]) -> str:
    identity = [job["settings"].get(name) for name in IDENTITY]
    return canonical_json([job["kind"], job["profile"], job["dataset"], identity])


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[str, ...]:
    reasons = []
    if old["classes"] != new["classes"]:
        reasons.append(f"classes {old['classes']}, now {new['classes']}")
    before, now = _flat("settings", old["settings"]), _flat("settings", new["settings"])
    for name in sorted({*before, *now}):
        was, is_ = before.get(name, "absent"), now.get(name, "absent")
        if was != is_:
            reasons.append(f"{name} {was}, now {is_}")
    inputs = sorted({*old["inputs"], *new["inputs"]})
    reasons += [f"other {n}" for n in inputs if old["inputs"].get(n) != new["inputs"].get(n)]
    return tuple(reasons)


def _flat(name: str, value: Any) -> dict[str, str]:
    """Every value within a setting as canonical text, by its dotted name."""
    if isinstance(value, dict):
        return {n: text for key in value for n, text in _flat(f"{name}.{key}", value[key]).items()}
    return {name: canonical_json(value)}
