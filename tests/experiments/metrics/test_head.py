"""Metrics of heads, by hand."""

import json
import subprocess
import sys

import numpy as np
import pytest

from simclr_bench.experiments.metrics import metrics_of

ARRAYS = {
    "batch_sizes": np.array([3, 3, 2], dtype=np.uint8),
    "batch_predicted": np.array([0, 1, 2, 2, 2, 2, 1, 0], dtype=np.uint8),
    "batch_label": np.array([0, 0, 0, 2, 2, 1, 1, 1], dtype=np.uint8),
    "heldout_predicted": np.array([1, 1, 0, 2, 2], dtype=np.uint8),
    "heldout_label": np.array([1, 0, 0, 2, 1], dtype=np.uint8),
    "train_predicted": np.array([2, 2, 2], dtype=np.uint8),
    "train_label": np.array([0, 1, 1], dtype=np.uint8),
}


def test_a_head_by_hand():
    metrics = metrics_of("head", ARRAYS)
    assert metrics == {
        "as_published": {"value": 0.5, "correct": 1, "n": 2},
        "progressive": {"value": 0.5, "correct": 4, "n": 8},
        "train_pass": {"value": 0.0, "correct": 0, "n": 3},
        "heldout": {"value": 0.6, "correct": 3, "n": 5},
        "batches": {"correct": [1, 2, 1], "n": [3, 3, 2]},
    }
    assert json.loads(json.dumps(metrics)) == metrics


def test_a_converged_probe_by_hand():
    metrics = metrics_of("converged", {name: ARRAYS[name] for name in ARRAYS if "held" in name})
    assert metrics == {"heldout": {"value": 0.6, "correct": 3, "n": 5}}


@pytest.mark.parametrize(("batches", "size"), [(300, 64), (64, 300)])
def test_counts_do_not_overflow_the_small_types_of_the_arrays(batches, size):
    right = np.arange(batches * size) % 3 == 0
    arrays = {
        **ARRAYS,
        "batch_sizes": np.full(batches, size, dtype=np.min_scalar_type(size)),
        "batch_predicted": right.astype(np.uint8),
        "batch_label": np.ones(batches * size, dtype=np.uint8),
    }
    metrics = metrics_of("head", arrays)
    assert metrics["progressive"]["correct"] == 6400
    assert metrics["batches"]["n"] == [size] * batches
    assert metrics["batches"]["correct"] == right.reshape(batches, size).sum(axis=1).tolist()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch_sizes": np.array([3, 3])}, "must add up to 8 images, got 6"),
        ({"heldout_label": np.array([1, 0])}, r"of one length, at least 1, got \[5\] and \[2\]"),
        (
            {"train_label": np.array([]), "train_predicted": np.array([])},
            r"train_predicted and train_label must be of one length, at least 1",
        ),
    ],
)
def test_arrays_that_do_not_fit_together_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        metrics_of("head", {**ARRAYS, **change})


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="kind must be head, converged or student, got check"):
        metrics_of("check", ARRAYS)


def test_metrics_and_the_list_of_code_need_no_torch():
    program = (
        "import sys, simclr_bench.experiments.metrics, simclr_bench.experiments.provenance.code,"
        " simclr_bench.experiments.execution.outcome; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
