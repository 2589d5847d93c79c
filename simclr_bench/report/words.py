"""How every rendering writes numbers, intervals and verdicts: one wording for all of them."""

from collections.abc import Mapping, Sequence
from typing import Any

JSON = dict[str, Any]

NOTHING = "—"

# The one verdict that is about the cell's premises, not about its numbers.
NOT_COMPARABLE = "not comparable"

# A symbol stands before each word, so that neither colour nor reading is needed to tell them apart.
CELL_SYMBOLS = {
    "different": "≠",
    "equivalent": "=",
    "consistent": "≈",
    "inconclusive": "?",
    NOT_COMPARABLE: "∅",
}
CLAIM_SYMBOLS = {
    "holds": "✓",
    "fails": "✗",
    "undecided": "?",
    "mixed": "±",
    "not testable": "∅",
    "not judged": "∅",
}
ANSWER_SYMBOLS = {"yes": "✓", "no": "✗", "n/a": "∅"}

CELL_MEANINGS = {
    "different": "the printed number lies outside the 95\u00a0% prediction interval",
    "equivalent": "two one-sided tests at 5\u00a0% put the difference within the margin",
    "consistent": "a difference of the margin would have been seen with a power of 80\u00a0%",
    "inconclusive": "the evidence does not suffice for any of the others",
    NOT_COMPARABLE: "other data or weights than the official ones",
}

# Metrics that are differences: these are shown with their sign.
SIGNED = ("gap", "difference", "gain")

# What a claim's verdict is on embedded data, in short and in full.
MECHANISM_CHECK = "mechanism check"
MECHANISM_CHECKS = (
    "A mechanism check: embedded images and an encoder trained here show how the recipe behaves,"
    " and are no evidence about the paper's data."
)


def sentence(text: str) -> str:
    """A text as a sentence of its own: with a capital and a full stop."""
    closed = text if text.endswith((".", "?", "!", ".)")) else f"{text}."
    return closed[:1].upper() + closed[1:]


def is_signed(title: str) -> bool:
    """Whether a column of that title holds differences."""
    return title.lower() in SIGNED


def number(value: float | None, *, signed: bool = False) -> str:
    """A fraction or a difference of fractions, with three decimals."""
    if value is None:
        return NOTHING
    return f"{value:+z.3f}" if signed else f"{value:z.3f}"


def interval(ends: Sequence[float] | None) -> str:
    """Both ends of an interval, in brackets."""
    return NOTHING if ends is None else f"[{number(ends[0])}, {number(ends[1])}]"


def plain(value: Any) -> str:
    """A value of a configuration or of a control's cell: a float shortly, a list by commas."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        return ", ".join(map(plain, value)) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{name} {plain(item)}" for name, item in value.items())
    return NOTHING if value is None else str(value)


def plain_cell(value: Any) -> str:
    """A control's cell that is not a measured one: a fraction, a count or a name."""
    return number(value) if isinstance(value, float) else plain(value)


def p_value(value: float) -> str:
    """A p-value with two digits, as in `p = 0.012`."""
    return "p < 0.0001" if value < 0.0001 else f"p = {value:.2g}"


def p_values(values: Sequence[float]) -> str:
    """Several p-values as a range, as in `p = 0.012 to 0.4`; empty without any."""
    if not values:
        return ""
    least, most = p_value(min(values)), p_value(max(values))
    return least if least == most else f"{least} to {most.removeprefix('p = ')}"


def percent(value: float) -> str:
    """A probability, in whole percent."""
    return f"{value:.0%}"


def seeds(row: JSON) -> str:
    """How many seeds a row has, and what became of those that failed."""
    text = f"{len(row['seeds'])} seeds"
    if row["failed"]:
        text += ", of which " + "; ".join(
            f"seed {failed['seed']} {failed['status']} ({failed['reason']})"
            for failed in row["failed"]
        )
    return text


def beyond_the_word(verdict: JSON) -> str:
    """What a cell's verdict says after its word; empty where the word is all."""
    text: str = verdict["text"]
    return text.removeprefix(verdict["word"]).lstrip(": ")


def tests(judgement: JSON) -> str:
    """The test of a claim and its p-values, in one line."""
    parts = [judgement["test"]]
    for name, meaning in (
        ("p_holds", "for the claim"),
        ("p_fails", "against it"),
        ("trend_p", "trend"),
        ("rows_p", "rows in random order"),
    ):
        if judgement[name] is not None:
            parts.append(f"{meaning} {p_value(judgement[name])}")
    return "; ".join(parts)


def comparison(compared: JSON) -> str:
    """Two rows of a claim, and by how much they differ."""
    parts = [f"{compared['first']} minus {compared['second']}"]
    if compared["difference"] is not None:
        parts[0] += f" {number(compared['difference'], signed=True)}"
    for name, meaning in (("p_holds", "for the claim"), ("p_fails", "against it")):
        if compared[name] is not None:
            parts.append(f"{meaning} {p_value(compared[name])}")
    return ", ".join(parts)


def papers_evidence(paper: JSON) -> str:
    """Whether the paper's own numbers say what it claims, and whether they are evidence of it."""
    if paper["verdict"] is None:
        return paper["evidence"] or "the paper prints no numbers for it"
    return f"{paper['verdict']} as printed; as evidence: {paper['evidence']}"


def candidate(row_candidate: JSON) -> str:
    """One sample size that a printed number admits, with its arithmetic."""
    return (
        f"n = {row_candidate['n']} ({', '.join(row_candidate['meanings'])}):"
        f" {row_candidate['arithmetic']}, interval {interval(row_candidate['interval'])}"
    )


def excluded(row_excluded: JSON) -> str:
    """One sample size that cannot have given a printed number."""
    return (
        f"not n = {row_excluded['n']} ({', '.join(row_excluded['meanings'])}):"
        f" {row_excluded['arithmetic']}"
    )


def reference(found: JSON) -> str:
    """What another source has for the data set of a row."""
    return f"{found['source']}, {found['what']}: {number(found['value'])}"


def none_comparable(reason: str) -> str:
    """What stands once with a table none of whose cells can be compared."""
    return f"Cells: {NOT_COMPARABLE} ({reason})"


def shortened(sentence: str, length: int) -> str:
    """A sentence of at most so many characters, cut between two words where it is longer."""
    text = " ".join(sentence.split())
    return text if len(text) <= length else text[: length - 1].rsplit(" ", 1)[0].rstrip(",;") + " …"


def equal_runs(found: JSON) -> str:
    """Lines of the paper that are one experiment, with what it prints in each."""
    return " and ".join(
        f"table {run['table']}, {run['label']}: {run['printed']}" for run in found["runs"]
    )


def environment(found: Mapping[str, Any]) -> str:
    """What the numbers were measured with, in one sentence."""
    extension, commit = found["extension"], found["commit"]
    parts = [
        f"simclr-bench {found['simclr_bench']}",
        f"commit {commit[:12]}" if commit else "no commit known",
        *(["uncommitted changes"] if found["dirty"] else []),
        f"NT-Xent fused ({extension['compiler']})"
        if extension
        else "NT-Xent chunked, not compiled",
        f"Python {found['python']}",
        f"torch {found['packages']['torch']}",
        f"{found['cpu']}, {found['cores']} core{'s' if found['cores'] != 1 else ''}",
    ]
    if found["distinct_environments"] > 1:
        parts.append(f"records from {found['distinct_environments']} environments")
    return f"Measured with {', '.join(parts)}."


def report_title(document: JSON) -> str:
    """What a report is about: the paper, or the user's own table."""
    tables = document["tables"]
    if any(table["id"].isdigit() for table in tables):
        return "What re-running arXiv:2108.00587 supports"
    return ", ".join(table["caption"] for table in tables)


def table_title(table: JSON) -> str:
    """`Table 4. Caption`; a table that is not the paper's has its caption alone."""
    number_of = f"Table {table['id']}. " if table["id"].isdigit() else ""
    return f"{number_of}{table['caption']}"


def figure_title(figure: JSON) -> str:
    """`Figure 6. Caption`; a control's figure has its caption alone."""
    number_of = f"Figure {figure['id']}. " if figure["id"].isdigit() else ""
    return f"{number_of}{figure['caption']}"
