"""The claims that the text makes about a table."""

from collections.abc import Iterator
from typing import Any

from rich.console import RenderableType

from simclr_bench.report import words
from simclr_bench.report.reading import most_against, rows_to_name, title_of
from simclr_bench.report.terminal.styles import heading, indented, muted, verdict

JSON = dict[str, Any]


def claims(table: JSON, label: str) -> Iterator[RenderableType]:
    """Each claim: its sentence, its verdict by measure, and the paper's own evidence."""
    for claim in table["claims"]:
        yield heading(f"Claim, {claim['source']}: “{claim['sentence']}”")
        if not claim["testable"]:
            yield indented(verdict("not testable", f"not testable: {claim['reason']}"))
            continue
        yield indented(muted(f"Tested as: {claim['statement']['text']}."))
        if claim["reason"]:
            yield indented(verdict("not judged", f"not judged: {claim['reason']}"))
        for judgement in claim["judgements"]:
            yield from _judgement(judgement, claim, table, label)
        yield indented(f"the paper's own numbers: {words.papers_evidence(claim['paper'])}")


def _judgement(judgement: JSON, claim: JSON, table: JSON, label: str) -> Iterator[RenderableType]:
    title = title_of(table, judgement["measure"])
    where = ", ".join(filter(None, [title, judgement["where"]]))
    line = verdict(judgement["verdict"])
    line.append(f" {label}, {where}", style="not bold default")
    if rows := rows_to_name(table, claim, judgement):
        line.append(f", for {', '.join(rows)}", style="not bold default")
    if claim["mechanism_check"]:
        line.append(f" ({words.MECHANISM_CHECK})", style="not bold dim default")
    yield indented(line)
    details = words.tests(judgement)
    if judgement["note"]:
        details += f". {judgement['note']}"
    yield indented(muted(details), 4)
    if against := most_against(judgement):
        yield indented(muted(f"most against it: {words.comparison(against)}"), 4)
