"""Random crops by the law of TensorFlow's sample_distorted_bounding_box, as SimCLR calls it.

Source: TensorFlow, sample_distorted_bounding_box_op.cc; google-research/simclr, data_util.py.
"""

import numpy as np
from numpy.typing import NDArray

from simclr_bench.data.randomness import Index, uniform

ASPECT_RANGE = (3 / 4, 4 / 3)
AREA_RANGE = (0.08, 1.0)
MIN_COVERAGE = 0.1
ATTEMPTS = 100


def sample_crop_boxes(
    heights: NDArray[np.int64],
    widths: NDArray[np.int64],
    index: Index,
    *,
    seed: int,
    epoch: int,
    operation: str = "crop",
    area_range: tuple[float, float] = AREA_RANGE,
    min_coverage: float = MIN_COVERAGE,
) -> NDArray[np.int64]:
    """Random crops as SimCLR draws them for a square output.

    The aspect ratio is uniform, the height is a uniform integer among those that fit, the position
    is uniform; crops covering less than `min_coverage` of the image are drawn again, and after 100
    attempts the whole image is taken. This is not torchvision's law, whose area is uniform.

    Args:
        heights: Image heights in pixels. [B]
        widths: Image widths in pixels. [B]
        index: Position of each image in its data set. [B]
        seed: Seed of the run.
        epoch: Pass over the data.
        operation: Name of the draw.
        area_range: Smallest and largest crop, as fractions of the image's area.
        min_coverage: Least fraction of the image that a crop must cover.

    Returns:
        Top, left, height and width in pixels. [B, 4]

    Source: TensorFlow, sample_distorted_bounding_box_op.cc; arguments from SimCLR's data_util.py.
    """
    index = np.asarray(index)
    boxes = np.stack([0 * heights, 0 * widths, heights, widths], axis=1).astype(np.int64)
    pending = np.arange(len(index))
    for attempt in range(ATTEMPTS):
        if not len(pending):
            break
        draws = uniform(seed, epoch, index[pending], f"{operation}, attempt {attempt}", 4)
        candidates, accepted = _propose_crops(
            heights[pending], widths[pending], draws, area_range, min_coverage
        )
        boxes[pending[accepted]] = candidates[accepted]
        pending = pending[~accepted]
    return boxes


def _propose_crops(
    image_height: NDArray[np.int64],
    image_width: NDArray[np.int64],
    draws: NDArray[np.float64],
    area_range: tuple[float, float],
    min_coverage: float,
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    image_area = image_height * image_width
    smallest, largest = area_range[0] * image_area, area_range[1] * image_area
    aspect = ASPECT_RANGE[0] + draws[:, 0] * (ASPECT_RANGE[1] - ASPECT_RANGE[0])

    low = np.rint(np.sqrt(smallest / aspect))
    # The tallest crop whose rounded width still fits.
    fits = np.floor((image_width + 0.5 - 1e-7) / aspect)
    high = np.minimum(np.rint(np.sqrt(largest / aspect)), np.minimum(fits, image_height))
    low = np.minimum(low, high)
    height = low + np.floor(draws[:, 1] * (high - low + 1))
    # Rounding may leave the allowed areas by a little: one row more, or one row less, repairs it.
    height = height + (np.rint(height * aspect) * height < smallest)
    height = height - (np.rint(height * aspect) * height > largest)
    width = np.rint(height * aspect)

    area = height * width
    accepted = (area >= smallest) & (area <= largest) & (area >= min_coverage * image_area)
    accepted &= (height <= image_height) & (width <= image_width) & (height > 0) & (width > 0)
    # The last position is excluded, as in the original.
    top = np.floor(draws[:, 2] * np.maximum(image_height - height, 0))
    left = np.floor(draws[:, 3] * np.maximum(image_width - width, 0))
    return np.stack([top, left, height, width], axis=1).astype(np.int64), accepted
