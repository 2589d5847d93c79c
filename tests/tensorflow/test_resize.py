"""Both bicubic kernels and the central crop give what TensorFlow gives."""

import numpy as np
import pytest
import torch

from simclr_bench.data import kernels
from simclr_bench.data.augment import center_view
from simclr_bench.data.resample import resample
from tests.tensorflow.interpreter import run_program

# Height, width, box, size: shrunk, enlarged, both at once, one pixel, whole, and at its own size.
CASES = [
    (375, 500, (31, 57, 301, 298), 224),
    (500, 333, (0, 0, 500, 333), 224),
    (97, 61, (5, 3, 90, 44), 57),
    (61, 97, (60, 0, 1, 97), 33),
    (61, 97, (0, 96, 61, 1), 33),
    (13, 17, (4, 6, 1, 1), 9),
    (13, 17, (4, 6, 2, 3), 31),
    (13, 17, (1, 2, 11, 13), 224),
    (33, 47, (0, 0, 33, 47), 32),
    (47, 33, (7, 1, 32, 32), 32),
    (3, 2, (0, 0, 3, 2), 7),
    (64, 64, (9, 11, 40, 51), 1),
    (64, 64, (9, 11, 40, 51), 2),
    (129, 131, (17, 23, 99, 101), 96),
]

# The same weights for the same pixels: what is left is the order of 16 products and the factor
# 1/255, half a unit in the last place of numbers below 2 each. An unrounded fraction between two
# pixels would be off by 1e-3, a wrong border by more.
ROUNDING = 8 * 2.0**-24


@pytest.fixture(scope="module")
def images():
    generator = torch.Generator().manual_seed(0)
    drawn = [
        torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=generator)
        for height, width, _, _ in CASES
    ]
    # Black and white leave [0, 1] furthest.
    drawn[0] = (drawn[0] > 127).to(torch.uint8) * 255
    return drawn


@pytest.fixture(scope="module")
def theirs(images, tmp_path_factory):
    inputs = {}
    for number, (image, (_, _, box, size)) in enumerate(zip(images, CASES, strict=True)):
        inputs[f"image_{number}"] = image.permute(1, 2, 0).numpy()
        inputs[f"box_{number}"] = np.array(box)
        inputs[f"size_{number}"] = np.array(size)
    return run_program("resize", tmp_path_factory.mktemp("resize"), inputs)


def errors(images, theirs, kernel):
    return [
        (resample([image], np.array([box]), size, kernel=kernel)[0].permute(1, 2, 0).numpy())
        - theirs[f"{kernel}_{number}"]
        for number, (image, (_, _, box, size)) in enumerate(zip(images, CASES, strict=True))
    ]


@pytest.mark.parametrize("kernel", ["legacy", "half_pixel"])
def test_crops_are_resized_as_tensorflow_does(images, theirs, kernel):
    assert theirs[f"{kernel}_0"].min() < -0.2 and theirs[f"{kernel}_0"].max() > 1.2
    for case, error in zip(CASES, errors(images, theirs, kernel), strict=True):
        assert np.abs(error).max() <= ROUNDING, case


@pytest.mark.parametrize("kernel", ["legacy", "half_pixel"])
def test_central_crops_are_resized_as_tensorflow_does(images, theirs, kernel):
    for number, (image, (_, _, _, size)) in enumerate(zip(images, CASES, strict=True)):
        ours = center_view([image], size=size, kernel=kernel)[0].permute(1, 2, 0).numpy()
        expected = theirs[f"center_{kernel}_{number}"].clip(0, 1)
        assert np.abs(ours - expected).max() <= ROUNDING, CASES[number]


@pytest.mark.parametrize("kernel", ["legacy", "half_pixel"])
def test_without_tensorflows_rounded_table_the_difference_would_be_seen(
    images, theirs, kernel, monkeypatch
):
    monkeypatch.setattr(kernels, "TABLE_SIZE", 2**30)
    unrounded = max(np.abs(error).max() for error in errors(images, theirs, kernel))
    assert 1e-4 < unrounded < 5e-3
