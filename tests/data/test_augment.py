"""Views follow the stated laws and order, and images never affect each other."""

import numpy as np
import pytest
import torch
import torchvision.transforms.v2.functional as torchvision

from simclr_bench.data.augment import (
    AUGMENTATIONS,
    center_view,
    crop_and_flip,
    simclr_views,
    training_views,
)
from simclr_bench.data.color import color_distortion
from simclr_bench.data.crops import sample_crop_boxes
from simclr_bench.data.randomness import uniform
from simclr_bench.data.resample import resample


def random_images(*shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


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


def test_half_of_the_images_are_flipped():
    # Every line of the image rises from left to right, so the sign of the slope tells the flip.
    ramp = torch.arange(0, 240, 10, dtype=torch.uint8).expand(3, 24, 24)
    views = crop_and_flip(ramp.expand(2000, 3, 24, 24), range(2000), seed=0, epoch=0, size=8)
    flipped = views[:, 0, 0, 0] > views[:, 0, 0, -1]
    assert abs(flipped.float().mean().item() - 0.5) < 4 * 0.5 / 2000**0.5
    drawn = uniform(0, 0, range(2000), "crop and flip: flip", 1)[:, 0] < 0.5
    assert flipped.tolist() == drawn.tolist()


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


SUBSETS = [
    [name for bit, name in enumerate(AUGMENTATIONS) if number >> bit & 1] for number in range(8)
]


def crop_boxes(images: torch.Tensor, *, seed: int, epoch: int, **limits) -> np.ndarray:
    """The boxes that the default operation draws."""
    heights, widths = (np.full(len(images), side) for side in images.shape[2:])
    return sample_crop_boxes(
        heights,
        widths,
        range(len(images)),
        seed=seed,
        epoch=epoch,
        operation="crop and flip: crop",
        **limits,
    )


@pytest.mark.parametrize("augment", SUBSETS, ids="+".join)
def test_each_augmentation_draws_the_same_whatever_else_is_on(augment):
    images = random_images(40, 3, 30, 36)
    where = {"seed": 5, "epoch": 3}
    views = training_views(
        images, range(40), size=16, augment=augment, framing="whole", color_strength=0.5, **where
    )
    boxes = crop_boxes(images, **where) if "crop" in augment else np.tile([0, 0, 30, 36], (40, 1))
    expected = resample(images, boxes, 16)
    if "flip" in augment:
        mirrored = uniform(5, 3, range(40), "crop and flip: flip", 1)[:, 0] < 0.5
        assert 5 < mirrored.sum() < 35
        expected[torch.from_numpy(mirrored)] = expected[torch.from_numpy(mirrored)].flip(3)
    if "color" in augment:
        expected = color_distortion(
            expected, range(40), strength=0.5, operation="crop and flip: color", **where
        )
    torch.testing.assert_close(views, expected, rtol=0, atol=1e-5)


def test_the_order_of_the_names_means_nothing():
    images = random_images(8, 3, 20, 24)
    there, back = (
        training_views(images, range(8), seed=0, epoch=0, size=16, augment=names)
        for names in (AUGMENTATIONS, AUGMENTATIONS[::-1])
    )
    assert torch.equal(there, back)


def test_crop_and_flip_are_the_views_of_these_two():
    images = random_images(8, 3, 20, 24)
    arguments = {"seed": 2, "epoch": 1, "size": 16}
    ours = training_views(images, range(8), augment=["crop", "flip"], **arguments)
    assert torch.equal(ours, crop_and_flip(images, range(8), **arguments))


def test_the_crop_comes_before_the_flip():
    # Values grow from left to right, so a view's mean tells which columns it shows.
    ramp = torch.arange(0, 240, 5, dtype=torch.uint8).expand(60, 3, 48, 48)
    views = training_views(ramp, range(60), seed=0, epoch=0, size=8, augment=["crop", "flip"])
    _, left, _, width = crop_boxes(ramp, seed=0, epoch=0).T
    middle = left + (width - 1) / 2
    mirrored = views[:, 0, 0, 0].gt(views[:, 0, 0, -1]).numpy()
    # What would be shown if the image were mirrored first is elsewhere.
    assert (np.abs(47 - 2 * middle[mirrored]) > 4).sum() > 10
    np.testing.assert_allclose(views.mean(dim=(1, 2, 3)) * 51, middle, atol=0.1)


def test_the_crop_comes_before_the_color():
    # Black on the left, gray on the right. A crop of the right alone is constant: contrast has
    # nothing to turn about, gray has no hue and no saturation, and what is left is brightness.
    # Before the crop, contrast would turn about the whole image's mean.
    images = torch.zeros(300, 3, 40, 40, dtype=torch.uint8)
    images[..., 20:] = 128
    limits = {"area_range": (0.1, 0.2)}
    views = training_views(
        images, range(300), seed=0, epoch=0, size=8, augment=["crop", "color"], **limits
    )
    draws = uniform(0, 0, range(300), "crop and flip: color", 10)
    right = (crop_boxes(images, seed=0, epoch=0, **limits)[:, 1] >= 20) & (draws[:, 0] < 0.8)
    assert right.sum() > 40
    shown = views[torch.from_numpy(right)]
    gain = 1 + 0.24 * (2 * draws[right, 5] - 1)
    expected = torch.from_numpy(128 / 255 * gain).float()[:, None, None, None].expand_as(shown)
    torch.testing.assert_close(shown, expected, rtol=2e-4, atol=0)  # luma's weights sum to .9999


def test_without_a_crop_the_framing_decides():
    images = random_images(3, 3, 32, 20)
    arguments = {"seed": 0, "epoch": 0, "size": 16, "augment": []}
    center = training_views(images, range(3), **arguments)
    assert torch.equal(center, center_view(images, size=16))
    whole = training_views(images, range(3), framing="whole", **arguments)
    assert torch.equal(whole, resample(images, np.tile([0, 0, 32, 20], (3, 1)), 16))
    cropped = [
        training_views(images, range(3), framing=framing, **{**arguments, "augment": ["crop"]})
        for framing in ("center", "whole")
    ]
    assert torch.equal(*cropped)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"augment": ["crop", "blur"]}, "augment must be of crop, flip, color, got blur"),
        ({"augment": [], "framing": "left"}, "framing must be one of center, whole, got left"),
    ],
)
def test_unknown_choices_are_refused(choice, message):
    with pytest.raises(ValueError, match=f"training_views: {message}"):
        training_views(random_images(1, 3, 8, 8), [0], seed=0, epoch=0, size=8, **choice)


def test_flips_are_torchvisions():
    images = random_images(20, 3, 16, 16)
    plain, flipped = (
        training_views(images, range(20), seed=0, epoch=0, size=16, augment=names, framing="whole")
        for names in ([], ["flip"])
    )
    mirrored = [not torch.equal(*pair) for pair in zip(plain, flipped, strict=True)]
    assert 3 < sum(mirrored) < 17
    for position in np.flatnonzero(mirrored):
        expected = torchvision.horizontal_flip(plain[position])
        torch.testing.assert_close(flipped[position], expected, rtol=0, atol=1e-6)
