"""Two documents compared: what was asked for, where it ran, what came out, what was concluded.

`schema.json` beside this file describes the result; objects there are closed.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from simclr_bench.verdicts.intervals import mean_interval

SCHEMA_VERSION = 1

# Of the documents that are read here: report/document.
DOCUMENT_SCHEMA = 2

INTERVALS = (
    "95 %, Student t over the changes b - a of seeds that both have: what the choice of seeds"
    " leaves open, not that of the examples. Each interval stands alone: of twenty measures whose"
    " expectation did not change, one is expected to exclude zero"
)

JSON = dict[str, Any]
Key = tuple[Any, ...]


def obstacle(a: JSON, b: JSON) -> str | None:
    """Why two documents cannot be compared, or None if they can."""
    for name, document in (("the first", a), ("the second", b)):
        if (version := document["schema_version"]) != DOCUMENT_SCHEMA:
            return f"{name} has document schema {version}, this version compares {DOCUMENT_SCHEMA}"
    first, second = a["profile"]["name"], b["profile"]["name"]
    if first != second:
        return f"the first is of the profile {first!r}, the second of {second!r}"
    return None


def diff_documents(a: JSON, b: JSON) -> JSON:
    """What changed from one document to another.

    Args:
        a: The document before, as report/document builds it.
        b: The document after.

    Raises:
        ValueError: They cannot be compared; `obstacle` says why.
    """
    if reason := obstacle(a, b):
        raise ValueError(f"diff_documents: {reason}")
    rows_a, rows_b = _rows(a), _rows(b)
    both = [key for key in rows_a if key in rows_b]
    return {
        "schema_version": SCHEMA_VERSION,
        "profile": {"name": a["profile"]["name"], "label": a["profile"]["label"]},
        "a": a["run_directory"],
        "b": b["run_directory"],
        "environment": _differences(a["environment"], b["environment"]),
        "inputs": _differences(_inputs(a), _inputs(b)),
        "intervals": INTERVALS,
        "tables": [
            _table(table, [key for key in both if key[0] == table["id"]], rows_a, rows_b)
            for table in a["tables"]
            if any(key[0] == table["id"] for key in both)
        ],
        "verdicts": [flip for key in both for flip in _flipped_cell(key, rows_a, rows_b)],
        "claims": _flipped_claims(a, b),
        "only_a": [_named(key) for key in rows_a if key not in rows_b],
        "only_b": [_named(key) for key in rows_b if key not in rows_a],
    }


def _rows(document: JSON) -> dict[Key, JSON]:
    """Table, label and batch size -> row."""
    return {
        (table["id"], row["label"], row["batch_size"]): row
        for table in document["tables"]
        for row in table["rows"]
    }


def _named(key: Key) -> JSON:
    return dict(zip(("table", "label", "batch_size"), key, strict=True))


def _inputs(document: JSON) -> JSON:
    """Encoder and data, the two things that a result also depends on."""
    data = {data["dataset"]: data for data in document["data"]}
    return {"encoder": document["encoder"]["key"], "data": data}


def _table(table: JSON, keys: Sequence[Key], a: Mapping[Key, JSON], b: Mapping[Key, JSON]) -> JSON:
    titles = {measure["name"]: measure["title"] for measure in table["measures"]}
    return {
        "id": table["id"],
        "caption": table["caption"],
        "rows": [_row(a[key], b[key], titles) for key in keys],
    }


def _row(a: JSON, b: JSON, titles: Mapping[str, str]) -> JSON:
    return {
        "label": a["label"],
        "batch_size": a["batch_size"],
        "settings": _differences(_asked(a), _asked(b)),
        "seeds": {
            "common": [seed for seed in a["seeds"] if seed in b["seeds"]],
            "only_a": [seed for seed in a["seeds"] if seed not in b["seeds"]],
            "only_b": [seed for seed in b["seeds"] if seed not in a["seeds"]],
        },
        "stale": {"a": a["stale"], "b": b["stale"]} if a["stale"] or b["stale"] else None,
        "measures": [
            {"name": name, "title": titles.get(name, name), **_measure(name, a, b)}
            for name in a["measures"]
            if name in b["measures"]
        ],
        "measures_only_a": [name for name in a["measures"] if name not in b["measures"]],
        "measures_only_b": [name for name in b["measures"] if name not in a["measures"]],
    }


def _asked(row: JSON) -> JSON:
    return {"dataset": row["dataset"], "classes": row["classes"], **row["settings"]}


def _measure(name: str, a: JSON, b: JSON) -> JSON:
    metrics = (a["measures"][name], b["measures"][name])
    first, second = (
        dict(zip(row["seeds"], metric["per_seed"], strict=True))
        for row, metric in zip((a, b), metrics, strict=True)
    )
    common = [seed for seed in first if seed in second]
    lost = {
        "a": [seed for seed in common if first[seed] is None],
        "b": [seed for seed in common if second[seed] is None],
    }
    if all(metric["n"] is not None for metric in metrics):
        # A run that fails has an accuracy of 0, here as in every verdict.
        pairs = [(first[seed] or 0.0, second[seed] or 0.0) for seed in common]
    else:
        # A difference of accuracies has no such value: 0 would say that nothing changed.
        whole = [seed for seed in common if seed not in lost["a"] + lost["b"]]
        pairs = [(first[seed], second[seed]) for seed in whole]
    return {
        **{
            side: {"mean": metric["mean"], "n": metric["n"]}
            for side, metric in zip("ab", metrics, strict=True)
        },
        "change": _change([after - before for before, after in pairs]),
        "failed": lost,
    }


def _change(changes: Sequence[float]) -> JSON | None:
    """Mean of the paired changes; None without pairs, and no interval with a single one."""
    if not changes:
        return None
    low, high = mean_interval(changes).interval if len(changes) > 1 else (-math.inf, math.inf)
    if not any(changes):
        direction = "equal"
    elif low > 0:
        direction = "higher"
    elif high < 0:
        direction = "lower"
    else:
        direction = "undecided"
    return {
        "mean": math.fsum(changes) / len(changes),
        "interval": [low, high] if len(changes) > 1 else None,
        "n_seeds": len(changes),
        "direction": direction,
    }


def _flipped_cell(key: Key, a: Mapping[Key, JSON], b: Mapping[Key, JSON]) -> list[JSON]:
    before, after = a[key]["verdict"], b[key]["verdict"]
    if (before and before["word"]) == (after and after["word"]):
        return []
    return [{**_named(key), "a": _verdict(before), "b": _verdict(after)}]


def _verdict(verdict: JSON | None) -> JSON | None:
    return verdict and {"word": verdict["word"], "text": verdict["text"]}


def _flipped_claims(a: JSON, b: JSON) -> list[JSON]:
    before, after = _judgements(a), _judgements(b)
    names = ("table", "id", "measure", "where")
    sentences = {claim["id"]: claim["sentence"] for t in a["tables"] for claim in t["claims"]}
    return [
        {
            **dict(zip(names, key, strict=True)),
            "sentence": sentences[key[1]],
            "a": before[key],
            "b": after[key],
        }
        for key in before
        if key in after and before[key] != after[key]
    ]


def _judgements(document: JSON) -> dict[Key, str]:
    return {
        (table["id"], claim["id"], judgement["measure"], judgement["where"]): judgement["verdict"]
        for table in document["tables"]
        for claim in table["claims"]
        for judgement in claim["judgements"]
    }


def _differences(a: JSON, b: JSON) -> list[JSON]:
    """The fields that differ, those of objects within objects with dots between; absent is null."""
    first, second = _flat(a), _flat(b)
    return [
        {"field": field, "a": first.get(field), "b": second.get(field)}
        for field in {**first, **second}
        if first.get(field) != second.get(field)
    ]


def _flat(content: JSON, prefix: str = "") -> JSON:
    flat: JSON = {}
    for name, value in content.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat
