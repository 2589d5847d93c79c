"""The metrics of linear heads: what the notebook prints, and what it does not."""

from collections.abc import Mapping
from typing import Any

import numpy as np


def head_metrics(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """What a head trained by the notebook's loop scored.

    Args:
        arrays: Predictions and labels; the names are `run_head`'s.

    Returns:
        as_published  the last batch, with the weights of before its update
        progressive   every batch of the run, pooled
        train_pass    the evaluation view of every training image, after the last update
        heldout       the evaluation view of every held-out image, after the last update
        batches       counts of each batch

    Raises:
        ValueError: Predictions and labels differ in number, or the batches do not add up.
    """
    right = _right(arrays, "batch")
    sizes = arrays["batch_sizes"].astype(np.int64)
    ends = np.cumsum(sizes)
    if not len(sizes) or ends[-1] != len(right):
        raise ValueError(
            f"head_metrics: batch_sizes must add up to {len(right)} images, got {sizes.sum()}"
        )
    correct = np.diff(np.cumsum(right)[ends - 1], prepend=0).tolist()
    return {
        "as_published": _fraction(right[ends[-1] - sizes[-1] :]),
        "progressive": _fraction(right),
        "train_pass": _fraction(_right(arrays, "train")),
        "heldout": _fraction(_right(arrays, "heldout")),
        "batches": {"correct": correct, "n": sizes.tolist()},
    }


def converged_metrics(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """What a converged probe scored: heldout, the evaluation view of every held-out image.

    Args:
        arrays: Predictions and labels; the names are `run_converged`'s.

    Raises:
        ValueError: Predictions and labels differ in number.
    """
    return {"heldout": _fraction(_right(arrays, "heldout"))}


def _right(arrays: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    predicted, label = arrays[f"{name}_predicted"], arrays[f"{name}_label"]
    if predicted.shape != label.shape or not len(label):
        raise ValueError(
            f"metrics: {name}_predicted and {name}_label must be of one length, at least 1, got"
            f" {list(predicted.shape)} and {list(label.shape)}"
        )
    return predicted == label


def _fraction(right: np.ndarray) -> dict[str, Any]:
    correct, n = int(right.sum()), len(right)
    return {"value": correct / n, "correct": correct, "n": n}
