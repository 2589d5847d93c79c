"""Augmentation as it is raced: what every provider gives, at which strength, and how it draws."""

from typing import Any

import pytest
import torch

from benchmarks.grid.cells import ImageCell
from benchmarks.grid.images import AUGMENTERS, augment, views_of
from benchmarks.providers import augmentation
from benchmarks.providers.everyone import PROVIDERS

SMALL, LARGE = augment(6, 48, 32), augment(2, 256, 224)
INSTALLED = [name for name in AUGMENTERS if PROVIDERS[name].why_not(SMALL) is None]


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Peers draw from generators of the process."""
    torch.manual_seed(0)


def test_ours_and_torchvision_are_there_wherever_this_package_is() -> None:
    assert {"ours", "torchvision-image", "torchvision-batch"} <= {*INSTALLED}


@pytest.mark.parametrize("cell", [SMALL, LARGE], ids=str)
@pytest.mark.parametrize("name", INSTALLED)
def test_a_call_gives_two_new_batches_of_views(name: str, cell: ImageCell) -> None:
    call = PROVIDERS[name].builders["augment"](cell)
    batches = [*call(), *call()]
    for views in batches:
        assert type(views) is torch.Tensor and views.dtype == torch.float32
        assert views.shape == (cell.images, 3, cell.side, cell.side)
        assert views.min() >= 0 and views.max() <= 1
    assert max(views.max() for views in batches) > 0.5
    assert 0.2 < torch.cat(batches).mean() < 0.7
    for one in range(4):
        for other in range(one):
            assert not torch.equal(batches[one], batches[other])


@pytest.mark.parametrize("name", INSTALLED)
def test_all_but_the_batch_transform_draw_for_each_image(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    one = augmentation.images_of(SMALL)[:1]
    monkeypatch.setattr(augmentation, "images_of", lambda cell: one.repeat(cell.images, 1, 1, 1))
    views = PROVIDERS[name].builders["augment"](SMALL)()[0]
    alike = [torch.equal(view, views[0]) for view in views[1:]]
    assert alike == [name == "torchvision-batch"] * 5
    assert ("draws once" in PROVIDERS[name].differs) == (name == "torchvision-batch")


@pytest.mark.parametrize("cell", [SMALL, LARGE], ids=str)
def test_ours_is_called_with_what_the_cell_says(
    monkeypatch: pytest.MonkeyPatch, cell: ImageCell
) -> None:
    calls: list[dict[str, Any]] = []
    monkeypatch.setattr(
        "simclr_bench.data.augment.simclr_views",
        lambda images, index, **choices: calls.append({"shape": images.shape, **choices}),
    )
    call = augmentation.our_views(cell)
    call(), call()
    views = views_of(cell)
    assert [choices.pop("epoch") for choices in calls] == [0, 1]
    assert calls[0] == {
        "shape": (cell.images, 3, cell.source, cell.source),
        "seed": 0,
        "size": cell.side,
        "strength": views.strength,
        "area_range": (0.08, 1.0),
        "kernel": views.kernel,
        "blur": cell.side == 224,
        "step": 0,
    }


@pytest.mark.parametrize("cell", [SMALL, LARGE], ids=str)
def test_torchvision_is_told_the_same(cell: ImageCell) -> None:
    crop, flip, jitter, gray, *blur, _, _ = augmentation.torchvision_steps(cell)
    spread, turn = (0.4, 0.1) if cell is SMALL else (0.8, 0.2)
    assert (crop.scale, crop.antialias, crop.interpolation.value) == ((0.08, 1), True, "bicubic")
    assert (flip.p, jitter.p, gray.p) == (0.5, 0.8, 0.2)
    (color,) = jitter.transforms
    around = pytest.approx((1 - spread, 1 + spread))
    assert color.brightness == color.contrast == color.saturation == around
    assert color.hue == pytest.approx((-turn, turn))
    if cell is SMALL:
        assert not blur
    else:
        assert blur[0].p == 0.5 and blur[0].transforms[0].sigma == [0.1, 2.0]
        assert blur[0].transforms[0].kernel_size == (23, 23)


@pytest.mark.parametrize("cell", [SMALL, LARGE], ids=str)
def test_kornia_and_lightly_are_told_the_same_where_they_are(cell: ImageCell) -> None:
    views, spread = views_of(cell), 0.4 if cell is SMALL else 0.8
    if "kornia" in INSTALLED:
        crop, flip, color, gray, *blur = augmentation.kornia_steps(cell)
        assert crop.flags["size"] == (cell.side, cell.side) and len(blur) == views.blur
        assert (flip.p, color.p, gray.p, *(step.p for step in blur)) == (0.5, 0.8, 0.2, 0.5)[
            : 3 + views.blur
        ]
        told = color.brightness, color.contrast, color.saturation, color.hue
        assert told == pytest.approx((spread, spread, spread, spread / 4))
    if "lightly-transform" in INSTALLED:
        one, _ = augmentation.lightly_transform(cell).transforms
        crop, _, _, _, jitter, gray, blur, _ = one.transform.transforms
        assert crop.scale == (0.08, 1) and (jitter.p, gray.p) == (0.8, 0.2)
        assert jitter.transforms[0].saturation == pytest.approx((1 - spread, 1 + spread))
        assert blur.prob == 0.5 * views.blur and tuple(blur.sigmas) == (0.1, 2.0)


def test_what_takes_images_of_pil_says_that_a_gpu_is_not_for_it() -> None:
    on_gpu = augment(6, 48, 32, "cuda")
    out = [name for name in AUGMENTERS if "cpu only" in (PROVIDERS[name].why_not(on_gpu) or "")]
    assert out == ["torchvision-image", "lightly-transform"]
