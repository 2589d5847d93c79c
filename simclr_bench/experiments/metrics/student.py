"""The metrics of a distilled student, from its predictions after each epoch.

Agreement is with the teacher's top-1 class, which is what the official notebook prints; "label" is
with the true class. The paper does not say which is its accuracy, but that it stopped "when it
reaches the best accuracy": `best` is the best epoch by the images that it is scored on, which is
optimistic. `selected` is the honest counterpart: the epoch that is best on the even-numbered images
is scored on the odd-numbered ones, and the other way round. Ties go to the earliest epoch.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Metric = dict[str, Any]


def student_metrics(arrays: Mapping[str, NDArray[Any]]) -> Metric:
    """Every metric of a job of kind "student".

    Args:
        arrays: "heldout_label" [n], "teacher_predicted" [n], "predicted" [epochs, n].

    Raises:
        ValueError: The arrays do not belong together, or are empty.
    """
    label, teacher, predicted = (
        arrays[name] for name in ("heldout_label", "teacher_predicted", "predicted")
    )
    if (
        predicted.ndim != 2
        or not predicted.size
        or not (label.shape == teacher.shape == predicted.shape[1:])
    ):
        raise ValueError(
            "student_metrics: wanted predicted [epochs, n], heldout_label [n] and"
            f" teacher_predicted [n], got {list(predicted.shape)}, {list(label.shape)} and"
            f" {list(teacher.shape)}"
        )
    right = {"agreement": predicted == teacher, "label": predicted == label}
    correct = {name: hits.sum(axis=1) for name, hits in right.items()}
    n = len(label)
    metrics: Metric = {}
    for name, hits in right.items():
        metrics[f"{name}_last"] = _fraction(correct[name][-1], n)
        metrics[f"{name}_best"] = _fraction(correct[name].max(), n)
        metrics[f"{name}_selected"] = _fraction(_correct_at_selected_epochs(hits), n)
    return {
        **metrics,
        "teacher_label": _fraction((teacher == label).sum(), n),
        "curves": {**{name: counts.tolist() for name, counts in correct.items()}, "n": n},
        "best_epoch": {name: int(counts.argmax()) + 1 for name, counts in correct.items()},
    }


def _correct_at_selected_epochs(hits: NDArray[np.bool_]) -> int:
    """Images right at the epoch that the other half of the images chose. [epochs, n]"""
    even, odd = hits[:, 0::2], hits[:, 1::2]
    chosen_on_even, chosen_on_odd = (half.sum(axis=1).argmax() for half in (even, odd))
    return int(odd[chosen_on_even].sum() + even[chosen_on_odd].sum())


def _fraction(correct: Any, n: int) -> Metric:
    return {"value": int(correct) / n, "correct": int(correct), "n": n}
