"""The metrics of a student, by hand."""

import json

import numpy as np
import pytest

from simclr_bench.experiments.metrics.student import student_metrics


def fraction(correct: int, n: int) -> dict[str, float]:
    return {"value": correct / n, "correct": correct, "n": n}


# Six held-out images; images 0, 2, 4 are the even-numbered ones.
LABEL = [0, 1, 2, 0, 1, 2]
TEACHER = [0, 1, 2, 0, 0, 0]
PREDICTED = [
    [0, 0, 2, 0, 2, 2],  # agreement 0 2 | 3       label 0 2 | 3 5
    [0, 1, 2, 0, 1, 1],  # agreement 0 2 | 1 3     label 0 2 4 | 1 3
    [0, 1, 1, 1, 0, 0],  # agreement 0 4 | 1 5     label 0 | 1
    [0, 2, 2, 0, 1, 1],  # agreement 0 2 | 3       label 0 2 4 | 3
]


def arrays(
    predicted: list[list[int]] = PREDICTED,
    teacher: list[int] = TEACHER,
    label: list[int] = LABEL,
) -> dict[str, np.ndarray]:
    return {
        "predicted": np.array(predicted, dtype=np.uint8),
        "teacher_predicted": np.array(teacher, dtype=np.uint8),
        "heldout_label": np.array(label, dtype=np.uint8),
    }


def test_every_metric_of_a_small_case() -> None:
    assert student_metrics(arrays()) == {
        "agreement_last": fraction(3, 6),
        "label_last": fraction(4, 6),
        "agreement_best": fraction(4, 6),
        "label_best": fraction(5, 6),
        # Agreement. Even images: 2 2 2 2, the first epoch, which has 1 on the odd ones. Odd images:
        # 1 2 2 1, the second epoch, which has 2 on the even ones.
        "agreement_selected": fraction(1 + 2, 6),
        # Label. Even: 2 3 1 3, the second epoch, with 2 on the odd ones. Odd: 2 2 1 1, the first
        # epoch, with 2 on the even ones.
        "label_selected": fraction(2 + 2, 6),
        "teacher_label": fraction(4, 6),
        "curves": {"agreement": [3, 4, 4, 3], "label": [4, 5, 2, 4], "n": 6},
        "best_epoch": {"agreement": 2, "label": 2},
    }


def test_a_single_epoch_leaves_nothing_to_choose() -> None:
    metrics = student_metrics(arrays([[0, 1, 0, 0, 1, 0]]))
    for name in ("last", "best", "selected"):
        assert metrics[f"agreement_{name}"] == fraction(4, 6)
        assert metrics[f"label_{name}"] == fraction(4, 6)
    assert metrics["best_epoch"] == {"agreement": 1, "label": 1}


def test_one_image_has_an_empty_other_half() -> None:
    metrics = student_metrics(arrays([[0], [1]], teacher=[1], label=[0]))
    assert metrics["agreement_best"] == fraction(1, 1)
    # The empty half chooses the earliest epoch, which disagrees.
    assert metrics["agreement_selected"] == fraction(0, 1)
    assert metrics["teacher_label"] == fraction(0, 1)


def test_choosing_on_the_same_images_is_optimistic_about_noise() -> None:
    best, selected = [], []
    for seed in range(20):
        draws = np.random.default_rng(seed)
        noise = arrays()
        noise["predicted"] = draws.integers(0, 2, size=(100, 200)).astype(np.uint8)
        noise["heldout_label"] = draws.integers(0, 2, size=200).astype(np.uint8)
        noise["teacher_predicted"] = noise["heldout_label"]
        metrics = student_metrics(noise)
        best.append(metrics["label_best"]["value"])
        selected.append(metrics["label_selected"]["value"])
    # The largest of 100 fractions around 0.5 with a deviation of 0.035 is about 0.587.
    assert np.mean(best) > 0.575
    assert abs(np.mean(selected) - 0.5) < 0.03


def test_metrics_are_plain_json() -> None:
    assert json.loads(json.dumps(student_metrics(arrays()))) == student_metrics(arrays())


@pytest.mark.parametrize("epochs", [[], [[0, 0, 0]]])
def test_arrays_that_do_not_belong_together_are_refused(epochs: list[list[int]]) -> None:
    with pytest.raises(ValueError, match=r"student_metrics: wanted predicted \[epochs, n\]"):
        student_metrics(arrays(epochs))
