"""The document's tables: the paper's layout, our measures beside it."""

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from simclr_bench.paper.inconsistencies import bearing_on
from simclr_bench.paper.official import Official
from simclr_bench.paper.spec import Probe, Table
from simclr_bench.paper.tables import PROBE, TABLES
from simclr_bench.report.document import claims
from simclr_bench.report.document.cells import NOTHING, cell_verdict, paper_cell, read_column
from simclr_bench.report.document.commands import folder_options, profile_options, set_otherwise
from simclr_bench.report.document.curves import curves_of
from simclr_bench.report.document.measured import JSON, Measured, current, difference
from simclr_bench.report.document.measures import (
    GAP,
    JUDGED,
    MEASURES,
    PAPER_INTERVALS,
    intervals_of,
    title_of,
)
from simclr_bench.verdicts.printed import Printed

DASH = "—"


@dataclass(frozen=True, kw_only=True)
class Context:
    """What all tables need to know.

    Attributes:
        profile: Name of the profile.
        run_directory: Where the records are.
        margin: The difference that matters.
        official: What counts as the paper's own data and weights.
    """

    profile: str
    run_directory: str
    margin: float
    official: Official


def build_tables(sections: Mapping[str, Sequence[Measured]], context: Context) -> list[JSON]:
    """The tables that have rows, in the paper's order; table 3 goes with table 2.

    Args:
        sections: What was measured, by section of the plan.
        context: What all tables need to know.
    """
    built = []
    for table in TABLES.values():
        source = table.id if table.measured else "2"
        rows = [each for each in sections.get(f"table {source}", ()) if is_row(each)]
        if rows and table.measured:
            built.append(_results(table, rows, sections, context))
        elif rows:
            built.append(_parameters(table, [*current(rows), *rows][0], context))
    if transfer := sections.get("transfer"):
        built.append(_transfer(transfer, context))
    return built


def is_row(measured: Measured) -> bool:
    """Whether a series is a table's row, and not a control that stands beside it."""
    return measured.variant.get("learns_from", "teacher") == "teacher"


def _results(
    table: Table,
    measured: Sequence[Measured],
    sections: Mapping[str, Sequence[Measured]],
    context: Context,
) -> JSON:
    column = read_column(table)
    ordered = sorted(measured, key=lambda each: _place(table, each))
    rows = [_row(table, each, column, context) for each in ordered]
    return {
        **_head(table),
        "intervals": intervals_of(table.id) + PAPER_INTERVALS,
        "rows": rows,
        "claims": claims.judge_table(
            table, ordered, sections, column, context.profile, context.margin
        ),
        "notes": _notes(table, ordered),
    }


def _head(table: Table) -> JSON:
    return {
        "id": table.id,
        "caption": table.caption,
        "source": table.source,
        "header": table.cells[0],
        "measures": [asdict(measure) for measure in MEASURES[table.id]],
        "choices": dict(table.choices),
        "inconsistencies": bearing_on(f"table {table.id}"),
    }


def _place(table: Table, measured: Measured) -> tuple[int, int]:
    labels = [*table.rows, *table.added_rows]
    sizes = list(table.batch_sizes)
    size = measured.settings["batch_size"]
    return sizes.index(size) if size in sizes else len(sizes), labels.index(measured.label)


def _row(table: Table, measured: Measured, column: Mapping[str, Printed], context: Context) -> JSON:
    label = measured.label
    printed = column.get(label) if _is_printed(table, measured) else None
    return {
        **_common(table.id, measured),
        "cells": _cells(table, label, printed is not None),
        "ours_alone": label in table.added_rows,
        "paper": paper_cell(table, label, printed) if printed else NOTHING,
        "verdict": cell_verdict(table.id, measured, printed, context.margin, context.official)
        if printed and measured.stale is None
        else None,
        "command": _command(table, measured, context.run_directory),
    }


def _common(table: str, measured: Measured) -> JSON:
    """What a row says of ours."""
    return {
        "label": measured.label,
        "dataset": measured.dataset,
        "classes": measured.classes,
        "chance": 1 / measured.classes,
        "batch_size": measured.settings["batch_size"],
        "settings": measured.settings,
        "seeds": list(measured.seeds),
        "failed": measured.failed,
        "measures": {
            measure.name: difference(measured.ours("as_published"), measured.ours("heldout"))
            if measure.name == GAP
            else measured.metric(measure.name)
            for measure in MEASURES[table]
        },
        "curves": curves_of(measured),
        "records": measured.keys,
        "stale": measured.stale,
    }


def _is_printed(table: Table, measured: Measured) -> bool:
    return not table.batch_sizes or measured.settings["batch_size"] == table.batch_sizes[0]


def _cells(table: Table, label: str, printed: bool) -> list[str]:
    line = next((cells for cells in table.cells if cells[0] == label), None)
    if line is None:
        return [label, *[DASH] * (len(table.cells[0]) - 1)]
    return line if printed else [*line[:-1], DASH]


def _command(table: Table, measured: Measured, run_directory: str) -> str:
    """What obtains the row again: the table's settings, and what was set otherwise."""
    settings = measured.settings
    experiment = table.experiment(measured.label)
    words = ["reproduce", "--table", table.id, "--rows", measured.label]
    if isinstance(experiment, Probe) and (
        table.batch_sizes or settings["batch_size"] != experiment.batch_size
    ):
        words += ["--batch-size", str(settings["batch_size"])]
    words += ["--seeds", _seeds(measured.seeds)]
    words += profile_options(measured.jobs[0].profile, settings)
    words += set_otherwise(experiment, settings)
    if not isinstance(experiment, Probe):
        words += set_otherwise(PROBE, settings["teacher"])
    return shlex.join(["simclr-bench", *words, "--out", run_directory])


def _seeds(seeds: Sequence[int]) -> str:
    if list(seeds) == list(range(seeds[0], seeds[-1] + 1)):
        return f"{seeds[0]}:{seeds[-1] + 1}"
    return ",".join(map(str, seeds))


def _parameters(table: Table, base: Measured, context: Context) -> JSON:
    """Table 3, which holds no results: each row has the settings that it is the base of."""
    rows = [
        {
            **_common(table.id, replace(base, label=label)),
            "cells": _cells(table, label, True),
            "ours_alone": False,
            "paper": NOTHING,
            "verdict": None,
            "curves": None,
            "command": _command(TABLES["2"], base, context.run_directory),
        }
        for label in table.rows
    ]
    return {
        **_head(table),
        "intervals": "none: no results",
        "rows": rows,
        "claims": [],
        "notes": list(table.notes),
    }


def _transfer(measured: Sequence[Measured], context: Context) -> JSON:
    """Table 4's protocol on a folder of the user's."""
    rows = []
    for each in measured:
        size = each.settings["batch_size"]
        words = ["transfer", "--data", each.label, "--batch-size", str(size)]
        words += [*folder_options(each.settings), "--seeds", _seeds(each.seeds)]
        words += ["--out", context.run_directory]
        rows.append(
            {
                **_common("transfer", each),
                "cells": [each.label, str(each.classes), DASH],
                "ours_alone": True,
                "paper": NOTHING,
                "verdict": None,
                "command": shlex.join(["simclr-bench", *words]),
            }
        )
    return {
        "id": "transfer",
        "caption": "The protocol of table 4 on your images",
        "source": "protocol: arXiv:2108.00587v1, section 6.3",
        "header": ["Dataset", "Classes", "Accuracy"],
        "measures": [asdict(measure) for measure in MEASURES["transfer"]],
        "intervals": intervals_of("transfer"),
        "rows": rows,
        "claims": [],
        "choices": {},
        "notes": [],
        "inconsistencies": [],
    }


def _notes(table: Table, rows: Sequence[Measured]) -> list[str]:
    notes = list(table.notes)
    if len(JUDGED[table.id]) > 1:
        titles = " or ".join(title_of(table.id, name) for name in JUDGED[table.id])
        notes.append(
            f"What was measured is unknown. A cell's verdict supposes {titles}, and the weakest of"
            " these verdicts is shown."
        )
    if table.claims:
        notes.append(
            "Claims that are judged on one measure of the same rows are corrected together (Holm)."
        )
    if table.id == "4" and (confound := _confound(table, rows)):
        notes.append(confound)
    return notes


def _confound(table: Table, rows: Sequence[Measured]) -> str:
    counted = [each for each in current(rows) if _is_printed(table, each) and each.done]
    seen = [each.done[0].metrics["batches"]["n"] for each in counted]
    if not seen:
        return ""
    steps = {len(n) for n in seen}
    iterations = f"the {steps.pop()} iterations" if len(steps) == 1 else "the iterations"
    classes = [each.classes for each in counted]
    counts = [math.floor(sum(n) / c + 0.5) for n, c in zip(seen, classes, strict=True)]
    return (
        f"At batch {table.batch_sizes[0]} {iterations} give"
        f" {', '.join(map(str, counts))} examples per class, so the claim about the number of"
        " classes is confounded with examples per class."
    )
