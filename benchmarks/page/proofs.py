"""How often `bench --compare` flagged a planted slowdown, and two builds that are the same."""

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.page import words
from benchmarks.page.table import Rows, markdown
from benchmarks.records.record import COMPARISONS

HEADING = ["the new build", "flagged", "ratio: least", "median", "largest", "rounds", "s each"]


def read_proofs(folder: Path) -> list[dict[str, Any]]:
    """The comparisons of comparing/proof.py in a machine's folder: those of the newest commit."""
    path = folder / COMPARISONS
    lines = path.read_text().splitlines() if path.exists() else []
    proofs = [found for found in map(json.loads, lines) if "proof" in found]
    return [found for found in proofs if found["new"]["commit"] == proofs[-1]["new"]["commit"]]


def rows_of(proofs: Sequence[dict[str, Any]]) -> Rows:
    """A row per handicap, the largest first; a heading first, nothing where nothing is known."""
    rows: Rows = [HEADING]
    for handicap in sorted({found["proof"]["handicap"] for found in proofs}, reverse=True):
        group = [found for found in proofs if found["proof"]["handicap"] == handicap]
        ratios = [found["cells"][0]["decision"]["ratio"] for found in group]
        flagged = sum(found["proof"]["flagged"] for found in group)
        rows.append(
            [
                f"does {100 * handicap:g} % more work" if handicap else "is the same",
                f"{flagged} of {len(group)}",
                *(words.number(value) for value in (min(ratios), median(ratios), max(ratios))),
                str(group[0]["cells"][0]["rounds"]),
                f"{median(found['proof']['wall_s'] for found in group):.0f}",
            ]
        )
    return rows if proofs else []


def section(folder: Path) -> list[str]:
    """The section of a machine's folder; nothing where there are no proofs."""
    proofs = read_proofs(folder)
    if not proofs:
        return []
    last = proofs[-1]
    return [
        "",
        "### Does `simclr-bench bench --compare` tell the truth?",
        "",
        f"In {last['cells'][0]['cell']}; flagged is what is off by more than a factor of"
        f" {last['factor']:g}, with p < {last['alpha']:g}.",
        f"Check it: `python -m benchmarks.comparing.proof`. Commit {last['new']['commit'][:12]}.",
        "",
        *markdown(rows_of(proofs)),
    ]
