"""Resampling follows the stated kernel, by hand and beside torch's own."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from simclr_bench.data.resample import bicubic_weights, resample


def random_images(*shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


def whole(images: torch.Tensor) -> np.ndarray:
    return np.tile([0, 0, *images.shape[2:]], (len(images), 1))


def test_the_whole_image_at_its_own_size_is_reproduced():
    images = random_images(3, 3, 24, 24)
    result = resample(images, whole(images), 24)
    torch.testing.assert_close(result, images.float() / 255, rtol=0, atol=1e-6)


def test_a_crop_at_its_own_size_is_a_slice():
    images = random_images(2, 3, 24, 30)
    boxes = np.array([[3, 5, 16, 16], [8, 14, 16, 16]])
    result = resample(images, boxes, 16)
    expected = torch.stack([images[0, :, 3:19, 5:21], images[1, :, 8:24, 14:30]]).float() / 255
    torch.testing.assert_close(result, expected, rtol=0, atol=1e-6)


def test_a_flip_mirrors_left_and_right_only():
    images = random_images(2, 3, 24, 24)
    boxes = np.array([[3, 5, 16, 12], [3, 5, 16, 12]])
    plain = resample(images, boxes, 8)
    flipped = resample(images, boxes, 8, mirrored=np.array([True, False]))
    assert torch.equal(flipped[1], plain[1])
    torch.testing.assert_close(flipped[0], plain[0].flip(2), rtol=0, atol=1e-6)
    assert not torch.allclose(flipped[0], plain[0], atol=0.1)


def test_weights_sum_to_one_and_stay_in_the_segment():
    start, length = torch.tensor([0, 3, 9]), torch.tensor([12, 2, 1])
    weights = bicubic_weights(start, length, 8, 12)
    torch.testing.assert_close(weights.sum(dim=2), torch.ones(3, 8))
    for row, begin, count in zip(weights, start.tolist(), length.tolist(), strict=True):
        outside = torch.ones(12, dtype=torch.bool)
        outside[begin : begin + count] = False
        assert (row[:, outside] == 0).all()


def test_doubling_uses_keys_cubic_at_quarter_pixels():
    # Output 4 of a doubling sits at pixel center 1.75: distances 1.75, .75, .25, 1.25 by hand.
    weights = bicubic_weights(torch.tensor([0]), torch.tensor([8]), 16, 8)[0, 4]
    by_hand = {0: -0.0234375, 1: 0.2265625, 2: 0.8671875, 3: -0.0703125}
    expected = torch.tensor([by_hand.get(pixel, 0.0) for pixel in range(8)])
    torch.testing.assert_close(weights, expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize("size", [8, 10, 16])
def test_shrinking_agrees_with_torchs_antialiased_bicubic(size):
    # Smooth, so that nothing is clamped; torch's antialiased kernel is Keys' cubic of A = -0.5.
    axis = torch.linspace(0, 3, 32)
    image = (127 + 60 * torch.sin(axis)[:, None] * torch.cos(2 * axis)).to(torch.uint8)
    images = image.expand(1, 3, 32, 32)
    ours = resample(images, whole(images), size)
    torchs = F.interpolate(images.float() / 255, (size, size), mode="bicubic", antialias=True)
    torch.testing.assert_close(ours, torchs, rtol=0, atol=1e-5)


def test_results_are_clamped_to_the_unit_interval():
    images = (random_images(4, 3, 8, 8) > 127).to(torch.uint8) * 255
    result = resample(images, whole(images), 32)
    assert result.min() == 0 and result.max() == 1 and result.dtype == torch.float32


def test_no_images_are_refused():
    with pytest.raises(ValueError, match="resample: images must hold at least one image"):
        resample([], np.zeros((0, 4), dtype=np.int64), 8)
