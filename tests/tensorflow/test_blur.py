"""The blur gives what the official formula gives under tf.nn.depthwise_conv2d."""

import numpy as np
import pytest
import torch

from simclr_bench.data.blur import gaussian_blur
from tests.tensorflow.interpreter import run_program

# Side and sigma: both ends of the range and its middle; 23, 9, 7, 3 taps, and at 19 pixels none
# but the pixel itself.
CASES = [(224, 0.1), (224, 1.1), (224, 2.0), (96, 0.7), (65, 2.0), (32, 2.0), (20, 1.0), (19, 1.0)]


@pytest.fixture(scope="module")
def images():
    generator = torch.Generator().manual_seed(0)
    return [torch.rand(2, 3, side, side, generator=generator) for side, _ in CASES]


@pytest.fixture(scope="module")
def theirs(images, tmp_path_factory):
    inputs = {}
    for number, (batch, (_, sigma)) in enumerate(zip(images, CASES, strict=True)):
        inputs[f"images_{number}"] = batch.permute(0, 2, 3, 1).numpy()
        inputs[f"sigma_{number}"] = np.array(sigma)
    return run_program("blur", tmp_path_factory.mktemp("blur"), inputs)


@pytest.mark.parametrize("number", range(len(CASES)))
def test_blur_is_tensorflows(images, theirs, number):
    ours = gaussian_blur(images[number], CASES[number][1])
    expected = torch.from_numpy(theirs[f"blurred_{number}"]).permute(0, 3, 1, 2)
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-6)
