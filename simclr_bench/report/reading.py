"""What several renderings pick out of a document. Nothing here computes a statistic."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from simclr_bench.report.words import CELL_SYMBOLS, NOT_COMPARABLE, NOTHING

JSON = dict[str, Any]

# More lines than these about what is stale say nothing new.
STALE_LINES = 12


def widest(paper: JSON) -> JSON | None:
    """The candidate with the widest interval for a printed number; None where there is none."""
    return max(
        paper["candidates"],
        key=lambda each: each["interval"][1] - each["interval"][0],
        default=None,
    )


def printed_of(row: JSON) -> str:
    """The number that the paper prints for a row."""
    return row["paper"]["printed"] or NOTHING


def columns_of(table: JSON) -> list[str]:
    """The header of a table, but for the column of the score."""
    return table["header"][:-1] or table["header"]


def has_paper(rows: Sequence[JSON]) -> bool:
    """Whether the paper prints a number for any of these rows."""
    return any(row["paper"]["printed"] for row in rows)


def has_verdicts(rows: Sequence[JSON]) -> bool:
    """Whether any of these rows has a verdict that says more than that it cannot be compared."""
    return any(row["verdict"] and row["verdict"]["word"] != NOT_COMPARABLE for row in rows)


def not_comparable(rows: Sequence[JSON]) -> str:
    """Why none of these rows can be compared; empty where some can, or where none is judged."""
    found = [row["verdict"] for row in rows if row["verdict"]]
    if has_verdicts(rows):
        return ""
    return "; ".join(dict.fromkeys(verdict["reason"] for verdict in found))


def parts_of(row: JSON) -> list[str]:
    """The cells of a printed line, but for the last, which holds the score."""
    return row["cells"][:-1] or [row["label"]]


def measured(table: JSON, row: JSON) -> list[tuple[JSON, JSON]]:
    """Measure and metric, for the measures of a table that a row has, in the table's order."""
    return [
        (measure, row["measures"][measure["name"]])
        for measure in table["measures"]
        if measure["name"] in row["measures"]
    ]


def judged(table: JSON, row: JSON) -> tuple[JSON, JSON] | None:
    """Measure and metric that stand for a row: those of its verdict, else the first."""
    found = measured(table, row)
    if row["verdict"] is not None:
        found = [each for each in found if each[0]["name"] == row["verdict"]["measure"]] or found
    return found[0] if found else None


def judged_first(table: JSON, rows: Sequence[JSON]) -> list[JSON]:
    """The measures of a table: those that the verdicts of these rows are about come first."""
    judged = {row["verdict"]["measure"] for row in rows if row["verdict"]}
    return sorted(table["measures"], key=lambda measure: measure["name"] not in judged)


def meaning_of(table: JSON, measure: JSON) -> str:
    """What a measure is, over how many examples and seeds."""
    found = [row["measures"].get(measure["name"]) for row in table["rows"]]
    metrics = [metric for metric in found if metric is not None]
    sizes = sorted({metric["n"] for metric in metrics if metric["n"] is not None})
    seeds = sorted({metric["n_seeds"] for metric in metrics})
    counts = [f"n = {_range(sizes)}"] if sizes else []
    counts += [f"{_range(seeds)} seeds"] if seeds else []
    return f"{measure['meaning']} ({', '.join(counts)})" if counts else measure["meaning"]


def _range(counts: Sequence[int]) -> str:
    return f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else f"{counts[0]}"


def papers_numbers(table: JSON) -> str:
    """The numbers of the inconsistencies that bear on a table, as in `1, 4, 9 to 15`."""
    runs: list[list[int]] = []
    for text in table["inconsistencies"]:
        number = text.partition(". ")[0]
        if not number.isdigit():
            continue
        if runs and runs[-1][-1] == int(number) - 1:
            runs[-1].append(int(number))
        else:
            runs.append([int(number)])
    return ", ".join(
        f"{run[0]} to {run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs
    )


def verdicts_compare(table: JSON) -> str:
    """What the verdicts of a table are about: measures and margins; empty where it has none."""
    verdicts = [row["verdict"] for row in table["rows"] if row["verdict"]]
    measures = dict.fromkeys(title_of(table, each["measure"]) for each in verdicts)
    margins = dict.fromkeys(f"margin {each['margin']:g}" for each in verdicts)
    return ", ".join([*measures, *margins])


def by_batch_size(table: JSON) -> list[tuple[int, list[JSON]]]:
    """The rows of each batch size, in the table's order; one group where all have the same."""
    sizes = dict.fromkeys(row["batch_size"] for row in table["rows"])
    return [(size, [r for r in table["rows"] if r["batch_size"] == size]) for size in sizes]


def place_of(table: JSON, row: JSON) -> int:
    """The number of a row in its table, from 1; equal rows have numbers of their own."""
    return next(place for place, each in enumerate(table["rows"], start=1) if each is row)


def claim_word(claim: JSON) -> str:
    """One word for a claim: that of all its judgements, or that they do not agree."""
    if not claim["testable"]:
        return "not testable"
    words = {judgement["verdict"] for judgement in claim["judgements"]}
    if not words:
        return "not judged"
    return words.pop() if len(words) == 1 else "mixed"


def by_verdict(judgements: Sequence[JSON]) -> dict[str, list[JSON]]:
    """The judgements of a claim by their word, in the order in which the words first come."""
    found: dict[str, list[JSON]] = {}
    for judgement in judgements:
        found.setdefault(judgement["verdict"], []).append(judgement)
    return found


def deciding_p(judgement: JSON) -> float | None:
    """The p-value behind a verdict; of an undecided claim, the smaller of both."""
    both = {"holds": judgement["p_holds"], "fails": judgement["p_fails"]}
    known = [value for value in both.values() if value is not None]
    return both.get(judgement["verdict"], min(known, default=None))


def rows_to_name(table: JSON, claim: JSON, judgement: JSON) -> list[str]:
    """The rows that were compared, where they are not all that the claim speaks of; else none."""
    said: str = claim["statement"]["text"]
    spoken_of = {row["label"] for row in table["rows"] if row["label"] in said}
    compared = judgement["rows"]
    missing = [label for label in spoken_of if not any(label in each for each in compared)]
    return compared if missing else []


def most_against(judgement: JSON) -> JSON | None:
    """The comparison that speaks most against a claim that does not hold; else none."""
    if judgement["verdict"] == "holds":
        return None
    return min(judgement["comparisons"], key=lambda each: each["p_fails"], default=None)


def cell_counts(tables: Sequence[JSON]) -> dict[str, int]:
    """How many cells have each verdict, for every word, in the order of the rule."""
    counts = Counter(
        row["verdict"]["word"] for table in tables for row in table["rows"] if row["verdict"]
    )
    return {word: counts[word] for word in CELL_SYMBOLS}


def failed_seeds(document: JSON) -> int:
    """How many seeds of all tables failed or diverged."""
    return sum(len(row["failed"]) for table in document["tables"] for row in table["rows"])


def stale_lines(stale: Sequence[JSON]) -> list[str]:
    """What is stale, and why: a line for each section and reason, a dozen at most.

    Args:
        stale: `stale` of a document.
    """
    groups: dict[tuple[str, str], list[JSON]] = {}
    for each in stale:
        groups.setdefault((each["section"], each["reason"]), []).append(each)
    lines = [
        f"{section}: {_labels(found)}, {reason}" for (section, reason), found in groups.items()
    ]
    if len(lines) <= STALE_LINES:
        return lines
    rest = sum(map(len, list(groups.values())[STALE_LINES - 1 :]))
    return [*lines[: STALE_LINES - 1], f"and {rest} other rows"]


def _labels(found: Sequence[JSON]) -> str:
    return found[0]["label"] if len(found) == 1 else f"{len(found)} rows"


def all_figures(document: JSON) -> Iterator[JSON]:
    """The paper's figures, then those of the controls."""
    yield from document["figures"]
    for control in document["controls"]:
        if control["figure"] is not None:
            yield control["figure"]


def is_metric(cell: Any) -> bool:
    """Whether a control's cell is a measured one; otherwise it is text or a plain number."""
    return isinstance(cell, dict)


def title_of(table: JSON, name: str) -> str:
    """What a measure of a table is called."""
    return next((each["title"] for each in table["measures"] if each["name"] == name), name)
