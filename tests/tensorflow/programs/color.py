"""The color operations that the official jitter is made of, by tf.image.

Reads images ([n, H, W, 3]) and amounts ([n]) of each operation; writes what each gives.
"""

import sys

import numpy as np
import tensorflow as tf

given = dict(np.load(sys.argv[1]))
images = tf.constant(given.pop("images"))

OPERATIONS = {
    "brightness": lambda image, amount: image * amount,
    "shifted": tf.image.adjust_brightness,
    "contrast": tf.image.adjust_contrast,
    "saturation": tf.image.adjust_saturation,
    "hue": tf.image.adjust_hue,
}
made = {
    name: np.stack([OPERATIONS[name](*pair) for pair in zip(images, amounts, strict=True)])
    for name, amounts in given.items()
}
made["grayscale"] = tf.tile(tf.image.rgb_to_grayscale(images), [1, 1, 1, 3]).numpy()
np.savez(sys.argv[2], **made)
