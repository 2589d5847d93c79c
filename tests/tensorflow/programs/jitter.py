"""Draws of the official color jitter, as tf.image makes them.

Reads image ([H, W, 3]), draws and seed, and of each setting N strength_N and additive_N; writes
images_N ([draws, H, W, 3]) and, for each operation, the amounts that it drew, read off an image
that shows them: brightness_N, contrast_N, saturation_N, hue_N ([draws]).
"""

import sys
from collections.abc import Callable

import numpy as np
import tensorflow as tf

Operation = Callable[[tf.Tensor], tf.Tensor]

# Red at half saturation, and two grays: their channels tell what was drawn.
RED = tf.constant([[[0.5, 0.25, 0.25]]])
GRAYS = tf.constant([[[0.4] * 3, [0.6] * 3]])


def operations(strength: float, additive: bool) -> tuple[Operation, ...]:
    spread = 0.8 * strength

    def brightness(x: tf.Tensor) -> tf.Tensor:
        if additive:
            return tf.image.random_brightness(x, spread)
        return x * tf.random.uniform([], max(1 - spread, 0.0), 1 + spread)

    return (
        brightness,
        lambda x: tf.image.random_contrast(x, 1 - spread, 1 + spread),
        lambda x: tf.image.random_saturation(x, 1 - spread, 1 + spread),
        lambda x: tf.image.random_hue(x, 0.2 * strength),
    )


def repeat(draw: Callable[[], tf.Tensor], draws: int) -> np.ndarray:
    @tf.function
    def all_draws() -> tf.Tensor:
        numbers = tf.range(draws)
        # One at a time, so that the seed fixes them.
        return tf.map_fn(
            lambda _: draw(), numbers, fn_output_signature=tf.float32, parallel_iterations=1
        )

    return all_draws().numpy()


def distort(image: tf.Tensor, steps: tuple[Operation, ...]) -> tf.Tensor:
    def jitter() -> tf.Tensor:
        out = image
        order = tf.random.shuffle(tf.range(4))
        for turn in range(4):
            choices = [lambda x=out, step=step: step(x) for step in steps]
            out = tf.clip_by_value(tf.switch_case(order[turn], choices), 0, 1)
        return out

    out = tf.cond(tf.random.uniform([]) < 0.8, jitter, lambda: image)
    gray = tf.tile(tf.image.rgb_to_grayscale(out), [1, 1, 3])
    return tf.cond(tf.random.uniform([]) < 0.2, lambda: gray, lambda: out)


def laws(image: tf.Tensor, draws: int, strength: float, additive: bool) -> dict[str, np.ndarray]:
    steps = operations(strength, additive)
    bright, contrast, saturation, hue = steps
    shown = repeat(lambda: contrast(GRAYS), draws)[:, 0, :, 0]
    turned = repeat(lambda: tf.image.rgb_to_hsv(hue(RED)), draws)[:, 0, 0, 0]
    light = repeat(lambda: bright(GRAYS), draws)[:, 0, 0, 0]
    return {
        "images": repeat(lambda: distort(image, steps), draws),
        "brightness": light - 0.4 if additive else light / 0.4,
        "contrast": (shown[:, 1] - shown[:, 0]) / 0.2,
        "saturation": (0.5 - repeat(lambda: saturation(RED), draws)[:, 0, 0, 1]) / 0.25,
        "hue": (turned + 0.5) % 1 - 0.5,
    }


given = dict(np.load(sys.argv[1]))
tf.random.set_seed(int(given["seed"]))
made = {}
number = 0
while f"strength_{number}" in given:
    drawn = laws(
        tf.constant(given["image"]),
        int(given["draws"]),
        float(given[f"strength_{number}"]),
        bool(given[f"additive_{number}"]),
    )
    made.update({f"{name}_{number}": values for name, values in drawn.items()})
    number += 1
np.savez(sys.argv[2], **made)
