"""The document: everything that `--json` prints, built from records and the paper's tables.

Terminal, figure and every later view read this document and nothing else, so they cannot disagree.
`schema.json` beside this file describes it; objects there are closed.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from simclr_bench.experiments.jobs import Job, Plan, PlannedRow
from simclr_bench.experiments.profiles import Profile
from simclr_bench.paper.spec import Claim, Ordered, Table
from simclr_bench.results.store import Record
from simclr_bench.verdicts.intervals import Mean, mean_interval, proportion_ends
from simclr_bench.verdicts.significance import fisher_p, order_p

SCHEMA_VERSION = 1

# The printed score is correct / n; the table says batch 64, and all five also fit 32.
PRINTED_N = 64
OTHER_N = 32

MEASUREMENTS = {
    "as_published": "accuracy of the last training batch, scored before its update",
    "heldout": "top-1 accuracy on the whole held-out split, after the last update",
    "gap": "as published minus held-out, seed by seed (the batch is augmented, held-out images are"
    " not)",
}
INTERVALS = (
    "95 %: Student t over seeds (each draws head, order and augmentation; the encoder and the"
    " held-out images are fixed, and their sampling is not covered)"
)
PAPER_INTERVALS = "; for the paper Clopper-Pearson, as if one batch"

Records = Mapping[str, Record]
JSON = dict[str, Any]


def build_document(
    plan: Plan, records: Records, profile: Profile, table: Table | None, run_directory: str
) -> JSON:
    """Builds the document of one table.

    Args:
        plan: Which job belongs to which cell.
        records: A record for every job of the plan, by key.
        profile: What the data and the encoder were.
        table: The paper's table, or None where the paper has none.
        run_directory: Where the records are.
    """
    rows = [_row(row, records, table) for row in plan.rows]
    described = [_data(job, records) for job in plan.jobs]
    return {
        "schema_version": SCHEMA_VERSION,
        "profile": {"name": profile.name, "label": profile.label, "notice": profile.notice},
        "run_directory": run_directory,
        "environment": _environment([records[job.key] for job in plan.jobs]),
        "encoder": {
            "key": plan.jobs[0].inputs["encoder"],
            "check": [_check(job, records[job.key]) for job in plan.checks],
        },
        "data": list({data["dataset"]: data for data in described}.values()),
        "tables": [
            {
                "id": plan.table,
                "caption": table.caption if table else "The protocol of table 4 on your images",
                "source": table.source if table else "protocol: arXiv:2108.00587v1, section 6.3",
                "measurements": MEASUREMENTS,
                "intervals": INTERVALS + (PAPER_INTERVALS if table else ""),
                "rows": rows,
                "claims": [_claim(claim, table, rows) for claim in table.claims] if table else [],
                "choices": dict(table.choices) if table else {},
                "notes": _notes(table, rows),
            }
        ],
        "figures": [],
    }


def _row(row: PlannedRow, records: Records, table: Table | None) -> JSON:
    outcomes = [records[job.key].outcome for job in row.jobs]
    settings = row.jobs[0].settings
    published = [outcome["as_published"]["value"] for outcome in outcomes]
    heldout = [outcome["heldout"]["value"] for outcome in outcomes]
    gap = [a - b for a, b in zip(published, heldout, strict=True)]
    seen = sum(outcomes[0]["batches"]["n"])
    return {
        "label": row.label,
        "dataset": row.dataset,
        "classes": row.classes,
        "chance": 1 / row.classes,
        "batch_size": row.batch_size,
        "iterations": len(outcomes[0]["batches"]["n"]),
        "examples_per_class": seen / row.classes,
        "seeds": [job.settings["seed"] for job in row.jobs],
        "settings": {name: value for name, value in settings.items() if name != "seed"},
        "paper": _paper(row, table),
        "as_published": _seeds(published, outcomes[0]["as_published"]["n"], clip=True),
        "heldout": _seeds(heldout, outcomes[0]["heldout"]["n"], clip=True),
        "gap": _seeds(gap, None, clip=False),
    }


def _seeds(values: Sequence[float], n: int | None, *, clip: bool) -> JSON:
    summary: JSON = _mean(mean_interval(values), clip=clip)
    summary |= {"n_seeds": len(values), "per_seed": list(values)}
    return summary if n is None else summary | {"n": n}


def _mean(mean: Mean, *, clip: bool) -> JSON:
    low, high = mean.interval
    if clip:  # an accuracy's interval does not leave [0, 1], whatever Student's t says
        low, high = max(low, 0.0), min(high, 1.0)
    return {"mean": mean.mean, "interval": [low, high]}


def _paper(row: PlannedRow, table: Table | None) -> JSON:
    if table is None or row.batch_size != table.batch_sizes[0]:
        return {"printed": None, "n": None, "interval": None, "candidates": []}
    printed = table.scores[row.label]
    candidates = [
        {"n": n, "correct": k, "interval": [float(end) for end in proportion_ends(k, n)]}
        for n in (PRINTED_N, OTHER_N)
        for k in [round(float(printed) * n)]
    ]
    return {
        "printed": printed,
        "n": candidates[0]["n"],
        "interval": candidates[0]["interval"],
        "candidates": candidates,
    }


def _claim(claim: Claim, table: Table, rows: Sequence[JSON]) -> JSON:
    summary: JSON = {
        "id": claim.id,
        "sentence": claim.sentence,
        "source": claim.source,
        "needs": None,
        "ours": [],
        "paper": None,
    }
    if not isinstance(claim.statement, Ordered):
        summary["needs"] = getattr(claim.statement, "needs", "not judged by this version")
        return summary
    wanted = claim.statement.labels
    for batch_size in table.batch_sizes:
        ours = {row["label"]: row for row in rows if row["batch_size"] == batch_size}
        labels = [label for label in wanted if label in ours]
        if len(labels) < 2:
            continue
        for metric in ("as_published", "heldout"):
            means = {label: ours[label][metric]["mean"] for label in labels}
            breaks = [[a, b] for a, b in pairwise(labels) if not means[a] > means[b]]
            summary["ours"].append(
                {
                    "batch_size": batch_size,
                    "metric": metric,
                    "rows": labels,
                    "verdict": "fails" if breaks else "holds",
                    "breaks": breaks,
                }
            )
    counts = {label: round(float(table.scores[label]) * PRINTED_N) for label in wanted}
    steps = [
        {
            "higher": a,
            "lower": b,
            "p_value": fisher_p((counts[a], PRINTED_N), (counts[b], PRINTED_N)),
        }
        for a, b in pairwise(wanted)
    ]
    summary["paper"] = {
        "verdict": "holds" if all(counts[a] > counts[b] for a, b in pairwise(wanted)) else "fails",
        "n": PRINTED_N,
        "steps": steps,
        "order_p_value": order_p([counts[label] for label in wanted]),
    }
    return summary


def _check(job: Job, record: Record) -> JSON:
    outcome = record.outcome
    pretrained, untrained = outcome["pretrained"], outcome["untrained"]
    difference = [a - b for a, b in zip(pretrained, untrained, strict=True)]
    n = outcome["n"]
    return {
        "dataset": job.dataset,
        "classes": job.classes,
        "chance": 1 / job.classes,
        "pretrained": _seeds(pretrained, n, clip=True),
        "untrained": _seeds(untrained, n, clip=True),
        "difference": _seeds(difference, None, clip=False),
    }


def _data(job: Job, records: Records) -> JSON:
    return {"dataset": job.dataset, **records[job.key].outcome["data"]}


def _environment(records: Sequence[Record]) -> JSON:
    """The environment of the newest record, and how many different ones there are."""
    newest = max(records, key=lambda record: record.started)
    distinct: list[JSON] = []
    for record in records:
        if record.environment not in distinct:
            distinct.append(record.environment)
    return {**newest.environment, "distinct_environments": len(distinct)}


def _notes(table: Table | None, rows: Sequence[JSON]) -> list[str]:
    if table is None:
        return []
    printed = [row for row in rows if row["batch_size"] == table.batch_sizes[0]]
    counts = [math.floor(row["examples_per_class"] + 0.5) for row in printed]
    confound = (
        f"At batch {table.batch_sizes[0]} the {printed[0]['iterations']} iterations give"
        f" {', '.join(map(str, counts))} examples per class, so the claim about the number of"
        " classes is confounded with examples per class."
    )
    return [*table.notes, confound]
