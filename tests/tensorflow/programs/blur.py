"""The official blur: two depthwise convolutions, zero padding.

Reads images_N ([B, H, W, 3]) and sigma_N; writes blurred_N.
"""

import sys

import numpy as np
import tensorflow as tf

given = dict(np.load(sys.argv[1]))
made = {}
for name, images in given.items():
    if not name.startswith("images_"):
        continue
    number = name.removeprefix("images_")
    radius = int((images.shape[1] // 10) / 2)
    offsets = tf.range(-radius, radius + 1, dtype=tf.float32)
    taps = tf.exp(
        -tf.square(offsets) / (2 * tf.square(tf.cast(given[f"sigma_{number}"], "float32")))
    )
    taps = tf.tile((taps / tf.reduce_sum(taps))[:, None], [1, 3])
    out = tf.constant(images)
    for shape in ([1, -1, 3, 1], [-1, 1, 3, 1]):
        kernel = tf.reshape(taps, shape)
        out = tf.nn.depthwise_conv2d(out, kernel, strides=[1, 1, 1, 1], padding="SAME")
    made[f"blurred_{number}"] = out.numpy()

np.savez(sys.argv[2], **made)
