"""Small documents for the comparison: the fields that it reads, shaped as in the contract."""

from typing import Any

JSON = dict[str, Any]


def metric(per_seed: list[float | None], n: int | None = 1000) -> JSON:
    values = [0.0 if value is None else value for value in per_seed]
    mean = sum(values) / len(values)
    return {
        "mean": mean,
        "interval": [mean, mean],
        "n_seeds": len(per_seed),
        "n": n,
        "per_seed": per_seed,
        "shared": True,
    }


def verdict(word: str) -> JSON:
    return {"word": word, "text": f"{word}, because it was invented"}


def row(label: str, seeds: list[int], measures: dict[str, JSON], **changes: Any) -> JSON:
    """A row at batch 64, of learning rate 0.1 and with a teacher in its settings."""
    settings = {"learning_rate": 0.1, "widths": [512], "teacher": {"iterations": 30}}
    return {
        "label": label,
        "dataset": "tf_flowers",
        "classes": 5,
        "batch_size": 64,
        "settings": settings,
        "seeds": seeds,
        "measures": measures,
        "verdict": None,
        "stale": None,
        **changes,
    }


def judgement(verdict: str, measure: str = "heldout", where: str = "batch 64") -> JSON:
    return {"measure": measure, "where": where, "verdict": verdict}


def document(rows: list[JSON], judgements: list[JSON] | None = None, **changes: Any) -> JSON:
    """A document with one table, 4, and one claim."""
    return {
        "schema_version": 2,
        "profile": {"name": "embedded", "label": "EMBEDDED", "notice": ""},
        "run_directory": "runs/a",
        "environment": {"python": "3.11.7", "packages": {"torch": "2.11.0"}, "gpu": None},
        "encoder": {"key": "abc", "check": []},
        "data": [
            {
                "dataset": "tf_flowers",
                "train_images": 400,
                "heldout_images": 1000,
                "split": "drawn",
                "skipped": [],
            }
        ],
        "tables": [
            {
                "id": "4",
                "caption": "Transfer",
                "measures": [
                    {"name": "heldout", "title": "held-out", "meaning": ""},
                    {"name": "gap", "title": "gap", "meaning": ""},
                ],
                "rows": rows,
                "claims": [
                    {
                        "id": "fewer",
                        "sentence": "fewer classes, higher accuracy",
                        "judgements": judgements or [],
                        "paper": {"verdict": "holds"},
                    }
                ],
            }
        ],
        **changes,
    }
