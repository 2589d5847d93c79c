"""Crops and resizes as the official SimCLR code does, in both of its versions.

Reads image_N (uint8, [H, W, 3]), box_N (top, left, height, width) and size_N; writes legacy_N,
half_pixel_N, and center_legacy_N, center_half_pixel_N of the evaluation's central square.
"""

import sys

import numpy as np
import tensorflow as tf

given = dict(np.load(sys.argv[1]))
made = {}


def resized(image: tf.Tensor, box: np.ndarray, size: int, *, half_pixel: bool) -> np.ndarray:
    cut = tf.image.crop_to_bounding_box(image, *(int(number) for number in box))
    if half_pixel:
        return tf.image.resize(cut[None], [size, size], method="bicubic")[0].numpy()
    return tf.compat.v1.image.resize_bicubic(cut[None], [size, size])[0].numpy()


def central(image: tf.Tensor) -> np.ndarray:
    height, width = image.shape[:2]
    short = tf.cast(min(height, width), tf.float32)
    side = int(tf.cast(tf.math.rint(0.875 * short), tf.int32))
    return np.array([(height - side + 1) // 2, (width - side + 1) // 2, side, side])


for name, pixels in given.items():
    if not name.startswith("image_"):
        continue
    number = name.removeprefix("image_")
    image = tf.image.convert_image_dtype(pixels, tf.float32)
    size = int(given[f"size_{number}"])
    boxes = {"": given[f"box_{number}"], "center_": central(image)}
    for prefix, box in boxes.items():
        for kernel in ("legacy", "half_pixel"):
            made[f"{prefix}{kernel}_{number}"] = resized(
                image, box, size, half_pixel=kernel == "half_pixel"
            )

np.savez(sys.argv[2], **made)
