"""The official notebook's loop: against torch's own optimizer, and by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from simclr_bench.training.notebook_probe import (
    HeadSettings,
    glorot_uniform,
    image_stream,
    predict,
    train_head,
)

SETTINGS = HeadSettings(
    batch_size=64, iterations=30, learning_rate=0.1, momentum=0.9, weight_decay=0.0, seed=0
)


def separable(n: int, classes: int = 3, width: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    labels = torch.arange(n) % classes
    features = torch.randn(n, width, generator=generator) + 2 * F.one_hot(labels, width)
    return features, labels


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_the_updates_are_those_of_torch_sgd(weight_decay: float) -> None:
    features, labels = separable(640)
    settings = HeadSettings(
        batch_size=64,
        iterations=10,
        learning_rate=0.1,
        momentum=0.9,
        weight_decay=weight_decay,
        seed=3,
    )
    ours = train_head(features, labels, 3, settings)

    weight = glorot_uniform(8, 3, seed=3).double().requires_grad_()
    bias = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    groups = [{"params": [weight], "weight_decay": weight_decay}, {"params": [bias]}]
    optimizer = torch.optim.SGD(groups, lr=0.1, momentum=0.9)
    for at in range(0, 640, 64):
        x, y = features[at : at + 64].double(), labels[at : at + 64]
        logits = x @ weight + bias
        loss = F.cross_entropy(logits, y)
        assert ours.losses[at // 64] == pytest.approx(loss.item(), rel=1e-5)
        assert ours.correct[at // 64] == int((logits.argmax(1) == y).sum())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    torch.testing.assert_close(ours.weight.double(), weight.detach(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(ours.bias.double(), bias.detach(), rtol=1e-4, atol=1e-5)


def test_a_batch_is_scored_before_its_own_update() -> None:
    features, labels = separable(64)
    one = train_head(features, labels, 3, SETTINGS)
    initial = features @ glorot_uniform(8, 3, seed=0)
    assert one.sizes == (64,)
    assert one.correct[0] == int((initial.argmax(1) == labels).sum())
    assert int((predict(one, features) == labels).sum()) > one.correct[0]


def test_every_batch_is_predicted_before_its_own_update() -> None:
    features, labels = separable(150)
    history = train_head(features, labels, 3, SETTINGS)
    assert history.predicted.shape == (150,)
    for at, size in ((0, 64), (64, 64), (128, 22)):
        before = train_head(features[:at], labels[:at], 3, SETTINGS) if at else None
        weight = before.weight if before else glorot_uniform(8, 3, seed=0)
        bias = before.bias if before else torch.zeros(3)
        expected = (features[at : at + size] @ weight + bias).argmax(1)
        assert history.predicted[at : at + size].tolist() == expected.tolist()
        right = int((expected == labels[at : at + size]).sum())
        assert history.correct[at // 64] == right
    logits = features @ history.weight + history.bias
    assert predict(history, features).tolist() == logits.argmax(1).tolist()


def test_a_head_that_blows_up_in_its_last_update_is_no_head() -> None:
    features, labels = separable(64)
    settings = replace(SETTINGS, iterations=1, learning_rate=1e39)
    with pytest.raises(FloatingPointError, match="no longer finite after iteration 1"):
        train_head(features, labels, 3, settings)


def test_the_loss_of_a_zero_feature_is_log_classes() -> None:
    history = train_head(torch.zeros(64, 8), torch.zeros(64, dtype=torch.long), 7, SETTINGS)
    assert history.losses[0] == pytest.approx(math.log(7), rel=1e-6)


def test_a_stream_that_ends_leaves_a_short_batch_and_stops() -> None:
    features, labels = separable(150)
    assert train_head(features, labels, 3, SETTINGS).sizes == (64, 64, 22)


def test_a_loss_that_is_not_finite_stops_the_training() -> None:
    features, labels = separable(192)
    features[130] = math.inf
    with pytest.raises(FloatingPointError, match="became nan at iteration 3"):
        train_head(features, labels, 3, SETTINGS)


def test_the_seed_draws_the_head_within_glorots_limit() -> None:
    a, b = glorot_uniform(128, 10, seed=0), glorot_uniform(128, 10, seed=1)
    limit = math.sqrt(6 / 138)
    assert not torch.equal(a, b)
    assert a.abs().max() <= limit and a.abs().max() > 0.98 * limit
    assert abs(a.mean()) < 4 * limit / math.sqrt(3 * a.numel())


def test_a_pass_shows_every_image_once() -> None:
    epoch, index = image_stream(100, 100, seed=0, single_pass=False)
    assert sorted(index) == list(range(100)) and not epoch.any()


def test_passes_reshuffle_and_continue_without_a_short_batch() -> None:
    epoch, index = image_stream(100, 320, seed=0, single_pass=False)
    assert len(index) == 320
    assert list(np.bincount(epoch)) == [100, 100, 100, 20]
    assert sorted(index[100:200]) == list(range(100))
    assert list(index[:100]) != list(index[100:200])


def test_a_single_pass_ends() -> None:
    _, index = image_stream(100, 320, seed=0, single_pass=True)
    assert sorted(index) == list(range(100))


def test_a_longer_stream_begins_with_the_shorter_one() -> None:
    for wanted in (50, 150):
        shorter = image_stream(100, wanted, seed=2, single_pass=False)
        longer = image_stream(100, 500, seed=2, single_pass=False)
        for a, b in zip(shorter, longer, strict=True):
            assert list(a) == list(b[:wanted])


def test_the_seed_draws_the_order() -> None:
    first, second = (image_stream(100, 100, seed, single_pass=False)[1] for seed in (0, 1))
    assert list(first) != list(second)
