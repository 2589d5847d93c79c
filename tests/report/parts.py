"""The objects that a document is made of, with defaults for all that a test does not care about."""

from typing import Any

JSON = dict[str, Any]


def metric(
    mean: float,
    low: float,
    high: float,
    *,
    n: int | None = 1000,
    per_seed: tuple[float | None, ...] | None = None,
) -> JSON:
    """Three seeds around a mean, or those that are given."""
    values = per_seed or (mean - 0.0104, mean + 0.0011, mean + 0.0093)
    return {
        "mean": mean,
        "interval": [low, high],
        "n_seeds": len(values),
        "n": n,
        "per_seed": list(values),
        "shared": True,
    }


def candidate(n: int, least: int, most: int, low: float, high: float) -> JSON:
    return {
        "n": n,
        "meanings": ["one training batch" if n < 100 else "the test split"],
        "least": least,
        "most": most,
        "arithmetic": f"{least}/{n} = {least / n:.6f}",
        "interval": [low, high],
    }


def paper(printed: str | None, *candidates: JSON, references: tuple[JSON, ...] = ()) -> JSON:
    return {
        "printed": printed,
        "decimals": len(printed.partition(".")[2]) if printed else 0,
        "candidates": list(candidates),
        "excluded": [
            {"n": 100, "meanings": ["a hundred images"], "arithmetic": "90/100 and 91/100 do not"}
        ]
        if printed
        else [],
        "quote": f"accuracy of {printed}" if printed else "",
        "references": list(references),
    }


def verdict(word: str, measure: str, text: str = "", reason: str = "") -> JSON:
    numbers: JSON = {
        "difference": None if reason else [-0.2617, -0.0833],
        "prediction": None if reason else [0.4219, 0.7344],
        "power": None if reason else 0.1837,
        "seeds_needed": None,
        "n_needed": 1234 if word == "inconclusive" else None,
    }
    return {
        "word": word,
        "text": text or word,
        "measure": measure,
        "reason": reason,
        "margin": 0.05,
        **numbers,
        "candidates": []
        if reason
        else [{"n": 64, "meanings": ["one training batch"], "word": word, **numbers}],
    }


def row(label: str, cells: list[str], **changes: Any) -> JSON:
    found: JSON = {
        "label": label,
        "cells": cells,
        "ours_alone": False,
        "dataset": "tf_flowers",
        "classes": 5,
        "chance": 0.2,
        "batch_size": 64,
        "settings": {
            "augment": ["crop"],
            "framing": "center",
            "color_strength": 0.3,
            "batch_size": 64,
            "iterations": 30,
            "learning_rate": 0.1,
            "momentum": 0.9,
            "weight_decay": 0.0,
            "head_initialization": "glorot_uniform",
            "single_pass": False,
            "class_count": None,
            "threads": 1,
        },
        "seeds": [0, 1, 2],
        "failed": [],
        "paper": paper(None),
        "measures": {},
        "verdict": None,
        "curves": None,
        "command": f"simclr-bench reproduce --table 1 --rows '{label}' --seeds 0:3",
        "records": ["0123456789abcdef01234567", "89abcdef0123456789abcdef"],
        "stale": None,
    }
    assert changes.keys() <= found.keys()
    return found | changes


def judgement(measure: str, where: str, word: str, **changes: Any) -> JSON:
    found: JSON = {
        "measure": measure,
        "where": where,
        "verdict": word,
        "test": "Welch's t, Holm over the table",
        "p_holds": 0.01234,
        "p_fails": 0.98,
        "trend_p": None,
        "rows_p": None,
        "comparisons": [],
        "rows": [],
        "note": "",
    }
    assert changes.keys() <= found.keys()
    return found | changes


def claim(id: str, sentence: str, *judgements: JSON, **changes: Any) -> JSON:
    found: JSON = {
        "id": id,
        "sentence": sentence,
        "source": "section 6.1.3",
        "statement": {"kind": "above", "text": "every one of A is above every one of B"},
        "testable": True,
        "reason": None,
        "mechanism_check": True,
        "judgements": list(judgements),
        "paper": {
            "verdict": "holds",
            "evidence": "not enough at n = 64",
            "details": [{"meaning": "one training batch", "enough": False, "short": [["A", "B"]]}],
        },
    }
    assert changes.keys() <= found.keys()
    return found | changes


def table(id: str, caption: str, header: list[str], rows: list[JSON], **changes: Any) -> JSON:
    found: JSON = {
        "id": id,
        "caption": caption,
        "source": "arXiv:2108.00587v1, section 6",
        "header": header,
        "measures": [],
        "intervals": "95 %, over seeds and test images; for the paper Clopper-Pearson",
        "rows": rows,
        "claims": [],
        "choices": {},
        "notes": [],
        "inconsistencies": [],
    }
    assert changes.keys() <= found.keys()
    return found | changes
