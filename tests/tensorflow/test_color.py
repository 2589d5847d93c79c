"""Each color operation gives what tf.image gives, inside [0, 1] and out of it."""

import numpy as np
import pytest
import torch

from simclr_bench.data.color import (
    adjust_brightness,
    adjust_contrast,
    adjust_hue,
    adjust_saturation,
    grayscale,
    shift_brightness,
)
from tests.tensorflow.interpreter import run_program

COUNT = 12
AMOUNTS = {
    "brightness": np.linspace(0, 1.8, COUNT),
    "shifted": np.linspace(-0.8, 0.8, COUNT),
    "contrast": np.linspace(0.2, 1.8, COUNT),
    "saturation": np.linspace(0.0, 1.8, COUNT),
    "hue": np.linspace(-0.2, 0.2, COUNT),
}
OURS = {
    "brightness": adjust_brightness,
    "shifted": shift_brightness,
    "contrast": adjust_contrast,
    "saturation": adjust_saturation,
    "hue": adjust_hue,
}


@pytest.fixture(scope="module")
def images():
    # A cubic kernel leaves [0, 1] by a third: half of the images do here.
    drawn = torch.rand(COUNT, 3, 9, 11, generator=torch.Generator().manual_seed(0))
    drawn[::2] = drawn[::2] * 1.6 - 0.3
    special = [[0, 0, 0], [1, 1, 1], [0.3, 0.3, 0.3], [-0.2, -0.1, -0.3], [-0.1, 0, -0.2]]
    special += [[0.7, 0.7, 0.1], [0.1, 0.7, 0.7], [0.7, 0.1, 0.7], [1.2, -0.2, 0.5], [0, 0, 0.5]]
    drawn[:, :, 0, : len(special)] = torch.tensor(special).T
    return drawn


@pytest.fixture(scope="module")
def theirs(images, tmp_path_factory):
    inputs = {name: amounts.astype(np.float32) for name, amounts in AMOUNTS.items()}
    inputs["images"] = images.permute(0, 2, 3, 1).numpy()
    made = run_program("color", tmp_path_factory.mktemp("color"), inputs)
    return {name: torch.from_numpy(result).permute(0, 3, 1, 2) for name, result in made.items()}


@pytest.mark.parametrize("name", AMOUNTS)
def test_operations_are_tensorflows(images, theirs, name):
    ours = OURS[name](images, torch.from_numpy(AMOUNTS[name]).float())
    assert not torch.allclose(ours, images, atol=0.1)
    torch.testing.assert_close(ours, theirs[name], rtol=0, atol=2e-6)


def test_grayscale_is_tensorflows(images, theirs):
    torch.testing.assert_close(grayscale(images), theirs["grayscale"], rtol=0, atol=1e-6)
