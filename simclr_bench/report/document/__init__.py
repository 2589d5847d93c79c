"""The document: everything that `--json` prints, built from records and the paper's tables.

Every view reads this document and nothing else, so they cannot disagree. `schema.json` in
simclr_bench/report describes it; objects there are closed.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from simclr_bench.experiments.planning.jobs import Plan
from simclr_bench.experiments.profiles import Profile
from simclr_bench.paper.equal import equal_runs
from simclr_bench.paper.official import OFFICIAL, Official
from simclr_bench.report.document.checklist import build_checklist
from simclr_bench.report.document.controls import build_controls
from simclr_bench.report.document.figures import build_figures
from simclr_bench.report.document.measured import JSON, Measured, current, measured_series
from simclr_bench.report.document.provenance import (
    data_of,
    encoder_check,
    environment_of,
    words_for,
)
from simclr_bench.report.document.tables import Context, build_tables
from simclr_bench.results.store import Record
from simclr_bench.verdicts.cells import MARGIN

SCHEMA_VERSION = 2


def build_document(
    plan: Plan,
    records: Mapping[str, Record],
    profile: Profile,
    run_directory: str,
    margin: float = MARGIN,
    stale: Sequence[JSON] = (),
    official: Official = OFFICIAL,
    missing: int = 0,
) -> JSON:
    """Builds the document.

    A series with records for fewer than two seeds is left out: it has no interval.

    Args:
        plan: Which jobs make which row.
        records: By key of the job.
        profile: What the data and the encoder were.
        run_directory: Where the records are.
        margin: The difference in accuracy that matters.
        stale: Series whose records are of another configuration, code or data: section, label,
            variant, seeds and reason. They are shown, and nothing is concluded from them.
        official: What counts as the paper's own data and weights.
        missing: How many jobs of what was asked for have no record.

    Raises:
        ValueError: No job of the plan has a record.
    """
    found = [records[job.key] for job in plan.jobs if job.key in records]
    if not found:
        raise ValueError(f"build_document: {run_directory} has no record of what is asked for")
    measured = measured_series(plan.series, records, stale)
    sections: dict[str, list[Measured]] = defaultdict(list)
    for each in measured:
        sections[each.section].append(each)
    context = Context(
        profile=profile.name,
        run_directory=run_directory,
        margin=margin,
        official=official,
    )
    tables = build_tables(sections, context)
    newest = [job for each in current(measured) for job in each.jobs] or plan.jobs
    document: JSON = {
        "schema_version": SCHEMA_VERSION,
        "profile": {"name": profile.name, "label": profile.label, "notice": profile.notice},
        "run_directory": run_directory,
        "words": words_for(profile.name),
        "environment": environment_of(found),
        "encoder": {
            "key": newest[0].inputs["encoder"],
            "check": encoder_check(current(sections["encoder check"])),
        },
        "data": data_of(measured),
        "tables": tables,
        "figures": build_figures(sections),
        "controls": build_controls(sections),
        "equal_runs": _equal_runs({table["id"] for table in tables}),
        "stale": [dict(each) for each in stale],
    }
    return document | {"checklist": build_checklist(document, found, len(plan.jobs), missing)}


def _equal_runs(tables: set[str]) -> list[JSON]:
    """Equal printed lines of which at least one is in the document."""
    return [
        {
            "runs": [asdict(run) for run in equal.runs],
            "experiment": {
                name: list(value) if isinstance(value, tuple) else value
                for name, value in asdict(equal.experiment).items()
            },
            "note": equal.note,
        }
        for equal in equal_runs()
        if any(run.table in tables for run in equal.runs)
    ]
