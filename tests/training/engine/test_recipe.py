"""The official schedule, by hand."""

import math
from dataclasses import replace

import pytest

from simclr_bench.training.engine.recipe import (
    Optimization,
    peak_rate,
    rate_at,
    total_steps,
    warmup_steps,
)

OFFICIAL = Optimization(
    epochs=100,
    batch_size=4096,
    optimizer="lars",
    learning_rate=0.3,
    scaling="linear",
    warmup_epochs=10.0,
    momentum=0.9,
    weight_decay=1e-4,
    precision="float32",
    seed=0,
)
IMAGENET = 1_281_167


def test_steps_are_those_of_the_published_checkpoints() -> None:
    """model.ckpt-250228 is 800 epochs at 4096; -37535 30 epochs at 1024; -751 60 of 12,811."""
    assert total_steps(replace(OFFICIAL, epochs=800), IMAGENET) == 250228
    assert total_steps(replace(OFFICIAL, epochs=30, batch_size=1024), IMAGENET) == 37535
    assert total_steps(replace(OFFICIAL, epochs=60, batch_size=1024), 12_811) == 751
    assert warmup_steps(OFFICIAL, IMAGENET) == 3127  # 12,811,670 // 4096


def test_both_scalings_of_the_paper_are_the_same_at_its_batch_size() -> None:
    assert peak_rate(OFFICIAL) == pytest.approx(4.8)
    root = replace(OFFICIAL, scaling="sqrt", learning_rate=0.075)
    assert peak_rate(root) == pytest.approx(4.8)
    assert peak_rate(replace(OFFICIAL, scaling="none")) == 0.3


def test_the_rate_rises_in_a_line_from_zero_and_falls_in_a_cosine_towards_zero() -> None:
    # 40 images in batches of 4: 10 steps a pass, 41 in all, 20 of them warm-up.
    small = replace(OFFICIAL, epochs=4, batch_size=4, warmup_epochs=2.0, learning_rate=64.0)
    rates = [rate_at(small, 40, step) for step in range(41)]
    assert rates[:3] == [0.0, 0.05, 0.1]
    assert rates[19:21] == [0.95, 1.0]
    assert rates[27] == pytest.approx((1 + math.cos(math.pi / 3)) / 2)  # a third of 21 steps
    assert rates[27] == pytest.approx(0.75)
    assert rates[40] == pytest.approx((1 + math.cos(math.pi * 20 / 21)) / 2)
    assert 0 < rates[40] < 0.006


def test_without_a_warmup_the_first_step_has_the_whole_rate() -> None:
    assert rate_at(replace(OFFICIAL, warmup_epochs=0.0), IMAGENET, 0) == pytest.approx(4.8)


def test_a_warmup_longer_than_the_training_never_reaches_the_cosine() -> None:
    long = replace(OFFICIAL, epochs=1, batch_size=4, warmup_epochs=3.0)
    assert rate_at(long, 40, 10) == pytest.approx(peak_rate(long) * 10 / 30)
