"""Views of images for training and evaluation, one draw per image.

    crop     the law of TensorFlow's sample_distorted_bounding_box, as SimCLR calls it
    flip     left to right, p = 0.5
    color    jitter (p = 0.8) then grayscale (p = 0.2)
    blur     p = 0.5, of the two pretraining views alone, and only where it is asked for

They are applied in this order, as in the official code, and drawn by operations with names of their
own: an image has the same crop in the same epoch of the same seed whatever else is on. Without a
crop a view shows what its framing says: the evaluation's central square, or the whole image.

Views are clamped to [0, 1] last. Before that, a kernel of TensorFlow's may leave the interval: the
jitter sees such values and clamps after each of its operations, as in the official code. There is
no normalization.

Source: google-research/simclr, data_util.py; SimCLR (arXiv:2002.05709), Appendix A.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from simclr_bench.data.blur import batch_random_blur
from simclr_bench.data.color import color_distortion
from simclr_bench.data.crops import AREA_RANGE, MIN_COVERAGE, sample_crop_boxes
from simclr_bench.data.randomness import Index, uniform
from simclr_bench.data.resample import Images, image_sizes, resample

AUGMENTATIONS = ("crop", "flip", "color")
CENTER_FRACTION = 0.875


def center_boxes(heights: NDArray[np.int64], widths: NDArray[np.int64]) -> NDArray[np.int64]:
    """The central square of 0.875 of the shorter side.

    Args:
        heights: Image heights in pixels. [B]
        widths: Image widths in pixels. [B]

    Returns:
        Top, left, height and width in pixels. [B, 4]

    Source: google-research/simclr, data_util.py, center_crop.
    """
    side = np.rint(CENTER_FRACTION * np.minimum(heights, widths)).astype(np.int64)
    top, left = (heights - side + 1) // 2, (widths - side + 1) // 2
    return np.stack([top, left, side, side], axis=1)


def whole_boxes(heights: NDArray[np.int64], widths: NDArray[np.int64]) -> NDArray[np.int64]:
    """The whole image, whose aspect a square view does not keep.

    Args:
        heights: Image heights in pixels. [B]
        widths: Image widths in pixels. [B]

    Returns:
        Top, left, height and width in pixels. [B, 4]
    """
    return np.stack([0 * heights, 0 * widths, heights, widths], axis=1)


FRAMINGS = {"center": center_boxes, "whole": whole_boxes}


def center_view(
    images: Images, *, size: int, kernel: str = "antialiased", crop: bool = True
) -> Tensor:
    """The evaluation view: a central square of 0.875 of the shorter side, resized.

    Args:
        images: uint8 images of any sizes. B of [3, H, W], or [B, 3, H, W]
        size: Side of the result in pixels.
        kernel: Resampling kernel, a key of `resample.KERNELS`.
        crop: False for images that have their size already and are to be left as they are: what
            the official code does at 32 pixels and below.

    Returns:
        float32 images in [0, 1]. [B, 3, size, size]

    Raises:
        ValueError: Without a crop, an image has another size.
    """
    heights, widths = image_sizes(images)
    if crop:
        return resample(images, center_boxes(heights, widths), size, kernel=kernel).clamp_(0, 1)
    if others := set(zip(heights.tolist(), widths.tolist(), strict=True)) - {(size, size)}:
        height, width = min(others)
        raise ValueError(
            f"center_view: without a crop, images must be {size} x {size}, got {height} x {width}"
        )
    stacked = images if isinstance(images, Tensor) else torch.stack(list(images))
    return stacked.float().mul_(1 / 255)


def training_views(
    images: Images,
    index: Index,
    *,
    seed: int,
    epoch: int,
    size: int,
    augment: Sequence[str],
    framing: str = "center",
    color_strength: float = 0.3,
    operation: str = "crop and flip",
    area_range: tuple[float, float] = AREA_RANGE,
    min_coverage: float = MIN_COVERAGE,
    kernel: str = "antialiased",
    brightness: str = "multiply",
) -> Tensor:
    """The training views of a batch under any of the augmentations.

    Args:
        images: The batch, uint8, of any sizes. B of [3, H, W], or [B, 3, H, W]
        index: Position of each of these images in its data set. [B]
        seed: Seed of the run.
        epoch: Pass over the data.
        size: Side of the result in pixels.
        augment: Which of `AUGMENTATIONS` are on; their order here means nothing.
        framing: What a view without a crop shows, a key of `FRAMINGS`.
        color_strength: Jitter strength s (0.3 in the official notebooks).
        operation: Name of the draws.
        area_range: Smallest and largest crop, as fractions of the image's area.
        min_coverage: Least fraction of the image that a crop must cover.
        kernel: Resampling kernel, a key of `resample.KERNELS`.
        brightness: How the jitter changes it: "multiply" or "add".

    Returns:
        float32 images in [0, 1]. [B, 3, size, size]

    Raises:
        ValueError: An augmentation, the framing, the kernel or the brightness is unknown.
    """
    if unknown := [name for name in augment if name not in AUGMENTATIONS]:
        wanted = ", ".join(AUGMENTATIONS)
        raise ValueError(f"training_views: augment must be of {wanted}, got {', '.join(unknown)}")
    if framing not in FRAMINGS:
        wanted = ", ".join(FRAMINGS)
        raise ValueError(f"training_views: framing must be one of {wanted}, got {framing}")
    heights, widths = image_sizes(images)
    if "crop" in augment:
        boxes = sample_crop_boxes(
            heights,
            widths,
            index,
            seed=seed,
            epoch=epoch,
            operation=f"{operation}: crop",
            area_range=area_range,
            min_coverage=min_coverage,
        )
    else:
        boxes = FRAMINGS[framing](heights, widths)
    mirrored = None
    if "flip" in augment:
        mirrored = uniform(seed, epoch, index, f"{operation}: flip", 1)[:, 0] < 0.5
    views = resample(images, boxes, size, mirrored=mirrored, kernel=kernel)
    if "color" in augment:
        views = color_distortion(
            views,
            index,
            seed=seed,
            epoch=epoch,
            strength=color_strength,
            operation=f"{operation}: color",
            brightness=brightness,
        )
    return views.clamp_(0, 1)


def crop_and_flip(
    images: Images,
    index: Index,
    *,
    seed: int,
    epoch: int,
    size: int,
    kernel: str = "antialiased",
) -> Tensor:
    """The notebook's training view: a random crop, resized, flipped half of the time.

    Args:
        images: The batch, uint8, of any sizes. B of [3, H, W], or [B, 3, H, W]
        index: Position of each of these images in its data set. [B]
        seed: Seed of the run.
        epoch: Pass over the data.
        size: Side of the result in pixels.
        kernel: Resampling kernel, a key of `resample.KERNELS`.

    Returns:
        float32 images in [0, 1]. [B, 3, size, size]
    """
    return training_views(
        images, index, seed=seed, epoch=epoch, size=size, augment=("crop", "flip"), kernel=kernel
    )


def simclr_views(
    images: Images,
    index: Index,
    *,
    seed: int,
    epoch: int,
    size: int,
    strength: float,
    area_range: tuple[float, float] = AREA_RANGE,
    min_coverage: float = MIN_COVERAGE,
    kernel: str = "antialiased",
    brightness: str = "multiply",
    blur: bool = False,
    step: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Two independent pretraining views of each image: crop, flip, jitter, grayscale, blur.

    Args:
        images: The batch, uint8, of any sizes. B of [3, H, W], or [B, 3, H, W]
        index: Position of each of these images in its data set. [B]
        seed: Seed of the run.
        epoch: Pass over the data.
        size: Side of the results in pixels.
        strength: Color jitter strength s (1.0 for ImageNet, 0.5 for CIFAR-10).
        area_range: Smallest and largest crop, as fractions of the image's area.
        min_coverage: Least fraction of the image that a crop must cover.
        kernel: Resampling kernel, a key of `resample.KERNELS`.
        brightness: How the jitter changes it: "multiply" or "add".
        blur: Whether to blur half of the views. SimCLR does at 224 pixels, and not at 32.
        step: Number of the training step within the epoch, the same for all of its parts: each
            view of a step has one blur. Needed with `blur`, and for nothing else.

    Returns:
        Two batches, float32 in [0, 1]. [B, 3, size, size] each

    Raises:
        ValueError: A choice is unknown, or `blur` came without a `step`.

    Source: SimCLR (arXiv:2002.05709), Appendices A and B.9.
    """
    if blur and step is None:
        raise ValueError("simclr_views: blur needs the number of the step, got none")

    def one(name: str) -> Tensor:
        views = training_views(
            images,
            index,
            seed=seed,
            epoch=epoch,
            size=size,
            augment=AUGMENTATIONS,
            color_strength=strength,
            operation=name,
            area_range=area_range,
            min_coverage=min_coverage,
            kernel=kernel,
            brightness=brightness,
        )
        if not blur or step is None:
            return views
        return batch_random_blur(
            views, index, seed=seed, epoch=epoch, step=step, operation=f"{name}: blur"
        )

    return one("first view"), one("second view")
