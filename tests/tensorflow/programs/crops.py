"""Draws of sample_distorted_bounding_box with SimCLR's arguments.

Reads sizes (height and width, [n, 2]), draws and seed; writes boxes (top, left, height and width,
[n, draws, 4]).
"""

import sys

import numpy as np
import tensorflow as tf

given = dict(np.load(sys.argv[1]))
draws = int(given["draws"])


def sampler(height: int, width: int, seed: int) -> tf.Tensor:
    @tf.function
    def all_draws() -> tf.Tensor:
        def one(_: tf.Tensor) -> tf.Tensor:
            begin, size, _ = tf.image.sample_distorted_bounding_box(
                tf.constant([height, width, 3]),
                bounding_boxes=tf.constant([[[0.0, 0.0, 1.0, 1.0]]]),
                seed=seed,
                min_object_covered=0.1,
                aspect_ratio_range=(3 / 4, 4 / 3),
                area_range=(0.08, 1.0),
                max_attempts=100,
                use_image_if_no_bounding_boxes=True,
            )
            return tf.concat([begin[:2], size[:2]], axis=0)

        # One at a time, so that the seed fixes them.
        return tf.map_fn(one, tf.range(draws), fn_output_signature=tf.int32, parallel_iterations=1)

    return all_draws()


tf.random.set_seed(int(given["seed"]))
boxes = [
    sampler(int(height), int(width), seed=position + 1).numpy()
    for position, (height, width) in enumerate(given["sizes"])
]
np.savez(sys.argv[2], boxes=np.stack(boxes))
