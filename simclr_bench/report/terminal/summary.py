"""All verdicts at a glance, as the last lines of the report."""

from collections.abc import Iterator
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from simclr_bench.report import words
from simclr_bench.report.reading import cell_counts, claim_word, failed_seeds, stale_lines
from simclr_bench.report.terminal.styles import heading, indented, verdict

JSON = dict[str, Any]


def summary(document: JSON) -> Iterator[RenderableType]:
    """Counts of cells, each claim under its word, and what is stale or failed."""
    yield heading("Summary")
    yield indented(words.sentence(document["words"]["this_run"]))
    counts = {word: n for word, n in cell_counts(document["tables"]).items() if n}
    if counts:
        line = Text("Cells: ")
        for place, (word, n) in enumerate(counts.items()):
            line.append(", " if place else "").append_text(verdict(word)).append(f" {n}")
        yield indented(line)
    for table in document["tables"]:
        claims: dict[str, list[str]] = {}
        for claim in table["claims"]:
            claims.setdefault(claim_word(claim), []).append(claim["id"])
        line = Text(f"Claims, table {table['id']}: ")
        for place, (word, names) in enumerate(claims.items()):
            line.append("; " if place else "").append_text(verdict(word))
            # Their names and reasons stand with the table.
            line.append(f" {len(names) if word == 'not testable' else ', '.join(names)}")
        if claims:
            yield indented(line)
    if any(claim["mechanism_check"] for table in document["tables"] for claim in table["claims"]):
        yield indented(words.MECHANISM_CHECKS)
    if failed := failed_seeds(document):
        yield indented(Text(f"! {failed} seeds failed or diverged; they count as 0.", style="bold"))
    if stale := stale_lines(document["stale"]):
        yield indented(Text(f"! Stale: {'; '.join(stale)}", style="bold"))
