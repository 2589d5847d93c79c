"""Cutting a box out of each image of a batch and resizing it to a square.

The crop is cut before it is resized: its edge is the edge. Two schemes, by kernel (`kernels.py`):

    antialiased           out[b, c] = rows[b] @ image[b, c] @ columns[b], with dense weights that
                          are zero outside the box; clamped to [0, 1]. At 32 pixels a photograph
                          shrinks tenfold and more: a kernel of one width would skip most of it.
    legacy, half_pixel    four lines weighed per point and axis, a few images at a time. Not
                          clamped: the official code lets a cubic's overshoot into what follows.

Everything runs on the device of the images. Weights are computed on the CPU and moved, so that they
are the same everywhere.

Source: google-research/simclr, data_util.py and tf2/data_util.py.
"""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from simclr_bench.data.kernels import (
    TapBuilder,
    Taps,
    bicubic_weights,
    blocks,
    half_pixel_taps,
    legacy_taps,
    weigh,
)

Images = Sequence[Tensor] | Tensor
Boxes = NDArray[np.int64]
Mirrored = NDArray[np.bool_] | None


def resample(
    images: Images,
    boxes: Boxes,
    size: int,
    *,
    mirrored: Mirrored = None,
    kernel: str = "antialiased",
) -> Tensor:
    """Cut a box out of each image and resize it to a square.

    Args:
        images: uint8 images of any sizes. B of [3, H, W], or [B, 3, H, W]
        boxes: Top, left, height and width in pixels. [B, 4]
        size: Side of the square in pixels.
        mirrored: Which results to flip left to right; none by default. [B]
        kernel: A key of `KERNELS`.

    Returns:
        float32 images, in [0, 1] but for the overshoot of "legacy" and "half_pixel".
        [B, 3, size, size]

    Raises:
        ValueError: There is no image, or the kernel is unknown.
    """
    if not len(images):
        raise ValueError("resample: images must hold at least one image, got none")
    if kernel not in KERNELS:
        raise ValueError(f"resample: kernel must be one of {', '.join(KERNELS)}, got {kernel}")
    if isinstance(images, Tensor):
        return KERNELS[kernel](images, boxes, size, mirrored)
    # Images of one size share the products. Nothing is padded to the size of a neighbor: one very
    # wide and one very tall image would make every image in the batch both.
    views = torch.empty(len(images), 3, size, size, device=images[0].device)
    for members in _members_by_size(images):
        views[members] = KERNELS[kernel](
            torch.stack([images[member] for member in members]),
            boxes[members],
            size,
            None if mirrored is None else mirrored[members],
        )
    return views


def _by_products(images: Tensor, boxes: Boxes, size: int, mirrored: Mirrored) -> Tensor:
    count, _, height, width = images.shape
    top, left, box_height, box_width = torch.from_numpy(boxes).unbind(dim=1)
    rows = bicubic_weights(top, box_height, size, height)
    columns = bicubic_weights(left, box_width, size, width)
    if mirrored is not None:
        flip = torch.from_numpy(mirrored)[:, None, None]
        columns = torch.where(flip, columns.flip(1), columns)
    rows, columns = rows.to(images.device), columns.to(images.device)
    pixels = images.float().reshape(count, 3 * height, width)
    narrow = torch.bmm(pixels, columns.transpose(1, 2))  # [B, 3H, size]
    narrow = narrow.reshape(count, 3, height, size)
    return torch.matmul(rows[:, None], narrow).mul_(1 / 255).clamp_(0, 1)


def _by_taps(
    builder: TapBuilder, images: Tensor, boxes: Boxes, size: int, mirrored: Mirrored
) -> Tensor:
    views = torch.empty(len(images), 3, size, size, device=images.device)
    for block in blocks(images, size):
        top, left, box_height, box_width = boxes[block].T
        # What no crop of the block shows is not read.
        high, low = top.min(), (top + box_height).max()
        near, far = left.min(), (left + box_width).max()
        rows = _taps(builder, top - high, box_height, size, images.device)
        flip = None if mirrored is None else mirrored[block]
        columns = _taps(builder, left - near, box_width, size, images.device, flip)
        pixels = images[block, :, high:low, near:far].float()
        torch.mul(weigh(pixels, rows, columns), 1 / 255, out=views[block])
    return views


KERNELS: dict[str, Callable[[Tensor, Boxes, int, Mirrored], Tensor]] = {
    "antialiased": _by_products,
    "legacy": partial(_by_taps, legacy_taps),
    "half_pixel": partial(_by_taps, half_pixel_taps),
}


def _taps(
    builder: TapBuilder,
    start: NDArray[np.int64],
    length: NDArray[np.int64],
    size: int,
    device: torch.device,
    mirrored: Mirrored = None,
) -> Taps:
    pixel, weight = builder(torch.from_numpy(length.copy()), size)
    pixel = pixel + torch.from_numpy(start)[:, None, None]
    if mirrored is not None:
        flip = torch.from_numpy(mirrored)[:, None, None]
        pixel, weight = (torch.where(flip, side.flip(1), side) for side in (pixel, weight))
    return Taps(pixel.to(device), weight.to(device))


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
