"""All verdicts at a glance, as the last lines of the report."""

from collections.abc import Iterator
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from simclr_bench.report.reading import cell_counts, claim_word, failed_seeds
from simclr_bench.report.terminal.styles import heading, indented, verdict
from simclr_bench.report.words import MECHANISM_CHECKS

JSON = dict[str, Any]


def summary(document: JSON) -> Iterator[RenderableType]:
    """Counts of cells, a word for each claim, and what is stale or failed."""
    yield heading("Summary")
    yield indented(document["words"]["this_run"])
    counts = {word: n for word, n in cell_counts(document["tables"]).items() if n}
    if counts:
        line = Text("Cells: ")
        for place, (word, n) in enumerate(counts.items()):
            line.append(", " if place else "").append_text(verdict(word)).append(f" {n}")
        yield indented(line)
    for table in document["tables"]:
        for claim in table["claims"]:
            line = Text(f"Claim, table {table['id']}, {claim['id']}: ")
            yield indented(line.append_text(verdict(claim_word(claim))))
    if any(claim["mechanism_check"] for table in document["tables"] for claim in table["claims"]):
        yield indented(MECHANISM_CHECKS)
    if failed := failed_seeds(document):
        yield indented(Text(f"! {failed} seeds failed or diverged; they count as 0.", style="bold"))
    for stale in document["stale"]:
        seeds = ", ".join(map(str, stale["seeds"]))
        text = f"! Stale: {stale['section']}, {stale['label']}, seeds {seeds}: {stale['reason']}"
        yield indented(Text(text, style="bold"))
