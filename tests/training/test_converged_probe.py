"""The probe finds the minimizer, proves it, and agrees with answers found another way."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import minimize, minimize_scalar

from simclr_bench.training import converged_probe as module
from simclr_bench.training.converged_probe import (
    MAX_GAP,
    fit_logistic_regression,
    fit_probe,
    objective_and_gap,
    predict,
    stratified_subset,
)


def clusters(classes: int, per_class: int, width: int, spread: float, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    centers = torch.randn(classes, width, generator=torch.Generator().manual_seed(99))
    labels = torch.arange(classes).repeat_interleave(per_class)
    noise = torch.randn(len(labels), width, generator=generator)
    return centers[labels] + spread * noise, labels


def accuracies_of(train, heldout, *, seeds):
    """Held-out accuracy of each seed's probe."""
    classes = int(train[1].max()) + 1
    fits = (fit_probe(train, heldout[0], classes, seed=seed) for seed in seeds)
    return tuple((fit.predicted == heldout[1]).double().mean().item() for fit in fits)


def test_two_points_give_the_solution_of_the_one_dimensional_problem():
    # At x = +-1 with labels 1 and 0 the minimizer is W = [[-w, 0], [w, 0]] with
    # f = log(1 + exp(-2 w)) + penalty w^2.
    features, labels, penalty = torch.tensor([[1.0], [-1.0]]), torch.tensor([1, 0]), 0.1
    by_hand = minimize_scalar(
        lambda w: math.log1p(math.exp(-2 * w)) + penalty * w * w, bracket=(0, 1), tol=1e-12
    )
    fit = fit_logistic_regression(features, labels, 2, penalty)
    assert fit.objective == pytest.approx(by_hand.fun, abs=fit.gap + 1e-12)
    expected = torch.tensor([[-by_hand.x, 0], [by_hand.x, 0]], dtype=torch.float64)
    torch.testing.assert_close(fit.weight, expected, rtol=0, atol=1e-4)


def test_features_that_say_nothing_give_the_class_frequencies():
    labels = torch.tensor([0] * 6 + [1] * 3 + [2])
    fit = fit_logistic_regression(torch.zeros(10, 4), labels, 3, 1e-6)
    entropy = -sum(p * math.log(p) for p in (0.6, 0.3, 0.1))
    assert fit.objective == pytest.approx(entropy, abs=1e-4)
    assert fit.weight[:, :4].abs().max() == 0
    assert set(predict(fit, torch.zeros(3, 4)).tolist()) == {0}


@pytest.mark.parametrize("scale", [1.0, 30.0])
@pytest.mark.parametrize("penalty", [1e-3, 0.01, 1.0])
def test_another_optimizer_on_the_plain_problem_finds_the_same_minimum(penalty, scale):
    features, labels = clusters(4, 30, 5, 1.5)
    features[:, 0] *= scale  # badly conditioned

    def plain(flat: np.ndarray) -> float:
        return objective_and_gap(torch.from_numpy(flat).view(4, 6), features, labels, penalty)[0]

    def slope(flat: np.ndarray) -> np.ndarray:
        weight = torch.from_numpy(flat).view(4, 6).clone().requires_grad_()
        inputs = torch.cat([features.double(), torch.ones(120, 1, dtype=torch.float64)], dim=1)
        loss = torch.nn.functional.cross_entropy(inputs @ weight.T, labels)
        (loss + penalty / 2 * weight.square().sum()).backward()
        return weight.grad.numpy().ravel()

    other = minimize(plain, np.zeros(24), jac=slope, method="BFGS", options={"gtol": 1e-9})
    fit = fit_logistic_regression(features, labels, 4, penalty)
    assert 0 <= fit.objective - other.fun + 1e-12 <= fit.gap + 1e-10
    assert np.linalg.norm(slope(other.x)) < 1e-6


def test_the_gap_bounds_the_distance_to_the_minimum_everywhere():
    features, labels = clusters(3, 40, 4, 1.0)
    best = fit_logistic_regression(features, labels, 3, 0.05)
    generator = torch.Generator().manual_seed(1)
    for size in (0.01, 0.3, 3.0):
        weight = best.weight + size * torch.randn(3, 5, dtype=torch.float64, generator=generator)
        value, gap = objective_and_gap(weight, features, labels, 0.05)
        assert value - best.objective <= gap


def test_the_gap_uses_the_gradient_that_autograd_finds():
    features, labels = clusters(3, 10, 4, 1.0)
    weight = torch.randn(3, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    weight.requires_grad_()
    inputs = torch.cat([features.double(), torch.ones(30, 1, dtype=torch.float64)], dim=1)
    loss = torch.nn.functional.cross_entropy(inputs @ weight.T, labels)
    loss = loss + 0.2 / 2 * weight.square().sum()
    (gradient,) = torch.autograd.grad(loss, weight)
    value, gap = objective_and_gap(weight.detach(), features, labels, 0.2)
    assert value == pytest.approx(loss.item(), rel=1e-12)
    assert gap == pytest.approx(gradient.square().sum().item() / 0.4, rel=1e-10)


def test_separable_classes_are_separated():
    accuracies = accuracies_of(
        clusters(10, 20, 16, 0.1), clusters(10, 20, 16, 0.1, seed=1), seeds=range(3)
    )
    assert accuracies == (1.0, 1.0, 1.0)


def test_a_seeds_probe_is_the_fit_on_its_share_standardized_by_all_training_images():
    (features, labels), (heldout, _) = clusters(4, 20, 6, 2.0), clusters(4, 9, 6, 2.0, seed=1)
    result = fit_probe((features, labels), heldout, 4, seed=3, penalty=0.1, fraction=0.5)
    mean, std = features.mean(dim=0), features.std(dim=0, correction=0)
    kept = stratified_subset(labels.numpy(), 0.5, 3)
    fit = fit_logistic_regression(((features - mean) / std)[kept], labels[kept], 4, 0.1)
    assert len(kept) == 40 and result.gap == fit.gap <= MAX_GAP
    assert result.predicted.tolist() == predict(fit, (heldout - mean) / std).tolist()


def test_an_image_is_drawn_by_its_place_in_its_data_set():
    labels = np.repeat(np.arange(6), 20)
    everything = stratified_subset(labels, 0.5, 1)
    some = np.flatnonzero(labels % 2 == 1)
    kept = some[stratified_subset(labels[some], 0.5, 1, some)]
    assert np.array_equal(kept, everything[labels[everything] % 2 == 1])
    assert not np.array_equal(kept, some[stratified_subset(labels[some], 0.5, 1)])


def test_noise_is_classified_at_chance():
    generator = torch.Generator().manual_seed(0)
    features, labels = torch.randn(2000, 8, generator=generator), torch.arange(2000) % 4
    (accuracy,) = accuracies_of(
        (features[:1000], labels[:1000]), (features[1000:], labels[1000:]), seeds=[0]
    )
    assert abs(accuracy - 0.25) < 4 * (0.25 * 0.75 / 1000) ** 0.5


def test_units_of_the_features_do_not_matter():
    train, heldout = clusters(5, 30, 8, 2.0), clusters(5, 30, 8, 2.0, seed=1)
    units = torch.tensor([1.0, 8, 64, 0.125, 1024, 2, 0.5, 1])
    shifted = [(features * units + 3 * units, labels) for features, labels in (train, heldout)]
    plain = accuracies_of(train, heldout, seeds=range(3))
    assert accuracies_of(*shifted, seeds=range(3)) == pytest.approx(plain, abs=1 / 150)


def test_inference_mode_makes_no_difference():
    train, heldout = clusters(5, 30, 8, 2.0), clusters(5, 30, 8, 2.0, seed=1)
    plain = accuracies_of(train, heldout, seeds=[0])
    with torch.inference_mode():
        inside = [(features * 1, labels * 1) for features, labels in (train, heldout)]
        assert accuracies_of(*inside, seeds=[0]) == plain


def test_a_dead_feature_is_harmless():
    train, heldout = clusters(3, 30, 8, 0.1), clusters(3, 30, 8, 0.1, seed=1)
    for features, _ in (train, heldout):
        features[:, 2] = 7.0
    assert accuracies_of(train, heldout, seeds=[0]) == (1.0,)


def test_seeds_draw_different_stratified_subsets():
    labels = np.repeat(np.arange(7), 20)
    subsets = [stratified_subset(labels, 0.8, seed) for seed in range(3)]
    for subset in subsets:
        assert np.bincount(labels[subset]).tolist() == [16] * 7
        assert (np.diff(subset) > 0).all()
    assert len({subset.tobytes() for subset in subsets}) == 3
    assert np.array_equal(stratified_subset(labels, 0.8, 0), subsets[0])


def test_a_fit_that_did_not_converge_is_an_error(monkeypatch):
    monkeypatch.setattr(module, "MAX_ITERATIONS", 2)
    features, labels = clusters(10, 20, 16, 1.0)
    with pytest.raises(RuntimeError, match=r"gap must fall to 0.0001 nats, got .* after . iter"):
        fit_logistic_regression(features, labels, 10, 0.001)


@pytest.mark.parametrize("per_class", [2, 40])
def test_few_images_of_many_features_have_the_minimum_of_all_axes(per_class, monkeypatch):
    # As few images of a full-size network: 2,048 features, of which few directions are seen.
    features, labels = clusters(3, per_class, 1100, 3.0)
    heldout, _ = clusters(3, 50, 1100, 3.0, seed=1)
    few = fit_logistic_regression(features, labels, 3, 0.01)
    monkeypatch.setattr(module, "WIDE", 2000)
    every = fit_logistic_regression(features, labels, 3, 0.01)
    assert few.gap <= MAX_GAP and every.gap <= MAX_GAP
    assert few.objective == pytest.approx(every.objective, abs=few.gap + every.gap)
    # Strongly convex: |W - W*|^2 <= 2 gap / penalty, for both.
    distance = (few.weight - every.weight).norm().item()
    assert distance <= sum(math.sqrt(2 * fit.gap / 0.01) for fit in (few, every))
    agree = predict(few, heldout) == predict(every, heldout)
    assert agree.double().mean() > 0.97
