"""The short form of claims: a sentence, its verdicts by measure, and the paper's own evidence."""

from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from simclr_bench.report import words
from simclr_bench.report.reading import by_verdict, claim_word, deciding_p, rows_to_name, title_of
from simclr_bench.report.terminal.styles import indented, muted, verdict

JSON = dict[str, Any]

SEPARATOR = " · "

# What stands once, after all tables.
P_VALUES = (
    "p: of the test that decided; where a claim is undecided, the smaller of those for and against"
    " it."
)


def brief_claims(table: JSON, label: str, width: int) -> Iterator[RenderableType]:
    """Each claim in two or three lines; those that cannot be tested in one for all.

    Args:
        table: A TABLE of the document.
        label: The profile's label.
        width: Columns of the terminal.
    """
    testable = [claim for claim in table["claims"] if claim["testable"]]
    if table["claims"]:
        check = f", {words.MECHANISM_CHECK}" if table["claims"][0]["mechanism_check"] else ""
        yield Text(f"Claims ({label}{check})", style="bold")
    for claim in testable:
        line = verdict(claim_word(claim)).append(f"  {claim['id']}: ", style="bold default")
        room = width - len(line) - len("  “”")
        line.append(f"“{words.shortened(claim['sentence'], room)}”", style="not bold default")
        yield indented(line)
        yield indented(_evidence(table, claim), 4)
    if others := [claim["id"] for claim in table["claims"] if not claim["testable"]]:
        yield indented(verdict("not testable", f"not testable: {', '.join(others)}"))


def _evidence(table: JSON, claim: JSON) -> Text:
    groups = by_verdict(claim["judgements"])
    line = Text()
    for word, found in groups.items():
        if len(groups) > 1:
            line.append_text(verdict(word)).append(" ")
        line.append(f"{_where(table, claim, found, len(groups) == 1)}; ")
    if claim["reason"]:
        line.append(f"not judged: {claim['reason']}; ")
    return line.append_text(muted(_papers(claim["paper"])))


def _papers(paper: JSON) -> str:
    """Whether the paper's own numbers say it, and whether they are evidence of it."""
    if paper["verdict"] is None:
        return words.papers_evidence(paper)
    readings = [each["enough"] for each in paper["details"]]
    evidence = paper["evidence"]
    if len(set(readings)) > 1:  # which ones takes a line or more
        evidence = f"enough in {sum(readings)} of {len(readings)} readings of its numbers"
    return f"the paper: {words.papers_evidence(paper | {'evidence': evidence})}"


def _where(table: JSON, claim: JSON, found: Sequence[JSON], alone: bool) -> str:
    """The measures that judgements of one verdict are about, and their p-values."""
    values = [value for each in found if (value := deciding_p(each)) is not None]
    rested = words.p_values(values) or ", ".join(dict.fromkeys(each["test"] for each in found))
    rows = [rows_to_name(table, claim, each) for each in found]
    if alone and len(found) > 1 and not any(rows):
        return f"in each of {len(found)} comparisons ({rested})"
    everywhere = {title: _places(claim, title) for title in {each["measure"] for each in found}}
    places: dict[str, list[str]] = {}
    for judgement, named in zip(found, rows, strict=True):
        place = judgement["where"] + (f", {', '.join(named)} alone" if named else "")
        places.setdefault(title_of(table, judgement["measure"]), []).append(place)
    for name, where in everywhere.items():
        if places[title_of(table, name)] == where:
            places[title_of(table, name)] = []  # wherever it was measured
    measures: dict[tuple[str, ...], list[str]] = {}
    for title, where in places.items():
        measures.setdefault(tuple(filter(None, where)), []).append(title)
    parts = [
        SEPARATOR.join(titles) + (f" [{', '.join(where)}]" if where else "")
        for where, titles in measures.items()
    ]
    return f"{' and '.join(parts)} ({rested})"


def _places(claim: JSON, measure: str) -> list[str]:
    return [each["where"] for each in claim["judgements"] if each["measure"] == measure]
