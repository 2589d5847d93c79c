"""What the page says of comparisons that were made to be judged."""

import json
from pathlib import Path
from typing import Any

from benchmarks.page.proofs import rows_of, section
from benchmarks.records.record import COMPARISONS


def proof(handicap: float, ratio: float, *, flagged: bool, commit: str = "new") -> dict[str, Any]:
    cell = {"cell": "nt_xent-N4096", "rounds": 12, "decision": {"ratio": ratio}}
    return {
        "new": {"commit": commit},
        "factor": 1.1,
        "alpha": 0.01,
        "cells": [cell],
        "proof": {"handicap": handicap, "flagged": flagged, "wall_s": 15.6},
    }


def test_each_handicap_has_a_row_with_its_count_and_the_spread_of_its_ratios() -> None:
    proofs = [
        proof(0.0, 1.01, flagged=False),
        proof(0.2, 1.25, flagged=True),
        proof(0.2, 1.15, flagged=False),
        proof(0.0, 0.98, flagged=False),
        proof(0.2, 1.20, flagged=True),
    ]
    heading, slow, same = rows_of(proofs)
    assert len(heading) == len(slow)
    assert slow == ["does 20 % more work", "2 of 3", "1.15", "1.20", "1.25", "12", "16"]
    assert same[:3] == ["is the same", "0 of 2", "0.980"]


def test_proofs_of_an_older_commit_and_other_comparisons_do_not_count(tmp_path: Path) -> None:
    assert section(tmp_path) == []
    other = {key: value for key, value in proof(0.0, 2.0, flagged=True).items() if key != "proof"}
    found = [
        proof(0.2, 1.0, flagged=False, commit="old"),
        other,
        proof(0.2, 1.2, flagged=True),
    ]
    (tmp_path / COMPARISONS).write_text("".join(json.dumps(line) + "\n" for line in found))
    text = "\n".join(section(tmp_path))
    assert "| does 20 % more work | 1 of 1 |" in text and "Commit new." in text
    assert "factor of 1.1, with p < 0.01" in text
