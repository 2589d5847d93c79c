"""A printed number beside ours: what it may count, and the verdict."""

from collections.abc import Mapping

from simclr_bench.paper.official import Official, departures, obstacles
from simclr_bench.paper.references import REFERENCES
from simclr_bench.paper.sizes import sizes_of
from simclr_bench.paper.spec import Table
from simclr_bench.paper.tables import TABLES
from simclr_bench.report.document.measured import JSON, Measured
from simclr_bench.report.document.measures import JUDGED, title_of
from simclr_bench.verdicts.cells import (
    NOT_COMPARABLE,
    WORDS,
    CandidateVerdict,
    CellVerdict,
    judge_cell,
)
from simclr_bench.verdicts.printed import Printed, column_decimals, read_printed

# The paper has no number here.
NOTHING: JSON = {
    "printed": None,
    "decimals": None,
    "candidates": [],
    "excluded": [],
    "quote": "",
    "references": [],
}


def read_column(table: Table) -> dict[str, Printed]:
    """A table's printed scores, by label, with the n's that each admits."""
    decimals = column_decimals(list(table.scores.values())) if table.scores else 0
    return {
        label: read_printed(text, sizes_of(table.experiment(label).dataset), decimals)
        for label, text in table.scores.items()
    }


def paper_cell(table: Table, label: str, printed: Printed) -> JSON:
    """What the paper prints, and what that admits."""
    line = next(cells for cells in table.cells if cells[0] == label)
    references = REFERENCES[table.experiment(label).dataset] if table.id == "4" else ()
    return {
        "printed": printed.text,
        "decimals": printed.decimals,
        "candidates": [
            {
                "n": each.n,
                "meanings": list(each.meanings),
                "least": each.least,
                "most": each.most,
                "arithmetic": each.arithmetic,
                "interval": list(each.interval),
            }
            for each in printed.candidates
        ],
        "excluded": [
            {"n": each.n, "meanings": list(each.meanings), "arithmetic": each.arithmetic}
            for each in printed.excluded
        ],
        "quote": f"{' | '.join(line)} (table {table.id}; {table.source})",
        "references": [
            {"source": each.source, "what": each.what, "value": each.value} for each in references
        ],
    }


def cell_verdict(
    table: str, measured: Measured, printed: Printed, margin: float, official: Official
) -> JSON:
    """The verdict of a cell: the weakest over the measures that the number may be."""
    reasons = _obstacles(TABLES[table], measured, official)
    judged: Mapping[str, CellVerdict] = {
        name: judge_cell(measured.ours(name), printed, margin=margin, obstacles=reasons)
        for name in JUDGED[table]
    }
    name, verdict = max(judged.items(), key=lambda item: _weakness(item[1]))
    weakest = verdict.weakest
    text = str(verdict)
    if weakest and len(judged) > 1:
        text += f", on {title_of(table, name)}"
    return {
        "word": verdict.word,
        "text": text,
        "measure": name,
        "reason": verdict.reason,
        "margin": margin,
        **(_numbers(weakest) if weakest else dict.fromkeys(_NUMBERS)),
        "candidates": [
            {
                "n": each.candidate.n,
                "meanings": list(each.candidate.meanings),
                "word": each.word,
                **_numbers(each),
            }
            for each in verdict.candidates
        ],
    }


_NUMBERS = ("difference", "prediction", "power", "seeds_needed", "n_needed")


def _numbers(verdict: CandidateVerdict) -> JSON:
    return {
        "difference": list(verdict.difference),
        "prediction": list(verdict.prediction),
        "power": verdict.power,
        "seeds_needed": verdict.seeds_needed,
        "n_needed": verdict.n_needed,
    }


def _weakness(verdict: CellVerdict) -> tuple[int, float]:
    words = (*WORDS, NOT_COMPARABLE)
    return words.index(verdict.word), -verdict.weakest.power if verdict.weakest else 0.0


def _obstacles(table: Table, measured: Measured, official: Official) -> list[str]:
    """Why the cell is not comparable: its data, weights, and what the paper states otherwise."""
    found: list[str] = []
    for job in measured.jobs:
        found += obstacles(job.profile, job.inputs, job.dataset, official)
    found += departures(table, measured.label, measured.settings)
    return list(dict.fromkeys(found))
