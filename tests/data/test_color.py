"""Color operations against the standard library's HSV and hand-computed values."""

import colorsys

import numpy as np
import pytest
import torch
import torchvision.transforms.v2.functional as torchvision
from scipy import stats

from simclr_bench.data import color
from simclr_bench.data.color import (
    adjust_brightness,
    adjust_contrast,
    adjust_hue,
    adjust_saturation,
    color_distortion,
    grayscale,
)


def random_floats(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


def by_pixel(images: torch.Tensor, change) -> torch.Tensor:
    pixels = images.permute(0, 2, 3, 1).reshape(-1, 3).tolist()
    out = [colorsys.hsv_to_rgb(*change(*colorsys.rgb_to_hsv(*pixel))) for pixel in pixels]
    batch, _, height, width = images.shape
    return torch.tensor(out).reshape(batch, height, width, 3).permute(0, 3, 1, 2)


@pytest.mark.parametrize("shift", [0.0, 0.1, -0.2, 0.5, 1.0])
def test_hue_rotates_as_colorsys_does(shift):
    images = random_floats(1, 3, 8, 8)
    images[0, :, 0, 0] = 0.3  # gray has no hue
    expected = by_pixel(images, lambda h, s, v: ((h + shift) % 1, s, v))
    ours = adjust_hue(images, torch.tensor([shift]))
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("factor", [0.0, 0.4, 1.0, 1.8, 50.0])
def test_saturation_scales_as_colorsys_does(factor):
    images = random_floats(1, 3, 8, 8)
    images[0, :, 0, 0] = 0.3
    images[0, :, 0, 1] = 0
    expected = by_pixel(images, lambda h, s, v: (h, min(s * factor, 1.0), v))
    ours = adjust_saturation(images, torch.tensor([factor]))
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-5)


def test_contrast_turns_about_each_channels_mean():
    images = torch.tensor([0.2, 0.6, 0.1, 0.3, 0.8, 0.8]).reshape(1, 3, 1, 2)
    ours = adjust_contrast(images, torch.tensor([0.5]))
    expected = torch.tensor([0.3, 0.5, 0.15, 0.25, 0.8, 0.8]).reshape(1, 3, 1, 2)
    torch.testing.assert_close(ours, expected)


def test_brightness_multiplies():
    images = random_floats(2, 3, 2, 2)
    ours = adjust_brightness(images, torch.tensor([0.5, 2.0]))
    assert torch.equal(ours, torch.stack([images[0] * 0.5, images[1] * 2.0]))


def test_grayscale_is_luma():
    pixel = torch.tensor([0.5, 0.25, 1.0]).reshape(1, 3, 1, 1)
    expected = torch.full((1, 3, 1, 1), 0.2989 * 0.5 + 0.5870 * 0.25 + 0.1140)
    torch.testing.assert_close(grayscale(pixel), expected)


def test_a_fifth_of_gray_and_a_fifth_of_unjittered_images_come_out():
    count = 4000
    images = random_floats(1, 3, 2, 2).expand(count, 3, 2, 2)
    out = color_distortion(images, range(count), seed=0, epoch=0, strength=0.5)
    gray = (out.amax(dim=1) - out.amin(dim=1)).amax(dim=(1, 2)) == 0
    same = (out == images).all(dim=3).all(dim=2).all(dim=1)
    error = np.sqrt(0.2 * 0.8 / count)
    assert abs(gray.float().mean().item() - 0.2) < 4 * error
    # Not jittered and not gray either: the two draws are independent.
    assert abs(same.float().mean().item() - 0.2 * 0.8) < 4 * error


@pytest.mark.parametrize("strength", [0.3, 0.5, 1.5])
def test_factors_are_uniform_over_the_stated_ranges_and_the_order_is_random(strength, monkeypatch):
    seen = {name: [] for name in ("brightness", "contrast", "saturation", "hue")}

    def recorder(name):
        def record(images, factor):
            seen[name].append(factor)
            return images

        return record

    for name in seen:
        monkeypatch.setattr(color, f"adjust_{name}", recorder(name))
    count = 4000
    images = random_floats(count, 3, 1, 1)
    color_distortion(images, range(count), seed=0, epoch=0, strength=strength)
    low, high = 1 - 0.8 * strength, 1 + 0.8 * strength
    ranges = {
        "brightness": (max(low, 0.0), high),
        "contrast": (low, high),
        "saturation": (low, high),
        "hue": (-0.2 * strength, 0.2 * strength),
    }
    for name, (begin, end) in ranges.items():
        # One call per turn; a fifth of the images is not jittered at all.
        turns = [len(factors) for factors in seen[name]]
        assert stats.chisquare(turns).pvalue > 1e-3 and len(turns) == 4
        assert abs(sum(turns) / count - 0.8) < 4 * (0.16 / count) ** 0.5
        factors = torch.cat(seen[name]).double().numpy()
        assert stats.kstest(factors, "uniform", (begin, end - begin)).pvalue > 1e-3


def test_strength_zero_changes_only_gray_images():
    images = random_floats(200, 3, 4, 4)
    out = color_distortion(images, range(200), seed=0, epoch=0, strength=0.0)
    gray = (out.amax(dim=1) - out.amin(dim=1)).amax(dim=(1, 2)) == 0
    assert 20 < gray.sum() < 60
    torch.testing.assert_close(out[~gray], images[~gray], rtol=0, atol=1e-5)


def test_the_input_is_not_modified_and_the_output_stays_in_range():
    images = random_floats(100, 3, 4, 4)
    before = images.clone()
    out = color_distortion(images, range(100), seed=0, epoch=0, strength=1.0)
    assert torch.equal(images, before)
    assert out.min() >= 0 and out.max() <= 1


def test_distortion_depends_on_the_image_and_not_on_the_batch():
    images = random_floats(30, 3, 4, 4)
    together = color_distortion(images, range(30), seed=0, epoch=0, strength=0.5)
    order = [29, 3, 11]
    apart = color_distortion(images[order], order, seed=0, epoch=0, strength=0.5)
    torch.testing.assert_close(apart, together[order], rtol=0, atol=1e-6)


# Per image, torchvision's law is SimCLR's for these; its contrast turns about the gray mean and its
# saturation blends with gray, which are other laws.
@pytest.mark.parametrize("factor", [0.76, 0.9, 1.0, 1.24])
def test_brightness_is_torchvisions(factor):
    images = random_floats(5, 3, 6, 6)
    ours = adjust_brightness(images, torch.full((5,), factor)).clamp(0, 1)
    for image, result in zip(images, ours, strict=True):
        expected = torchvision.adjust_brightness(image, factor)
        torch.testing.assert_close(result, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("shift", [-0.5, -0.06, 0.0, 0.03, 0.06, 0.2])
def test_hue_is_torchvisions(shift):
    images = random_floats(5, 3, 6, 6)
    ours = adjust_hue(images, torch.full((5,), shift))
    for image, result in zip(images, ours, strict=True):
        expected = torchvision.adjust_hue(image, shift)
        torch.testing.assert_close(result, expected, rtol=0, atol=1e-5)


def test_grayscale_is_torchvisions():
    images = random_floats(5, 3, 6, 6)
    for image, result in zip(images, grayscale(images), strict=True):
        expected = torchvision.rgb_to_grayscale(image, num_output_channels=3)
        torch.testing.assert_close(result, expected, rtol=0, atol=1e-6)


def test_every_order_of_the_four_is_equally_likely(monkeypatch):
    # Each stand-in appends its digit; strength 0 keeps the factors out of it.
    def appender(digit):
        def append(images, factor):
            return images * 10 + digit

        return append

    class Unclamped(torch.Tensor):
        def clamp_(self, low, high):
            return self

    for digit, name in enumerate(("brightness", "contrast", "saturation", "hue")):
        monkeypatch.setattr(color, f"adjust_{name}", appender(digit + 1))
    monkeypatch.setattr(color, "grayscale", lambda images: images)
    count = 20_000
    blank = torch.zeros(count, 3, 1, 1).as_subclass(Unclamped)
    out = color_distortion(blank, range(count), seed=0, epoch=0, strength=0.0)
    orders, counts = np.unique(out[:, 0, 0, 0].numpy(), return_counts=True)
    assert orders[0] == 0 and abs(counts[0] / count - 0.2) < 4 * (0.16 / count) ** 0.5
    assert sorted(set("".join(str(int(order)) for order in orders[1:]))) == list("1234")
    assert len(orders) == 25 and stats.chisquare(counts[1:]).pvalue > 1e-3


def test_the_notebooks_strength_allows_a_quarter_of_gain_and_a_sixteenth_of_a_turn(monkeypatch):
    seen = {}
    for name in ("brightness", "contrast", "saturation", "hue"):

        def record(images, factor, name=name):
            seen.setdefault(name, []).append(factor)
            return images

        monkeypatch.setattr(color, f"adjust_{name}", record)
    color_distortion(random_floats(4000, 3, 1, 1), range(4000), seed=0, epoch=0, strength=0.3)
    extremes = {name: torch.cat(factors).aminmax() for name, factors in seen.items()}
    for name in ("brightness", "contrast", "saturation"):
        assert 0.76 <= extremes[name].min < 0.7615 and 1.2385 < extremes[name].max <= 1.24
    assert -0.06 <= extremes["hue"].min < -0.0596 and 0.0596 < extremes["hue"].max <= 0.06
