"""What a command says of jobs that failed, once everything else has been printed."""

from collections.abc import Mapping

from simclr_bench.errors import JobError
from simclr_bench.experiments.planning.jobs import Plan
from simclr_bench.results.store import Record


def refuse_failed(plan: Plan, records: Mapping[str, Record]) -> None:
    """Ends the command if a job of the plan failed; one that diverged is a result.

    Raises:
        JobError: A job failed.
    """
    failed = [job for job in plan.jobs if records[job.key].status == "failed"]
    if not failed:
        return
    others = f" and {len(failed) - 1} other jobs" if len(failed) > 1 else ""
    raise JobError(
        f"{failed[0].title}: {records[failed[0].key].reason}{others}; what is finished is kept, and"
        " the same command tries again"
    )
