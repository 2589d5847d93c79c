"""TensorFlow's kernels by hand, by a slow double loop, and by values that others have published."""

from fractions import Fraction

import numpy as np
import pytest
import torch

from simclr_bench.data import kernels
from simclr_bench.data.kernels import half_pixel_taps, legacy_taps, weigh_rows
from simclr_bench.data.resample import KERNELS, resample

TENSORFLOW = ("legacy", "half_pixel")


def random_images(*shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


def dense(taps, extent):
    """Weights per pixel, those of a repeated pixel added. [1, size, K] -> [size, extent]"""
    pixel, weight = taps
    out = torch.zeros(pixel.shape[1], extent)
    return out.scatter_add_(1, pixel[0], weight[0])


def by_pixel(size, extent, weights):
    out = torch.zeros(size, extent)
    for (point, pixel), weight in weights.items():
        out[point, pixel] = weight
    return out


def test_legacy_doubling_by_hand():
    # Points at 0, 0.5, 1, 1.5, ...; halfway between two pixels 19/32 of each, -3/32 of the next.
    near, far = 19 / 32, -3 / 32
    whole = {(2 * pixel, pixel): 1.0 for pixel in range(4)}
    halves = {
        # The edge pixel is repeated.
        **{(1, 0): near + far, (1, 1): near, (1, 2): far},
        **{(3, 0): far, (3, 1): near, (3, 2): near, (3, 3): far},
        **{(5, 1): far, (5, 2): near, (5, 3): near + far},
        **{(7, 2): far, (7, 3): near + near + far},
    }
    ours = dense(legacy_taps(torch.tensor([4]), 8), 4)
    assert torch.equal(ours, by_pixel(8, 4, whole | halves))


def test_half_pixel_doubling_by_hand():
    # Points at -0.25, 0.25, 0.75, ...; a quarter of a pixel from the nearest.
    nearest, next_, third, last = 0.8671875, 0.2265625, -0.0703125, -0.0234375
    first = nearest + third  # what is left of the first point's weights
    second = nearest + next_ + last
    ours = dense(half_pixel_taps(torch.tensor([4]), 8), 4)
    expected = {
        **{(0, 0): nearest / first, (0, 1): third / first},
        **{(1, 0): nearest / second, (1, 1): next_ / second, (1, 2): last / second},
        **{(3, 0): third, (3, 1): nearest, (3, 2): next_, (3, 3): last},
    }
    # Point 3 lies at 1.25: pixels 0 to 3 at distances 1.25, 0.25, 0.75, 1.75.
    rows = [0, 1, 3]
    torch.testing.assert_close(ours[rows], by_pixel(8, 4, expected)[rows], rtol=0, atol=1e-7)
    torch.testing.assert_close(ours, ours.flip(0, 1), rtol=0, atol=1e-7)


def test_halving_is_not_antialiased():
    legacy = dense(legacy_taps(torch.tensor([8]), 4), 8)
    assert torch.equal(legacy, torch.eye(8)[::2])  # every second pixel is never seen
    half = dense(half_pixel_taps(torch.tensor([8]), 4), 8)
    middle = {(1, 1): -1 / 16, (1, 2): 9 / 16, (1, 3): 9 / 16, (1, 4): -1 / 16}
    torch.testing.assert_close(half[1], by_pixel(4, 8, middle)[1], rtol=0, atol=1e-7)
    edge = {(0, 0): 9 / 17, (0, 1): 9 / 17, (0, 2): -1 / 17}
    torch.testing.assert_close(half[0], by_pixel(4, 8, edge)[0], rtol=0, atol=1e-7)


def test_the_fraction_between_two_pixels_is_rounded_as_in_tensorflows_table():
    # Point 1 of 3 pixels on 7 points lies at 3/7 = 438.86/1024, read as 439/1024.
    x, a = Fraction(439, 1024), Fraction(-3, 4)
    expected = ((a + 2) * x - (a + 3)) * x * x + 1
    unrounded = ((a + 2) * Fraction(3, 7) - (a + 3)) * Fraction(3, 7) ** 2 + 1
    weight = legacy_taps(torch.tensor([3]), 7).weight[0, 1, 1].item()
    assert weight == pytest.approx(float(expected), abs=1e-7)
    assert abs(weight - float(unrounded)) > 1e-4


def test_legacy_gives_the_values_that_others_saw():
    # tf.image.resize_bicubic of 0 .. 8, as printed in the README of
    # github.com/iwyoo/bicubic_interp-tensorflow: each is one of these and thrice another, added.
    line = torch.tensor([0, 0.40625, 1, 1.59375, 2, 2.09375])
    images = torch.arange(9, dtype=torch.uint8).reshape(1, 1, 3, 3).expand(1, 3, 3, 3)
    ours = resample(images, np.array([[0, 0, 3, 3]]), 6, kernel="legacy") * 255
    expected = (3 * line[:, None] + line).expand(1, 3, 6, 6)
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-5)


def slowly(image, box, size, kernel):
    """The definition, point by point, in float64. [3, H, W] -> [3, size, size]"""
    top, left, height, width = box
    crop = image[:, top : top + height, left : left + width].double().numpy() / 255
    a, shift = (-0.75, 0.0) if kernel == "legacy" else (-0.5, 0.5)

    def cubic(x):
        if x < 1:
            return (a + 2) * x**3 - (a + 3) * x**2 + 1
        return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a if x < 2 else 0.0

    def line(length):
        weights = np.zeros((size, length))
        for point in range(size):
            position = (point + shift) * length / size - shift
            below = int(np.floor(position))
            between = round((position - below) * 1024) / 1024
            for pixel in range(below - 1, below + 3):
                weight = cubic(abs(below + between - pixel))
                if kernel == "legacy":
                    weights[point, min(max(pixel, 0), length - 1)] += weight
                elif 0 <= pixel < length:
                    weights[point, pixel] += weight
        return weights / weights.sum(axis=1, keepdims=True)

    return np.einsum("yh,chw,xw->cyx", line(height), crop, line(width))


BOXES = np.array([[0, 0, 21, 30], [3, 5, 7, 25], [20, 0, 1, 30], [4, 29, 17, 1], [2, 9, 16, 16]])


@pytest.mark.parametrize("kernel", TENSORFLOW)
@pytest.mark.parametrize("size", [5, 16, 37])
def test_crops_and_flips_follow_the_definition(kernel, size):
    images = random_images(len(BOXES), 3, 21, 30)
    mirrored = np.arange(len(BOXES)) % 2 == 1
    ours = resample(images, BOXES, size, mirrored=mirrored, kernel=kernel).numpy()
    for image, box, flipped, view in zip(images, BOXES, mirrored, ours, strict=True):
        expected = slowly(image, box, size, kernel)
        expected = expected[:, :, ::-1] if flipped else expected
        np.testing.assert_allclose(view, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("kernel", TENSORFLOW)
def test_an_image_at_its_own_size_is_left_alone(kernel):
    images = random_images(3, 3, 24, 24)
    boxes = np.tile([0, 0, 24, 24], (3, 1))
    ours = resample(images, boxes, 24, kernel=kernel)
    assert torch.equal(ours, images.float() * (1 / 255))


@pytest.mark.parametrize("kernel", TENSORFLOW)
def test_values_leave_the_unit_interval(kernel):
    images = (random_images(4, 3, 8, 8) > 127).to(torch.uint8) * 255
    ours = resample(images, np.tile([0, 0, 8, 8], (4, 1)), 32, kernel=kernel)
    assert ours.min() < -0.05 and ours.max() > 1.05


@pytest.mark.parametrize("kernel", TENSORFLOW)
def test_neighbors_and_blocks_change_no_bit(kernel, monkeypatch):
    images = [*random_images(3, 3, 21, 30), random_images(3, 40, 31), random_images(3, 21, 30)]
    mirrored = np.array([True, False, True, True, False])
    together = resample(images, BOXES, 16, mirrored=mirrored, kernel=kernel)
    for position, image in enumerate(images):
        one = slice(position, position + 1)
        alone = resample([image], BOXES[one], 16, mirrored=mirrored[one], kernel=kernel)
        assert torch.equal(alone[0], together[position])
    monkeypatch.setattr(kernels, "BLOCK_ON_CPU", 2 * 3 * 21 * 30)
    assert torch.equal(resample(images, BOXES, 16, mirrored=mirrored, kernel=kernel), together)


def test_blocks_cover_the_batch_in_order_and_hold_no_more_than_they_may(monkeypatch):
    monkeypatch.setattr(kernels, "BLOCK_ON_CPU", 3 * 3 * 20 * 16)
    images = torch.zeros(8, 3, 20, 9)
    blocks = list(kernels.blocks(images, 16))
    assert [position for block in blocks for position in range(8)[block]] == list(range(8))
    assert [len(images[block]) for block in blocks] == [3, 3, 2]
    assert len(list(kernels.blocks(torch.zeros(2, 3, 500, 500), 16))) == 2


def test_rows_are_weighed_by_image():
    planes = torch.arange(24.0).reshape(2, 2, 3, 2)
    pixel = torch.tensor([[[0, 2]], [[1, 1]]])
    weight = torch.tensor([[[1.0, 10.0]], [[0.5, 0.25]]])
    ours = weigh_rows(planes, kernels.Taps(pixel, weight))
    by_hand = torch.stack([planes[0, :, 0] + 10 * planes[0, :, 2], 0.75 * planes[1, :, 1]])
    assert torch.equal(ours, by_hand[:, :, None])


def test_unknown_kernels_are_refused():
    message = f"resample: kernel must be one of {', '.join(KERNELS)}, got lanczos"
    with pytest.raises(ValueError, match=message):
        resample(random_images(1, 3, 8, 8), np.array([[0, 0, 8, 8]]), 8, kernel="lanczos")
