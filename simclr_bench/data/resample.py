"""Cutting a box out of each image of a batch and resizing it, by two small matrix products.

    out[b, c] = rows[b] @ image[b, c] @ columns[b]

with separable kernel weights that hold the crop: outside its box they are zero, so different crops
share a batch. The kernel is Keys' cubic (A = -0.5) with half-pixel centers; taps that fall outside
the crop are dropped and the rest renormalized, as in the official TF2 code. Unlike it the kernel
widens when the image shrinks (antialiasing): at 32 pixels a photograph shrinks tenfold and more.
Results are clamped to [0, 1]. Another kernel is another function of the type `WeightBuilder`.

Source: google-research/simclr, tf2/data_util.py.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Images = Sequence[Tensor] | Tensor
WeightBuilder = Callable[[Tensor, Tensor, int, int], Tensor]


def bicubic_weights(start: Tensor, length: Tensor, size: int, extent: int) -> Tensor:
    """Weights that resample a segment of each line to `size` points.

    Args:
        start: First pixel of the segment. [B]
        length: Pixels in the segment. [B]
        size: Points wanted.
        extent: Pixels in a line.

    Returns:
        Weights; each row sums to 1 and is zero outside its segment. [B, size, extent]

    Source: Keys, "Cubic convolution interpolation", 1981, with A = -0.5.
    """
    scale = length.float() / size
    center = (torch.arange(size) + 0.5) * scale[:, None]  # [B, size], within the segment
    pixel = torch.arange(extent) - start[:, None]  # [B, extent], within the segment
    inside = (pixel >= 0) & (pixel < length[:, None])
    distance = (pixel[:, None, :] + 0.5).sub(center[:, :, None]).abs_()
    distance /= scale.clamp(min=1.0)[:, None, None]
    weights = _keys_cubic(distance) * inside[:, None, :]
    return weights / weights.sum(dim=2, keepdim=True)


def _keys_cubic(x: Tensor) -> Tensor:
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return torch.where(x < 1, near, torch.where(x < 2, far, torch.zeros(())))


def resample(
    images: Images,
    boxes: NDArray[np.int64],
    size: int,
    *,
    mirrored: NDArray[np.bool_] | None = None,
    weights: WeightBuilder = bicubic_weights,
) -> Tensor:
    """Cut a box out of each image and resize it to a square.

    Args:
        images: uint8 images of any sizes. B of [3, H, W], or [B, 3, H, W]
        boxes: Top, left, height and width in pixels. [B, 4]
        size: Side of the square in pixels.
        mirrored: Which results to flip left to right; none by default. [B]
        weights: The resampling kernel.

    Returns:
        float32 images in [0, 1]. [B, 3, size, size]
    """
    if not len(images):
        raise ValueError("resample: images must hold at least one image, got none")
    if isinstance(images, Tensor):
        return _resample_stack(images, boxes, size, mirrored, weights)
    # Images of one size share the products. Nothing is padded to the size of a neighbor: one very
    # wide and one very tall image would make every image in the batch both.
    views = torch.empty(len(images), 3, size, size)
    for members in _members_by_size(images):
        views[members] = _resample_stack(
            torch.stack([images[member] for member in members]),
            boxes[members],
            size,
            None if mirrored is None else mirrored[members],
            weights,
        )
    return views


def _resample_stack(
    images: Tensor,
    boxes: NDArray[np.int64],
    size: int,
    mirrored: NDArray[np.bool_] | None,
    weights: WeightBuilder,
) -> Tensor:
    count, _, height, width = images.shape
    top, left, box_height, box_width = torch.from_numpy(boxes).unbind(dim=1)
    rows = weights(top, box_height, size, height)
    columns = weights(left, box_width, size, width)
    if mirrored is not None:
        flip = torch.from_numpy(mirrored)[:, None, None]
        columns = torch.where(flip, columns.flip(1), columns)
    pixels = images.float().reshape(count, 3 * height, width)
    narrow = torch.bmm(pixels, columns.transpose(1, 2))  # [B, 3H, size]
    narrow = narrow.reshape(count, 3, height, size)
    return torch.matmul(rows[:, None], narrow).mul_(1 / 255).clamp_(0, 1)


def _members_by_size(images: Sequence[Tensor]) -> list[list[int]]:
    members: dict[torch.Size, list[int]] = {}
    for position, image in enumerate(images):
        members.setdefault(image.shape, []).append(position)
    return list(members.values())


def image_sizes(images: Images) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Heights and widths in pixels.

    Args:
        images: B of [3, H, W], or [B, 3, H, W]

    Returns:
        Heights and widths. [B] each
    """
    if isinstance(images, Tensor):
        height, width = images.shape[2:]
        return np.full(len(images), height), np.full(len(images), width)
    sides = np.array([image.shape[1:] for image in images], dtype=np.int64)
    return sides[:, 0], sides[:, 1]
