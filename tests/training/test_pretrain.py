"""Pretraining repeats bit for bit, learns, and its control differs from it only by training."""

import dataclasses
import math

import pytest
import torch

from simclr_bench.networks.shapes import EncoderShape
from simclr_bench.training import pretrain as module
from simclr_bench.training.pretrain import PretrainRecipe, learning_rate, pretrain, untrained

TINY = PretrainRecipe(
    shape=EncoderShape(stem=8, widths=(8, 12), strides=(2, 2), hidden=16, projection=8),
    pool=70,
    epochs=3,
    batch_size=32,
    threads=1,
)


def pool(count: int = TINY.pool) -> torch.Tensor:
    """Images that differ by their colors and the width of their stripes."""
    generator = torch.Generator().manual_seed(0)
    colors = torch.rand(count, 3, 1, 1, generator=generator)
    stripes = torch.sin(torch.arange(40) * (0.2 + torch.rand(count, 1, 1, 1, generator=generator)))
    return (127 + 120 * colors * stripes.expand(count, 3, 40, 40)).to(torch.uint8)


def weights(encoder: torch.nn.Module) -> torch.Tensor:
    return torch.cat([value.flatten().double() for value in encoder.state_dict().values()])


def test_the_same_recipe_gives_the_same_bits_whatever_ran_before():
    recipe = dataclasses.replace(TINY, epochs=1, threads=2)
    first = weights(pretrain(recipe, pool()))
    torch.rand(100)  # moves the global generator
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(3 - min(threads, 2))
        second = weights(pretrain(recipe, pool()))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(first, second)


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"temperature": 0.5},
        {"strength": 0.1},
        {"smallest_crop": 0.6},
        {"learning_rate": 0.001},
        {"weight_decay": 0.5},
        {"epochs": 2},
        {"batch_size": 16},
        {"warmup_epochs": 2.0},
    ],
    ids=str,
)
def test_every_field_of_the_recipe_changes_the_weights(change):
    changed = dataclasses.replace(TINY, **change)
    assert not torch.equal(weights(pretrain(changed, pool())), weights(pretrain(TINY, pool())))


def test_the_loss_falls_from_chance_and_progress_reports_every_step():
    seen = []
    recipe = dataclasses.replace(TINY, epochs=30, temperature=0.2)
    pretrain(recipe, pool(), progress=lambda *report: seen.append(report))
    assert [(step, steps) for step, steps, _ in seen] == [(n + 1, 60) for n in range(60)]
    losses = [loss for *_, loss in seen]
    chance = math.log(2 * recipe.batch_size - 1)
    assert abs(losses[0] - chance) < 1.0
    assert sum(losses[-10:]) / 10 < sum(losses[:10]) / 10 - 0.3


def test_the_implementations_of_the_loss_train_to_the_same_encoder():
    recipe = dataclasses.replace(TINY, epochs=1)
    reference = weights(pretrain(recipe, pool(), impl="reference"))
    for impl in ("fused", "chunked"):
        other = weights(pretrain(recipe, pool(), impl=impl))
        torch.testing.assert_close(other, reference, rtol=0, atol=1e-4)


def test_the_control_has_the_initial_weights_and_the_statistics_of_the_images():
    control = untrained(TINY, pool())
    initial, _ = module._initial(TINY)
    for name, value in control.named_parameters():
        assert torch.equal(value, initial.get_parameter(name))
    norm = control.stem.norm
    assert norm.running_mean.abs().max() > 0.01
    assert norm.num_batches_tracked == TINY.pool // TINY.batch_size
    trained = pretrain(TINY, pool())
    assert not torch.equal(control.stem.convolution.weight, trained.stem.convolution.weight)
    assert not control.training and not trained.training


def test_the_controls_stem_statistics_are_the_average_over_the_views():
    control = untrained(TINY, pool())
    means = []
    for step, views in enumerate(module._batches(TINY, pool())):
        if step == TINY.pool // TINY.batch_size:
            break
        means.append(control.stem.convolution(torch.cat(views)).mean(dim=(0, 2, 3)))
    expected = torch.stack(means).mean(dim=0)
    torch.testing.assert_close(control.stem.norm.running_mean, expected, rtol=1e-4, atol=1e-5)


def test_the_rate_warms_up_and_ends_near_zero():
    recipe = dataclasses.replace(TINY, pool=3200, epochs=10, warmup_epochs=1.0, learning_rate=2.0)
    rates = [learning_rate(recipe, step) for step in range(recipe.steps)]
    assert rates[:100] == pytest.approx([2.0 * (step + 1) / 101 for step in range(100)])
    assert rates[100] == 2.0 and max(rates) == 2.0
    assert rates[550] == pytest.approx(1.0)  # half of the cosine
    assert 0 < rates[-1] < 1e-4


def test_threads_are_restored_even_after_an_error(monkeypatch):
    before = torch.get_num_threads()

    def broken(*arguments: object, **options: object) -> torch.Tensor:
        assert torch.get_num_threads() == 5
        return torch.zeros((), requires_grad=True) * math.nan

    monkeypatch.setattr(module, "nt_xent", broken)
    with pytest.raises(FloatingPointError, match="pretrain: loss became nan at step 1"):
        pretrain(dataclasses.replace(TINY, threads=5), pool())
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    ("change", "count", "message"),
    [
        ({}, 69, r"pretrain: images must be \[70, 3, H, W\], got \[69, 3, 40, 40\]"),
        ({"batch_size": 71}, 70, r"pretrain: batch_size must be in 2 .. 70, got 71"),
        ({"batch_size": 1}, 70, r"pretrain: batch_size must be in 2 .. 70, got 1"),
    ],
)
def test_a_pool_that_does_not_fit_the_recipe_is_refused(change, count, message):
    recipe = dataclasses.replace(TINY, **change)
    for run in (pretrain, untrained):
        with pytest.raises(ValueError, match=message):
            run(recipe, pool(count))
