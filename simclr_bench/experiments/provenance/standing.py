"""Which records of a run directory still stand: of today's code, data, encoder and settings."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from simclr_bench.experiments.planning.jobs import Job, Plan, Series
from simclr_bench.experiments.provenance.stale import find_stale
from simclr_bench.results.store import Record

Inputs = Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A plan as far as records exist for it.

    Attributes:
        plan: The plan; where all records of a series are stale, with the jobs that made those.
        records: By key; a series has either current records or stale ones, never both.
        stale: The series shown from stale records: section, label, variant, seeds and reason.
        missing: Jobs of the plan that have neither kind of record.
    """

    plan: Plan
    records: dict[str, Record]
    stale: tuple[dict[str, Any], ...]
    missing: int


def standing(plan: Plan, records: Iterable[Record], current: Callable[[Job], Inputs]) -> Standing:
    """Sorts records into those that stand, those that are stale, and the rest.

    Args:
        plan: What the run directory was last asked for.
        records: All of its records.
        current: Hashes of what a job reads, as they are now; of inputs that it does not name
            nothing is known.
    """
    records = list(records)
    by_key = {record.key: record for record in records}
    earlier = find_stale(plan.jobs, records)
    shown: list[Series] = []
    kept: dict[str, Record] = {}
    stale: list[dict[str, Any]] = []
    missing = 0
    for series in plan.series:
        fresh: list[Record] = []
        old: list[tuple[Record, tuple[str, ...]]] = []
        for job in series.jobs:
            record = by_key.get(job.key)
            changed = _changed(job, current(job))
            if record is not None and not changed:
                fresh.append(record)
            elif record is not None:
                old.append((record, changed))
            elif job.key in earlier:
                old.append((earlier[job.key].record, earlier[job.key].reasons))
            else:
                missing += 1
        if fresh or not old:
            shown.append(series)
            kept |= {record.key: record for record in fresh}
            continue
        jobs = tuple(Job(**record.job) for record, _ in old)
        shown.append(
            Series(section=series.section, label=series.label, variant=series.variant, jobs=jobs)
        )
        kept |= {record.key: record for record, _ in old}
        reasons = dict.fromkeys(reason for _, why in old for reason in why)
        stale.append(
            {
                "section": series.section,
                "label": series.label,
                "variant": series.variant,
                "seeds": [job.seed for job in jobs],
                "reason": "; ".join(reasons),
            }
        )
    return Standing(
        plan=Plan(profile=plan.profile, targets=plan.targets, series=tuple(shown)),
        records=kept,
        stale=tuple(stale),
        missing=missing,
    )


def _changed(job: Job, now: Inputs) -> tuple[str, ...]:
    return tuple(f"other {what}" for what, was in job.inputs.items() if now.get(what, was) != was)
