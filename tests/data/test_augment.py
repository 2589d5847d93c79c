"""Crops follow the stated law, resampling the stated kernel, and images never affect each other."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from simclr_bench.data.augment import (
    bicubic_weights,
    center_view,
    crop_and_flip,
    resample,
    simclr_views,
)
from simclr_bench.data.crops import sample_crop_boxes
from simclr_bench.data.randomness import uniform


def random_images(*shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


def whole(images: torch.Tensor) -> np.ndarray:
    return np.tile([0, 0, *images.shape[2:]], (len(images), 1))


# Mean and median area, least area, mean aspect of TensorFlow's sampler with SimCLR's arguments,
# recorded with 20,000 draws; the tolerance is four standard errors of a difference of two such.
@pytest.mark.parametrize(
    ("width", "height", "mean", "median", "least", "aspect"),
    [
        (320, 240, 0.388, 0.355, 0.100, 1.043),
        (240, 320, 0.375, 0.345, 0.100, 1.038),
        (32, 32, 0.433, 0.404, 0.105, 1.039),
    ],
)
def test_crops_match_tensorflows_recorded_statistics(width, height, mean, median, least, aspect):
    count = 20_000
    boxes = sample_crop_boxes(
        np.full(count, height), np.full(count, width), range(count), seed=0, epoch=0
    )
    area = boxes[:, 2] * boxes[:, 3] / (width * height)
    ratio = boxes[:, 3] / boxes[:, 2]
    error = np.sqrt(2 / count)
    assert abs(area.mean() - mean) < 4 * area.std() * error
    # The median's standard error is 1 / (2 density sqrt(n)); the density there is at least 1.
    assert abs(np.median(area) - median) < 4 * 0.5 * error
    assert abs(area.min() - least) < 0.001
    assert abs(ratio.mean() - aspect) < 4 * ratio.std() * error
    assert area.max() <= 1


def test_crops_lie_inside_images_of_any_size():
    heights, widths = np.array([1, 3, 500, 48, 7]), np.array([1, 200, 3, 48, 5])
    for epoch in range(200):
        boxes = sample_crop_boxes(heights, widths, range(5), seed=0, epoch=epoch)
        assert (boxes[:, :2] >= 0).all() and (boxes[:, 2:] > 0).all()
        assert (boxes[:, 0] + boxes[:, 2] <= heights).all()
        assert (boxes[:, 1] + boxes[:, 3] <= widths).all()


def test_an_image_too_narrow_for_any_crop_is_taken_whole():
    # A 3 x 200 image has no crop of admissible aspect that covers a tenth of it.
    boxes = sample_crop_boxes(np.array([200]), np.array([3]), [0], seed=0, epoch=0)
    assert boxes.tolist() == [[0, 0, 200, 3]]


def test_crops_depend_on_the_image_and_not_on_the_batch():
    size = np.full(50, 48)
    boxes = sample_crop_boxes(size, size, range(50), seed=1, epoch=2)
    order = [30, 2, 49]
    alone = sample_crop_boxes(size[:3], size[:3], order, seed=1, epoch=2)
    assert np.array_equal(alone, boxes[order])
    assert len(np.unique(boxes, axis=0)) > 45


def test_views_depend_on_the_image_and_not_on_the_batch():
    images = random_images(6, 3, 20, 24)
    arguments = {"seed": 1, "epoch": 2, "size": 16, "strength": 0.5}
    together = simclr_views(images, range(6), **arguments)
    apart = simclr_views(images[[4, 1]], [4, 1], **arguments)
    for ours, theirs in zip(apart, together, strict=True):
        torch.testing.assert_close(ours, theirs[[4, 1]], rtol=0, atol=1e-6)


def test_neighbors_of_other_sizes_change_nothing():
    images = [*random_images(2, 3, 20, 24), random_images(3, 31, 17)]
    mixed = crop_and_flip(images, range(3), seed=0, epoch=0, size=16)
    for position, image in enumerate(images):
        alone = crop_and_flip([image], [position], seed=0, epoch=0, size=16)
        torch.testing.assert_close(mixed[position], alone[0], rtol=0, atol=1e-6)


def test_a_wide_and_a_tall_image_share_a_batch_without_sharing_their_sizes():
    # Padded to a common size these two would take 3 x 40,000 x 40,000 floats each: 19 GB.
    wide = torch.full((3, 1, 40_000), 51, dtype=torch.uint8)
    tall = torch.full((3, 40_000, 1), 102, dtype=torch.uint8)
    views = crop_and_flip([wide, tall], range(2), seed=0, epoch=0, size=8)
    expected = torch.tensor([0.2, 0.4])[:, None, None, None].expand(2, 3, 8, 8)
    torch.testing.assert_close(views, expected, rtol=0, atol=1e-5)


def test_a_stacked_tensor_and_a_list_give_the_same_views():
    images = random_images(4, 3, 20, 24)
    stacked, listed = (center_view(batch, size=16) for batch in (images, list(images)))
    assert torch.equal(stacked, listed)


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


def test_half_of_the_images_are_flipped():
    # Every line of the image rises from left to right, so the sign of the slope tells the flip.
    ramp = torch.arange(0, 240, 10, dtype=torch.uint8).expand(3, 24, 24)
    views = crop_and_flip(ramp.expand(2000, 3, 24, 24), range(2000), seed=0, epoch=0, size=8)
    flipped = views[:, 0, 0, 0] > views[:, 0, 0, -1]
    assert abs(flipped.float().mean().item() - 0.5) < 4 * 0.5 / 2000**0.5
    drawn = uniform(0, 0, range(2000), "crop and flip: flip", 1)[:, 0] < 0.5
    assert flipped.tolist() == drawn.tolist()


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


def test_center_view_takes_the_central_seven_eighths_of_the_shorter_side():
    # 21 x 24: a square of rint(18.375) = 18 pixels; of the 3 rows left over, 2 are above.
    images = random_images(1, 3, 21, 24)
    expected = images[:, :, 2:20, 3:21].float() / 255
    torch.testing.assert_close(center_view(images, size=18), expected, rtol=0, atol=1e-6)


def test_a_view_changes_with_epoch_seed_and_side():
    images = random_images(1, 3, 40, 40)
    arguments = {"size": 16, "strength": 0.5}
    views = [
        view
        for seed, epoch in ((0, 0), (0, 1), (1, 0))
        for view in simclr_views(images, [0], seed=seed, epoch=epoch, **arguments)
    ]
    assert all(not torch.equal(views[i], views[j]) for i in range(6) for j in range(i))


def test_no_images_are_refused():
    with pytest.raises(ValueError, match="resample: images must hold at least one image"):
        resample([], np.zeros((0, 4), dtype=np.int64), 8)
