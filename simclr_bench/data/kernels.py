"""Weights of the kernels that resize an image, and the weighted sums of lines that apply them.

    antialiased   Keys' cubic (A = -0.5), half-pixel centers, taps outside the segment dropped and
                  the rest renormalized; widens when the image shrinks. Dense weights.
    half_pixel    the same cubic and border, never widened: TensorFlow 2, `tf.image.resize`
    legacy        A = -0.75, pixel i at coordinate i, the edge pixel repeated: TensorFlow 1,
                  `tf.image.resize_bicubic`, in which the official weights were trained

The last two have four taps per point, where TensorFlow puts them and as TensorFlow weighs them:
positions in float32, and the fraction between two pixels rounded to 1/1024, since TensorFlow reads
its weights from a table. What differs from it is the order of sums: float32 rounding.

Source: TensorFlow, resize_bicubic_op.cc and image_resizer_state.h; Keys, "Cubic convolution
interpolation for digital image processing", 1981.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

TABLE_SIZE = 1024

# Numbers that `blocks` lets be held at once: on a CPU what its cache holds, elsewhere 256 MiB.
BLOCK_ON_CPU = 2**21
BLOCK = 2**26


class Taps(NamedTuple):
    """What each point of a line is the weighted sum of.

    pixel: Positions in the segment. [B, size, K]
    weight: float32. [B, size, K]
    """

    pixel: Tensor
    weight: Tensor


TapBuilder = Callable[[Tensor, int], Taps]


def legacy_taps(length: Tensor, size: int) -> Taps:
    """Four taps of TensorFlow 1's bicubic for each point.

    Args:
        length: Pixels in the segment. [B]
        size: Points wanted.

    Returns:
        Their pixels, those beyond an edge moved onto it, and weights.
    """
    position = torch.arange(size, dtype=torch.float32) * _scale(length, size)
    pixel, weight = _cubic_taps(position, a=-0.75)
    return Taps(_onto_segment(pixel, length), weight.float())


def half_pixel_taps(length: Tensor, size: int) -> Taps:
    """Four taps of TensorFlow 2's bicubic for each point.

    Args:
        length: Pixels in the segment. [B]
        size: Points wanted.

    Returns:
        Their pixels, and weights that are zero beyond an edge and sum to 1.
    """
    center = torch.arange(size, dtype=torch.float32) + 0.5
    pixel, weight = _cubic_taps(center * _scale(length, size) - 0.5, a=-0.5)
    inside = _onto_segment(pixel, length)
    kept = weight.float() * (inside == pixel)
    return Taps(inside, kept / kept.sum(dim=2, keepdim=True))


def _scale(length: Tensor, size: int) -> Tensor:
    return (length.float() / size)[:, None]


def _cubic_taps(position: Tensor, *, a: float) -> tuple[Tensor, Tensor]:
    """Pixels around each position and float64 weights. [B, size] -> two of [B, size, 4]"""
    below = position.floor()
    between = ((position - below) * TABLE_SIZE).round().double() / TABLE_SIZE
    pixel = below.long()[:, :, None] + torch.arange(-1, 3)
    weights = (
        _far(1 + between, a),
        _near(between, a),
        _near(1 - between, a),
        _far(2 - between, a),
    )
    return pixel, torch.stack(weights, dim=2)


def _near(x: Tensor, a: float) -> Tensor:
    return ((a + 2) * x - (a + 3)) * x * x + 1


def _far(x: Tensor, a: float) -> Tensor:
    return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a


def _onto_segment(pixel: Tensor, length: Tensor) -> Tensor:
    return torch.minimum(pixel.clamp(min=0), length[:, None, None] - 1)


def weigh_rows(planes: Tensor, taps: Taps) -> Tensor:
    """Weighted sums of the rows of each image.

    One row is read at a time, in the order of its taps: a result has the same bits alone and in a
    batch. On one core this takes a ninth of the time of a product with the dense weights
    (375 x 500 to 224 x 224).

    Args:
        planes: float32. [B, C, H, W]
        taps: Pixels are rows. [B, size, K]

    Returns:
        The sums. [B, C, size, W]
    """
    count, channels, height, width = planes.shape
    first = torch.arange(count * channels, device=planes.device).mul_(height)
    rows = first.reshape(count, channels, 1, 1) + taps.pixel[:, None]
    weights = taps.weight[:, None].expand(-1, channels, -1, -1)
    sums = F.embedding_bag(
        rows.flatten(0, 2),
        planes.reshape(-1, width),
        mode="sum",
        per_sample_weights=weights.flatten(0, 2),
    )
    return sums.reshape(count, channels, -1, width)


def weigh(planes: Tensor, rows: Taps, columns: Taps) -> Tensor:
    """Weighted sums along both axes.

    Args:
        planes: float32. [B, C, H, W]
        rows: [B, size, K]
        columns: [B, size, K]

    Returns:
        The sums. [B, C, size, size]
    """
    return weigh_rows(weigh_rows(planes, rows).transpose(2, 3), columns).transpose(2, 3)


def blocks(planes: Tensor, size: int) -> Iterator[slice]:
    """The batch in parts that are small enough to be weighed at once.

    Args:
        planes: [B, C, H, W]
        size: Side of the results in pixels.

    Returns:
        Slices of the batch, in order.
    """
    _, channels, height, width = planes.shape
    budget = BLOCK_ON_CPU if planes.device.type == "cpu" else BLOCK
    step = max(1, budget // (channels * max(height, size) * max(width, size)))
    for start in range(0, len(planes), step):
        yield slice(start, start + step)


def bicubic_weights(start: Tensor, length: Tensor, size: int, extent: int) -> Tensor:
    """Weights that resample a segment of each line to `size` points, antialiased.

    Args:
        start: First pixel of the segment. [B]
        length: Pixels in the segment. [B]
        size: Points wanted.
        extent: Pixels in a line.

    Returns:
        Weights; each row sums to 1 and is zero outside its segment. [B, size, extent]

    Source: Keys, "Cubic convolution interpolation", 1981, with A = -0.5.
    """
    device = start.device
    scale = length.float() / size
    # [B, size] and [B, extent], both within the segment
    center = (torch.arange(size, device=device) + 0.5) * scale[:, None]
    pixel = torch.arange(extent, device=device) - start[:, None]
    inside = (pixel >= 0) & (pixel < length[:, None])
    distance = (pixel[:, None, :] + 0.5).sub(center[:, :, None]).abs_()
    distance /= scale.clamp(min=1.0)[:, None, None]
    weights = _keys_cubic(distance) * inside[:, None, :]
    return weights / weights.sum(dim=2, keepdim=True)


def _keys_cubic(x: Tensor) -> Tensor:
    # Spelled as it was when the embedded results were made: another order of the same operations
    # would change their last bits.
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return torch.where(x < 1, near, torch.where(x < 2, far, 0.0))
