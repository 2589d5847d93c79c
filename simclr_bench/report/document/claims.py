"""The paper's claims: what our measurements say about them, and what its own numbers do."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import combinations, pairwise, product

from simclr_bench.paper.claims import PARAMETERS
from simclr_bench.paper.spec import (
    Above,
    Claim,
    Compared,
    Equal,
    Falling,
    Ordered,
    Statement,
    Table,
    Untestable,
    stated,
)
from simclr_bench.report.document.comparisons import Family, batch_sizes, epochs
from simclr_bench.report.document.measured import JSON, Measured, current
from simclr_bench.report.document.measures import GAP, MEASURES
from simclr_bench.verdicts.claims import (
    ClaimVerdict,
    describe_evidence,
    judge_claims,
    paper_evidence,
)
from simclr_bench.verdicts.printed import Printed

Sections = Mapping[str, Sequence[Measured]]


def judge_table(
    table: Table,
    rows: Sequence[Measured],
    sections: Sections,
    column: Mapping[str, Printed],
    profile: str,
    margin: float,
) -> list[JSON]:
    """Judges the claims that stand with a table.

    Args:
        table: The table.
        rows: What was measured for its rows.
        sections: What was measured, by section of the plan.
        column: The printed scores.
        profile: Name of the profile.
        margin: Within which accuracies are about the same.
    """
    judgements: dict[str, list[JSON]] = defaultdict(list)
    lost: dict[str, dict[str, None]] = defaultdict(dict)
    for on, family in _families(table, rows, sections):
        statements = {}
        for claim in table.claims:
            said = _statement_on(claim, on)
            if said is None:
                continue
            if needed := _stale(said, on, family):
                lost[claim.id][f"{', '.join(needed)} ({family.where or 'all measures'})"] = None
            elif kept := restricted(said, list(family.rows)):
                statements[claim.id] = kept
        for name, verdict in judge_claims(statements, family.rows, margin=margin).items():
            claim = next(claim for claim in table.claims if claim.id == name)
            judgements[name].append(_judgement(claim, on, family, verdict))
    for claim in table.claims:
        if isinstance(claim.statement, Compared) and claim.statement.on == "parameters":
            judgements[claim.id] = _parameters(claim.statement.statement, current(rows))
    return [
        {
            "id": claim.id,
            "sentence": claim.sentence,
            "source": claim.source,
            "statement": {
                "kind": type(claim.statement).__name__.lower(),
                "text": stated(claim.statement),
            },
            "testable": not isinstance(claim.statement, Untestable),
            "reason": claim.statement.reason
            if isinstance(claim.statement, Untestable)
            else f"stale rows {'; '.join(lost[claim.id])}"
            if claim.id in lost
            else None,
            "mechanism_check": profile == "embedded",
            "judgements": judgements[claim.id],
            "paper": _paper(claim, column, margin),
        }
        for claim in table.claims
    ]


def restricted(statement: Statement, known: Sequence[str]) -> Statement | None:
    """What a statement says about some of its rows; None where it says nothing."""

    def kept(labels: Sequence[str]) -> tuple[str, ...]:
        return tuple(label for label in labels if label in known)

    match statement:
        case Above(upper, lower):
            above = Above(kept(upper), kept(lower))
            return above if above.upper and above.lower else None
        case Ordered(labels) | Equal(labels) | Falling(labels):
            return type(statement)(kept(labels)) if len(kept(labels)) > 1 else None


def _families(
    table: Table, rows: Sequence[Measured], sections: Sections
) -> Iterator[tuple[str, Family]]:
    """Sets of rows, each with what it is: "rows", "batch size" or "epochs"."""
    sizes = dict.fromkeys(row.settings["batch_size"] for row in rows)
    for size in sizes:
        some = [row for row in rows if row.settings["batch_size"] == size]
        for measure in MEASURES[table.id]:
            if measure.name != GAP:
                yield (
                    "rows",
                    Family(
                        measure=measure.name,
                        where=f"batch {size}" if table.batch_sizes or len(sizes) > 1 else "",
                        rows={row.label: row.ours(measure.name) for row in current(some)},
                        stale=tuple(row.label for row in some if row.stale is not None),
                    ),
                )
    if table.id == "4":
        for family in batch_sizes(sections.get("batch size", ())):
            yield "batch size", family
    if table.id == "2":
        for family in epochs(rows):
            yield "epochs", family


def _stale(said: Statement, on: str, family: Family) -> list[str]:
    """The stale rows that a statement needs; beside a table's own rows it needs the whole family.

    It is not judged on the others alone: what they say is a weaker statement, and would change as
    soon as the stale ones are run again.
    """
    return [label for label in family.stale if on != "rows" or label in _labels(said)]


def _statement_on(claim: Claim, on: str) -> Statement | None:
    """The statement that a claim makes about one kind of rows, if any."""
    match claim.statement:
        case Untestable():
            return None
        case Compared() as compared:
            return compared.statement if compared.on == on else None
        case statement:
            return statement if on == "rows" else None


def _judgement(claim: Claim, on: str, family: Family, verdict: ClaimVerdict) -> JSON:
    labels = [each.first for each in verdict.comparisons]
    labels = list(dict.fromkeys([*labels, *(each.second for each in verdict.comparisons)]))
    said = _statement_on(claim, on)
    missing = [label for label in _labels(said) if label not in labels] if said else []
    notes = [family.note, f"without {', '.join(missing)}" if missing else ""]
    return {
        "measure": family.measure,
        "where": family.where,
        "verdict": verdict.word,
        "test": verdict.test,
        "p_holds": verdict.p_holds,
        "p_fails": verdict.p_fails,
        "trend_p": verdict.trend_p,
        "rows_p": verdict.rows_p,
        "comparisons": [asdict(each) for each in verdict.comparisons],
        "rows": labels,
        "note": "; ".join(filter(None, notes)),
    }


def _labels(statement: Statement) -> tuple[str, ...]:
    match statement:
        case Above(upper, lower):
            return upper + lower
        case Ordered(labels) | Equal(labels) | Falling(labels):
            return labels


def _parameters(statement: Statement, rows: Sequence[Measured]) -> list[JSON]:
    """Counts are not measured with error: they are compared, and no test is made."""
    found = [_counted(statement, PARAMETERS, "the paper's networks, as torchvision counts them")]
    ours = {}
    for row in rows:
        counted = [each.details["parameters"] for each in row.done if "parameters" in each.details]
        if counted:
            ours["teacher ResNet50"] = counted[0]["teacher"]
            ours[f"student {row.label}"] = (
                counted[0]["student_base"] + counted[0]["student_trainable"]
            )
    if ours and restricted(statement, list(ours)):
        found.append(_counted(statement, ours, "the networks of this run"))
    return found


def _counted(statement: Statement, counts: Mapping[str, int], where: str) -> JSON:
    kept = restricted(statement, list(counts))
    assert isinstance(kept, Above)
    holds = all(counts[a] > counts[b] for a, b in product(kept.upper, kept.lower))
    labels = [*kept.upper, *kept.lower]
    return {
        "measure": "parameters",
        "where": where,
        "verdict": "holds" if holds else "fails",
        "test": "arithmetic, no test",
        "p_holds": None,
        "p_fails": None,
        "trend_p": None,
        "rows_p": None,
        "comparisons": [],
        "rows": labels,
        "note": "; ".join(f"{label}: {counts[label]:,}" for label in labels),
    }


def _paper(claim: Claim, column: Mapping[str, Printed], margin: float) -> JSON:
    if isinstance(claim.statement, Compared | Untestable):
        return {
            "verdict": None,
            "evidence": "no accuracy that the paper prints decides it",
            "details": [],
        }
    evidence = paper_evidence(claim.statement, column, margin=margin)
    values = {label: float(column[label].text) for label in claim.labels}
    return {
        "verdict": "holds" if _says(claim.statement, values, margin) else "fails",
        "evidence": describe_evidence(evidence),
        "details": [
            {
                "meaning": each.meaning,
                "enough": each.enough,
                "short": [list(pair) for pair in each.short],
            }
            for each in evidence
        ],
    }


def _says(statement: Statement, values: Mapping[str, float], margin: float) -> bool:
    """Whether numbers, taken as exact, are what a statement says."""
    match statement:
        case Ordered(labels) | Falling(labels):
            return all(values[a] > values[b] for a, b in pairwise(labels))
        case Above(upper, lower):
            return all(values[a] > values[b] for a, b in product(upper, lower))
        case Equal(labels):
            return all(abs(values[a] - values[b]) < margin for a, b in combinations(labels, 2))
