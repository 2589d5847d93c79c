"""Views as the official code makes them: kernels, range, brightness, evaluation at 32 pixels."""

import numpy as np
import pytest
import torch
from scipy import stats

from simclr_bench.data import color
from simclr_bench.data.augment import (
    AUGMENTATIONS,
    center_view,
    crop_and_flip,
    simclr_views,
    training_views,
)
from simclr_bench.data.color import adjust_saturation, color_distortion, shift_brightness
from simclr_bench.data.crops import sample_crop_boxes
from simclr_bench.data.randomness import uniform
from simclr_bench.data.resample import KERNELS, resample

N = 30
WHERE = {"seed": 5, "epoch": 3}


def stark_images(*shape: int) -> torch.Tensor:
    """Black and white, so that a cubic overshoots."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 2, shape, dtype=torch.uint8, generator=generator) * 255


def resized(images, kernel, *, flip=True):
    """What the crop and the flip leave, not clamped."""
    sides = (np.full(len(images), side) for side in images.shape[2:])
    index = range(len(images))
    boxes = sample_crop_boxes(*sides, index, operation="crop and flip: crop", **WHERE)
    mirrored = uniform(WHERE["seed"], WHERE["epoch"], index, "crop and flip: flip", 1)[:, 0] < 0.5
    return resample(images, boxes, 16, mirrored=mirrored if flip else None, kernel=kernel)


@pytest.mark.parametrize("kernel", KERNELS)
def test_values_are_clamped_last(kernel):
    images = stark_images(N, 3, 14, 12)
    left = resized(images, kernel)
    assert (left.min() < 0) == (kernel != "antialiased") == (left.max() > 1)
    views = training_views(
        images, range(N), size=16, augment=("crop", "flip"), kernel=kernel, **WHERE
    )
    assert torch.equal(views, left.clamp(0, 1))
    assert torch.equal(crop_and_flip(images, range(N), size=16, kernel=kernel, **WHERE), views)


@pytest.mark.parametrize("kernel", ["legacy", "half_pixel"])
@pytest.mark.parametrize("brightness", color.BRIGHTNESS)
def test_the_jitter_sees_what_the_kernel_left_outside_the_unit_interval(kernel, brightness):
    images = stark_images(N, 3, 14, 12)
    views = training_views(
        images,
        range(N),
        size=16,
        augment=AUGMENTATIONS,
        color_strength=1.0,
        kernel=kernel,
        brightness=brightness,
        **WHERE,
    )
    left = resized(images, kernel)
    arguments = {"strength": 1.0, "operation": "crop and flip: color", "brightness": brightness}
    expected = color_distortion(left, range(N), **arguments, **WHERE).clamp(0, 1)
    assert torch.equal(views, expected)
    early = color_distortion(left.clamp(0, 1), range(N), **arguments, **WHERE)
    assert (views - early).abs().max() > 0.05


def test_both_pretraining_views_take_the_kernel_and_the_brightness():
    images = stark_images(N, 3, 14, 12)
    arguments = {"size": 16, **WHERE}
    choice = {"kernel": "legacy", "brightness": "add"}
    views = simclr_views(images, range(N), strength=1.0, **arguments, **choice)
    for name, view in zip(("first view", "second view"), views, strict=True):
        expected = training_views(
            images,
            range(N),
            augment=AUGMENTATIONS,
            color_strength=1.0,
            operation=name,
            **arguments,
            **choice,
        )
        assert torch.equal(view, expected)


@pytest.mark.parametrize("kernel", ["legacy", "half_pixel"])
def test_the_evaluation_takes_the_kernel_and_is_clamped(kernel):
    images = stark_images(4, 3, 21, 24)
    # 21 x 24: a square of rint(18.375) = 18 pixels; of the 3 rows left over, 2 are above.
    left = resample(images, np.tile([2, 3, 18, 18], (4, 1)), 32, kernel=kernel)
    assert left.min() < 0 and left.max() > 1
    assert torch.equal(center_view(images, size=32, kernel=kernel), left.clamp(0, 1))


@pytest.mark.parametrize("kernel", KERNELS)
def test_without_a_crop_an_image_of_the_right_size_is_left_alone(kernel):
    images = stark_images(3, 3, 32, 32)
    for batch in (images, list(images)):
        ours = center_view(batch, size=32, kernel=kernel, crop=False)
        assert torch.equal(ours, images.float() * (1 / 255))
    assert not torch.equal(center_view(images, size=32, kernel=kernel), ours)


def test_without_a_crop_another_size_is_refused():
    images = [torch.zeros(3, 32, 32, dtype=torch.uint8), torch.zeros(3, 32, 31, dtype=torch.uint8)]
    message = "center_view: without a crop, images must be 32 x 32, got 32 x 31"
    with pytest.raises(ValueError, match=message):
        center_view(images, size=32, crop=False)


@pytest.mark.parametrize("strength", [0.3, 1.0])
def test_additive_brightness_is_uniform_and_replaces_the_factor(strength, monkeypatch):
    seen = []

    def record(images, shift):
        seen.append(shift)
        return images

    monkeypatch.setattr(color, "shift_brightness", record)
    monkeypatch.setattr(color, "adjust_brightness", None)  # is not called
    images = torch.rand(4000, 3, 1, 1)
    color_distortion(images, range(4000), strength=strength, brightness="add", **WHERE)
    shifts = torch.cat(seen).double().numpy()
    assert len(seen) == 4 and abs(len(shifts) / 4000 - 0.8) < 4 * (0.16 / 4000) ** 0.5
    spread = 0.8 * strength
    assert stats.kstest(shifts, "uniform", (-spread, 2 * spread)).pvalue > 1e-3


def test_additive_brightness_adds():
    images = torch.tensor([0.2, 0.6]).reshape(2, 1, 1, 1).expand(2, 3, 1, 1)
    ours = shift_brightness(images, torch.tensor([0.5, -0.8]))
    torch.testing.assert_close(ours[:, 0, 0, 0], torch.tensor([0.7, -0.2]))


def test_unknown_brightness_is_refused():
    message = "color_distortion: brightness must be of multiply, add, got simclrv1"
    with pytest.raises(ValueError, match=message):
        color_distortion(torch.rand(1, 3, 2, 2), [0], strength=1.0, brightness="simclrv1", **WHERE)


def test_saturation_outside_the_unit_interval_by_hand():
    # As HSV is computed, S = (largest - smallest) / largest, and 0 if the largest is not positive.
    pixels = torch.tensor([[-0.1, -0.3, -0.2], [0.4, -0.2, 0.1], [1.2, 0.6, 0.6]])
    ours = adjust_saturation(pixels[:, :, None, None], torch.tensor([0.5, 0.5, 1.5]))[..., 0, 0]
    expected = torch.tensor(
        [
            [-0.1, -0.1, -0.1],  # S = 0
            [0.4, 0.1, 0.25],  # S = 1.5, halved to 0.75
            [1.2, 0.3, 0.3],  # S = 0.5, raised to 0.75
        ]
    )
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-6)


# Tensors on "meta" have no values but a device, and mix with the CPU's as little as CUDA's do.
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("brightness", color.BRIGHTNESS)
def test_views_are_made_where_the_images_are(kernel, brightness):
    stacked = torch.zeros(N, 3, 40, 50, dtype=torch.uint8, device="meta")
    for images in (stacked, [*stacked, stacked[0, :, :, :37]]):
        index = range(len(images))
        choice = {"kernel": kernel, "brightness": brightness, "blur": True, "step": 0}
        views = [
            center_view(images, size=32, kernel=kernel),
            *simclr_views(images, index, size=32, strength=1.0, **choice, **WHERE),
        ]
        for view in views:
            assert view.device.type == "meta" and view.shape == (len(images), 3, 32, 32)
    assert center_view(stacked[..., :40], size=40, crop=False).device.type == "meta"
