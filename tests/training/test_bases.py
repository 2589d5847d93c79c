"""Student bases: the same bits again, comparable training, classes of their own, two inputs."""

import dataclasses
import math

import pytest
import torch
from torch import nn

from simclr_bench.data.base_classes import base_classes
from simclr_bench.data.images import ImageSet
from simclr_bench.networks.shapes import EncoderShape, PlainShape
from simclr_bench.networks.small_plain import PlainNetwork
from simclr_bench.networks.small_residual import freeze, represent
from simclr_bench.training import bases as module
from simclr_bench.training.base_recipe import BASE_RECIPES, BaseRecipe
from simclr_bench.training.bases import Base, initial_base, train_base

SHAPES = {
    "vgg16": PlainShape(stages=((8,), (12, 12))),
    "resnet50": EncoderShape(stem=8, widths=(8, 12), strides=(2, 2)),
}


@pytest.fixture(params=SHAPES)
def tiny(request: pytest.FixtureRequest) -> BaseRecipe:
    return BaseRecipe(
        shape=SHAPES[request.param],
        classes=6,
        per_class=12,
        epochs=3,
        batch_size=32,
        learning_rate=5e-3,
        threads=1,
    )


def weights(base: nn.Module) -> torch.Tensor:
    return torch.cat([value.flatten().double() for value in base.state_dict().values()])


def test_the_same_recipe_gives_the_same_bits_whatever_ran_before(tiny: BaseRecipe) -> None:
    recipe = dataclasses.replace(tiny, threads=2)
    first = weights(train_base(recipe))
    torch.rand(100)  # moves the global generator
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(3 - min(threads, 2))
        second = weights(train_base(recipe))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(first, second)


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 2},
        {"classes": 7},
        {"per_class": 13},
        {"epochs": 2},
        {"batch_size": 16},
        {"smallest_crop": 0.9},
        {"learning_rate": 1e-3},
        {"betas": (0.8, 0.9)},
        {"weight_decay": 0.5},
        {"warmup_epochs": 2.0},
    ],
    ids=str,
)
def test_every_field_of_the_recipe_changes_the_weights(
    tiny: BaseRecipe, change: dict[str, object]
) -> None:
    changed = dataclasses.replace(tiny, **change)
    assert not torch.equal(weights(train_base(changed)), weights(train_base(tiny)))


def test_the_loss_falls_from_chance_and_progress_reports_every_step(tiny: BaseRecipe) -> None:
    seen: list[tuple[int, int, float]] = []
    recipe = dataclasses.replace(tiny, epochs=40)
    train_base(recipe, progress=lambda *report: seen.append(report))
    assert [(step, steps) for step, steps, _ in seen] == [(n + 1, 80) for n in range(80)]
    losses = [loss for *_, loss in seen]
    assert abs(losses[0] - math.log(6)) < 2.0
    assert sum(losses[-10:]) / 10 < math.log(6) - 0.6


def test_a_base_keeps_the_mean_and_deviation_of_its_training_images(tiny: BaseRecipe) -> None:
    data = base_classes(tiny.classes, tiny.per_class)
    base = train_base(tiny, data)
    pixels = data.images.double() / 255
    for channel in range(3):
        assert base.mean[channel].item() == pytest.approx(pixels[:, channel].mean().item())
        assert base.std[channel].item() == pytest.approx(
            pixels[:, channel].std(correction=0).item(), rel=1e-5
        )


def test_every_epoch_shows_every_image_in_another_view_and_order(tiny: BaseRecipe) -> None:
    recipe = dataclasses.replace(tiny, classes=2, per_class=8, epochs=2, batch_size=16)
    first, second = module._batches(recipe, base_classes(2, 8))
    assert sorted(first[1].tolist()) == sorted(second[1].tolist()) == [0] * 8 + [1] * 8
    assert first[1].tolist() != second[1].tolist()
    apart = torch.cdist(first[0].flatten(1), second[0].flatten(1))
    assert apart.min() > 0.1


def test_native_input_is_normalized_and_simclr_input_is_not(tiny: BaseRecipe) -> None:
    base = freeze(train_base(tiny))
    images = torch.rand(5, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    by_hand = (images - base.mean.reshape(1, 3, 1, 1)) / base.std.reshape(1, 3, 1, 1)
    torch.testing.assert_close(base(images), base.body(by_hand))
    assert torch.equal(base(images, "simclr"), base.body(images))
    assert (base(images) - base(images, "simclr")).abs().max() > 1e-3
    assert base(images).shape == (5, SHAPES["vgg16"].features)


def test_freezing_changes_nothing_but_rounding(tiny: BaseRecipe) -> None:
    base = train_base(tiny)
    images = torch.rand(8, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    frozen = freeze(base)
    torch.testing.assert_close(
        represent(frozen, [images[:3], images[3:]]), base(images).detach(), rtol=1e-4, atol=1e-5
    )
    assert not any(parameter.requires_grad for parameter in frozen.parameters())
    assert not base.training


def test_a_base_is_the_same_once_its_state_was_read_back(tiny: BaseRecipe) -> None:
    base = train_base(tiny)
    again = Base(tiny.shape)
    again.load_state_dict({name: value.clone() for name, value in base.state_dict().items()})
    images = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert torch.equal(freeze(again)(images), freeze(base)(images))


def test_both_bases_get_the_same_training_and_are_of_a_size() -> None:
    plain, residual = BASE_RECIPES["vgg16"], BASE_RECIPES["resnet50"]
    assert dataclasses.replace(plain, shape=residual.shape) == residual
    assert residual.shape == EncoderShape()  # the teacher's architecture
    assert plain.shape.features == residual.shape.features
    counts = [
        sum(p.numel() for p in Base(recipe.shape).body.parameters()) for recipe in (plain, residual)
    ]
    assert 0.8 < counts[0] / counts[1] < 1.25


def test_the_plain_network_is_stacked_convolutions_and_pools() -> None:
    network = PlainNetwork(PlainShape(stages=((2,), (3, 4))))
    convolutions = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    assert [layer.weight.shape for layer in convolutions] == [
        (2, 3, 3, 3),
        (3, 2, 3, 3),
        (4, 3, 3, 3),
    ]
    x = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    by_hand = x
    for layer, pool in zip(convolutions, (True, False, True), strict=True):
        by_hand = nn.functional.conv2d(by_hand, layer.weight, layer.bias, padding=1).clamp(min=0)
        if pool:
            by_hand = by_hand.unfold(2, 2, 2).unfold(3, 2, 2).amax(dim=(4, 5))
    torch.testing.assert_close(network(x), by_hand.flatten(2).mean(dim=2))


def test_a_constant_channel_does_not_divide_by_zero(tiny: BaseRecipe) -> None:
    black = ImageSet(torch.zeros(72, 3, 40, 40, dtype=torch.uint8), torch.arange(72) % 6, ("",) * 6)
    base, _ = initial_base(tiny, black)
    assert base(torch.rand(2, 3, 32, 32)).isfinite().all()


def test_threads_are_restored_even_after_an_error(
    tiny: BaseRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = torch.get_num_threads()

    def broken(*arguments: object) -> torch.Tensor:
        assert torch.get_num_threads() == 5
        return torch.zeros((), requires_grad=True) * math.nan

    monkeypatch.setattr(module.F, "cross_entropy", broken)
    with pytest.raises(FloatingPointError, match="train_base: loss became nan at step 1"):
        train_base(dataclasses.replace(tiny, threads=5))
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"per_class": 11}, "train_base: data must hold 66 images, got 72"),
        ({"batch_size": 73}, r"train_base: batch_size must be in 2 .. 72, got 73"),
        ({"batch_size": 1}, r"train_base: batch_size must be in 2 .. 72, got 1"),
    ],
)
def test_images_that_do_not_fit_the_recipe_are_refused(
    tiny: BaseRecipe, change: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        train_base(dataclasses.replace(tiny, **change), base_classes(6, 12))
