"""A converged job's predictions: whose they are, and of which classes."""

import numpy as np
import pytest
import torch

from simclr_bench.experiments.execution.converged import run_converged
from simclr_bench.experiments.metrics import metrics_of
from simclr_bench.training.converged_probe import MAX_GAP, fit_probe
from tests.experiments.execution.tiny import CLASSES, HELDOUT, job, tiny_bench, tiny_data


@pytest.mark.parametrize("weights", ["pretrained", "untrained"])
def test_predictions_are_the_probes_on_the_named_weights(weights):
    bench, data = tiny_bench(), tiny_data("stacked")
    outcome = run_converged(job("converged", weights=weights, seed=3), bench)
    train = bench.train_features("stacked", weights), data.train.labels
    heldout = bench.heldout_features("stacked", weights), data.heldout.labels
    predicted = fit_probe(train, heldout[0], CLASSES, seed=3).predicted
    accuracy = (predicted == heldout[1]).double().mean().item()
    heldout_metric = metrics_of("converged", outcome.arrays)["heldout"]
    assert heldout_metric["value"] == pytest.approx(accuracy, abs=1e-12)
    assert heldout_metric["n"] == CLASSES * HELDOUT
    assert accuracy > 2 / CLASSES
    assert outcome.details["data"] == data.description
    assert 0 <= outcome.details["gap"] <= MAX_GAP


def test_weights_and_seeds_give_other_predictions():
    bench = tiny_bench()
    outcomes = [
        run_converged(job("converged", weights=weights, seed=seed), bench)
        for weights in ("pretrained", "untrained")
        for seed in (0, 1)
    ]
    predicted = [outcome.arrays["heldout_predicted"].tobytes() for outcome in outcomes]
    assert len(set(predicted)) == 4


def test_fewer_classes_are_fitted_and_scored_alone():
    bench, data = tiny_bench(), tiny_data("stacked")
    outcome = run_converged(job("converged", class_count=3, seed=1), bench)
    label, predicted = outcome.arrays["heldout_label"], outcome.arrays["heldout_predicted"]
    found = sorted(set(label.tolist()))
    assert len(found) == 3 and len(label) == 3 * HELDOUT and set(predicted.tolist()) <= set(found)
    # By hand: only these images, labels by rank, the share drawn by place in the whole set.
    places = np.flatnonzero(np.isin(data.train.labels.numpy(), found))
    ranks = torch.tensor([found.index(data.train.labels[place]) for place in places])
    heldout = bench.heldout_features("stacked")[np.isin(data.heldout.labels.numpy(), found)]
    by_hand = fit_probe(
        (bench.train_features("stacked")[places], ranks), heldout, 3, seed=1, index=places
    )
    assert [found[rank] for rank in by_hand.predicted] == predicted.tolist()


def test_all_classes_drawn_are_all_classes():
    drawn = run_converged(job("converged", class_count=CLASSES), tiny_bench())
    everything = run_converged(job("converged"), tiny_bench())
    for name, array in everything.arrays.items():
        assert np.array_equal(array, drawn.arrays[name])


def test_penalty_and_fraction_are_used():
    bench = tiny_bench()
    base = run_converged(job("converged"), bench)
    for change in ({"penalty": 10.0}, {"fraction": 0.2}):
        other = run_converged(job("converged", **change), bench)
        assert not np.array_equal(
            other.arrays["heldout_predicted"], base.arrays["heldout_predicted"]
        )


def test_unknown_weights_are_refused():
    with pytest.raises(ValueError, match="weights must be pretrained or untrained, got official"):
        run_converged(job("converged", weights="official"), tiny_bench())
