"""A linear probe trained to convergence: what features are worth, free of any training schedule.

    minimize  f(W) = mean_i CE(W h_i, y_i) + lambda/2 |W|^2          lambda = 0.01

on features standardized by the training split, with a constant 1 appended for the bias. f is
lambda-strongly convex, so the answer depends on neither start, rate nor order, and the gradient
bounds what is left to gain: f(W) - min f <= |grad f(W)|^2 / (2 lambda). That bound, not a number
of iterations, says when a fit has converged. A seed draws a stratified 80 % of the training images.

Source: Kornblith, Shlens and Le, "Do better ImageNet models transfer better?" (arXiv:1805.08974),
whose probe SimCLR's Appendix B.8.1 follows; here with one fixed penalty instead of a search.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from simclr_bench.data.randomness import Index, uniform

PENALTY = 0.01
FRACTION = 0.8
MAX_GAP = 1e-4  # nats; accuracies stop moving well before
# Gradients at which to ask for the gap: the first is almost always enough, the last is near
# float32's noise for a loss of order one.
TOLERANCES = (1e-4, 1e-5, 1e-6)
MAX_ITERATIONS = 2000

# Features from which on the axes of few images are found among these: the minimizer lies in their
# span. Below, all axes take milliseconds.
WIDE = 1024


@dataclass(frozen=True)
class LogisticFit:
    """A converged multinomial logistic regression."""

    weight: Tensor  # float64 [C, F + 1], the bias last
    objective: float  # f, nats
    gap: float  # upper bound on f - min f, nats


@dataclass(frozen=True)
class ProbeResult:
    """What a converged probe makes of the held-out images."""

    predicted: Tensor  # top-1 labels, int64 [m]
    gap: float  # upper bound on f - min f of the fit, nats


def fit_probe(
    train: tuple[Tensor, Tensor],
    heldout: Tensor,
    classes: int,
    *,
    seed: int,
    index: Index | None = None,
    penalty: float = PENALTY,
    fraction: float = FRACTION,
) -> ProbeResult:
    """A seed's probe, trained to convergence and applied to the held-out images.

    Args:
        train: Features, and labels 0 .. classes - 1. [n, F] and [n]
        heldout: Features. [m, F]
        classes: Number of classes.
        seed: Draws the stratified share of the training images.
        index: Position of each training image in its data set; 0 .. n - 1 by default. [n]
        penalty: lambda, > 0.
        fraction: That share.

    Returns:
        Predictions, and how far from its minimum the fit may be.

    Raises:
        RuntimeError: The fit did not converge.
    """
    features, labels = train
    # By all training images, not by the seed's share of them.
    mean, std = features.mean(dim=0), features.std(dim=0, correction=0).clamp(min=1e-6)
    kept = torch.from_numpy(stratified_subset(labels.numpy(), fraction, seed, index))
    fit = fit_logistic_regression(((features - mean) / std)[kept], labels[kept], classes, penalty)
    return ProbeResult(predict(fit, (heldout - mean) / std), fit.gap)


def stratified_subset(
    labels: NDArray[np.int64], fraction: float, seed: int, index: Index | None = None
) -> NDArray[np.int64]:
    """Positions of a random share of each class, in ascending order.

    Args:
        labels: Class of each image. [n]
        fraction: Share of each class, rounded to the nearest image, at least one.
        seed: Seed of the draw.
        index: Position of each image in its data set; 0 .. n - 1 by default. [n]

    Returns:
        Positions in `labels`. [about fraction * n]
    """
    index = range(len(labels)) if index is None else index
    draws = uniform(seed, 0, index, "converged probe: subset", 1)[:, 0]
    kept = []
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        count = max(1, round(fraction * len(members)))
        kept.append(members[np.argsort(draws[members], kind="stable")[:count]])
    return np.sort(np.concatenate(kept))


@torch.inference_mode(False)  # callers may be inside it, and L-BFGS needs ordinary parameters
def fit_logistic_regression(
    features: Tensor, labels: Tensor, classes: int, penalty: float
) -> LogisticFit:
    """Multinomial logistic regression by L-BFGS, to a certified gap.

    Args:
        features: Inputs. [n, F]
        labels: Classes, 0 .. classes - 1. [n]
        classes: Number of classes.
        penalty: lambda of the module's objective, > 0.

    Returns:
        The minimizer and the bound on what is left to gain.

    Raises:
        RuntimeError: The bound stayed above MAX_GAP.
    """
    x = _with_constant(features)
    # Preconditioning changes the path, not the minimizer: along the principal axes of the inputs,
    # scaled by the curvature of f at W = 0, all directions look alike.
    variance, axes = _principal_axes(x)
    scale = (variance.clamp(min=0) / classes + penalty).rsqrt()
    basis = axes * scale  # W = parameters @ basis.T
    inputs, shrinkage = (x @ basis).float(), (penalty * scale.square()).float()
    parameters = torch.zeros(classes, basis.shape[1], requires_grad=True)
    rows = torch.arange(len(x))

    @torch.no_grad()
    def objective() -> Tensor:
        log_probability = torch.log_softmax(inputs @ parameters.T, dim=1)
        loss = -log_probability[rows, labels].double().mean()
        loss += (shrinkage * parameters.square()).sum().double() / 2
        error = log_probability.exp_()
        error[rows, labels] -= 1
        parameters.grad = (error / len(x)).T @ inputs + shrinkage * parameters
        return loss

    optimizer = torch.optim.LBFGS(
        [parameters],
        max_iter=MAX_ITERATIONS,
        tolerance_change=0.0,
        history_size=10,
        line_search_fn="strong_wolfe",
    )
    for tolerance in TOLERANCES:
        optimizer.param_groups[0]["tolerance_grad"] = tolerance
        optimizer.step(objective)
        weight = parameters.detach().double() @ basis.T
        value, gap = objective_and_gap(weight, features, labels, penalty)
        if gap <= MAX_GAP:
            return LogisticFit(weight, value, gap)
    raise RuntimeError(
        f"fit_logistic_regression: gap must fall to {MAX_GAP} nats, got {gap:.1e} after "
        f"{optimizer.state[parameters]['n_iter']} iterations"
    )


def objective_and_gap(
    weight: Tensor, features: Tensor, labels: Tensor, penalty: float
) -> tuple[float, float]:
    """The module's f in float64, and the bound |grad f|^2 / (2 lambda) on f - min f.

    Args:
        weight: W, the bias last. [C, F + 1]
        features: Inputs. [n, F]
        labels: Classes. [n]
        penalty: lambda, > 0.

    Returns:
        Value and bound, nats.
    """
    x = _with_constant(features)
    rows = torch.arange(len(x))
    log_probability = torch.log_softmax(x @ weight.T, dim=1)
    value = -log_probability[rows, labels].mean() + penalty / 2 * weight.square().sum()
    error = log_probability.exp()
    error[rows, labels] -= 1
    gradient = error.T @ x / len(x) + penalty * weight
    return value.item(), gradient.square().sum().item() / (2 * penalty)


def predict(fit: LogisticFit, features: Tensor) -> Tensor:
    """Most probable class. [n, F] -> [n]

    Args:
        fit: A fitted classifier.
        features: Inputs, standardized as in training. [n, F]

    Returns:
        Classes. [n]
    """
    return (_with_constant(features) @ fit.weight.T).argmax(dim=1)


def _principal_axes(x: Tensor) -> tuple[Tensor, Tensor]:
    """Variances about 0, and the axes they are along: all, or those of few wide inputs.

    Args:
        x: Inputs. [n, F]

    Returns:
        Variances, and axes in columns. [A] and [F, A]
    """
    if x.shape[1] > WIDE and len(x) < x.shape[1]:
        _, scale, axes = torch.linalg.svd(x, full_matrices=False)
        return scale.square() / len(x), axes.T
    variance, axes = torch.linalg.eigh(x.T @ x / len(x))
    return variance, axes


def _with_constant(features: Tensor) -> Tensor:
    return torch.cat([features.double(), torch.ones(len(features), 1, dtype=torch.float64)], dim=1)
