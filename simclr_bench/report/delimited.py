"""The document's tables as CSV: one line for each row, measure and seed."""

import csv
import io
import re
from collections.abc import Iterator
from typing import Any

from simclr_bench.report.reading import measured, widest

JSON = dict[str, Any]

COLUMNS = (
    "table", "row", "ours_alone", "dataset", "classes", "chance", "batch_size", "measure", "seed",
    "status", "accuracy", "n", "mean", "interval_low", "interval_high", "printed", "printed_low",
    "printed_high", "verdict", "verdict_measure", "verdict_text", "difference_low",
    "difference_high", "power", "stale", "command",
)  # fmt: skip

# What a spreadsheet takes for the beginning of a formula.
FORMULA = re.compile(r"[\t\r]|\s*[=+\-@]")


def render_csv(document: JSON) -> str:
    """Renders the tables of a document as CSV, numbers in full.

    Args:
        document: What report/document built. The metrics of a row have one value for each of its
            seeds, in the same order.

    Returns:
        Lines that end with CR LF (RFC 4180). Text that a spreadsheet would run as a formula has an
        apostrophe before it; a number never has.
    """
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    for table in document["tables"]:
        for row in table["rows"]:
            for line in _lines(table, row):
                writer.writerow([_guarded(line[name]) for name in COLUMNS])
    return file.getvalue()


def _lines(table: JSON, row: JSON) -> Iterator[JSON]:
    verdict, candidate = row["verdict"] or {}, widest(row["paper"])
    printed = candidate["interval"] if candidate else (None, None)
    difference = verdict.get("difference") or (None, None)
    status = {failed["seed"]: failed["status"] for failed in row["failed"]}
    shared = {
        "table": table["id"],
        "row": row["label"],
        "ours_alone": row["ours_alone"],
        "dataset": row["dataset"],
        "classes": row["classes"],
        "chance": row["chance"],
        "batch_size": row["batch_size"],
        "printed": row["paper"]["printed"],
        "printed_low": printed[0],
        "printed_high": printed[1],
        "verdict": verdict.get("word"),
        "verdict_measure": verdict.get("measure"),
        "verdict_text": verdict.get("text"),
        "difference_low": difference[0],
        "difference_high": difference[1],
        "power": verdict.get("power"),
        "stale": row["stale"],
        "command": row["command"],
    }
    for measure, metric in measured(table, row):
        for seed, value in zip(row["seeds"], metric["per_seed"], strict=True):
            yield shared | {
                "measure": measure["name"],
                "seed": seed,
                "status": status.get(seed, "done"),
                "accuracy": value,
                "n": metric["n"],
                "mean": metric["mean"],
                "interval_low": metric["interval"][0],
                "interval_high": metric["interval"][1],
            }


def _guarded(value: Any) -> Any:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str) and FORMULA.match(value):
        return f"'{value}"
    return value
