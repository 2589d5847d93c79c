"""The color jitter follows the law that TensorFlow's operations give it."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from simclr_bench.data import color
from simclr_bench.data.color import color_distortion
from tests.tensorflow.interpreter import run_program

DRAWS = 6000
# Strength and brightness: ImageNet's, the notebooks', and the additive one of the first paper.
SETTINGS = [(1.0, "multiply"), (0.3, "multiply"), (1.0, "add")]
OPERATIONS = ("brightness", "contrast", "saturation", "hue")
SIDE = 3

# As in test_crops.py; per setting: all channels of all pixels, three numbers per image, 4 amounts.
COMPARISONS = len(SETTINGS) * (3 * SIDE * SIDE + 3 + len(OPERATIONS))
THRESHOLD = math.sqrt(math.log(2 * 1000 * COMPARISONS) / 2) / math.sqrt(DRAWS / 2)


@pytest.fixture(scope="module")
def image():
    # As a cubic kernel leaves one: some values are outside [0, 1].
    return torch.rand(3, SIDE, SIDE, generator=torch.Generator().manual_seed(1)) * 1.3 - 0.15


@pytest.fixture(scope="module")
def theirs(image, tmp_path_factory):
    inputs = {"image": image.permute(1, 2, 0).numpy(), "draws": np.array(DRAWS)}
    inputs["seed"] = np.array(0)
    for number, (strength, brightness) in enumerate(SETTINGS):
        inputs[f"strength_{number}"] = np.array(strength)
        inputs[f"additive_{number}"] = np.array(brightness == "add")
    return run_program("jitter", tmp_path_factory.mktemp("jitter"), inputs)


def distorted(image, strength, brightness):
    images = image.expand(DRAWS, 3, SIDE, SIDE)
    out = color_distortion(
        images, range(DRAWS), seed=0, epoch=0, strength=strength, brightness=brightness
    )
    return out.permute(0, 2, 3, 1).double().numpy()


def measures(images):
    """Every channel of every pixel, and what ties them together. [n, H, W, 3] -> [n, K]"""
    images = np.round(images.astype(np.float64), 5)  # two programs' rounding is not a difference
    saturation = np.ptp(images, axis=3).mean(axis=(1, 2))
    whole = (images.mean(axis=(1, 2, 3)), images.std(axis=(1, 2, 3)), saturation)
    return np.column_stack([images.reshape(len(images), -1), *np.round(whole, 4)])


def distances(first, second):
    pairs = zip(measures(first).T, measures(second).T, strict=True)
    return [stats.ks_2samp(*pair).statistic for pair in pairs]


@pytest.mark.parametrize("number", range(len(SETTINGS)))
def test_distorted_pixels_follow_tensorflows_law(image, theirs, number):
    found = distances(distorted(image, *SETTINGS[number]), theirs[f"images_{number}"])
    assert max(found) < THRESHOLD, found


def test_a_law_that_is_a_little_off_is_told_apart(image, theirs, monkeypatch):
    for setting in ((0.9, "multiply"), (1.0, "add")):
        assert max(distances(distorted(image, *setting), theirs["images_0"])) > THRESHOLD
    monkeypatch.setattr(color, "JITTER_PROBABILITY", 0.75)
    assert max(distances(distorted(image, *SETTINGS[0]), theirs["images_0"])) > THRESHOLD
    monkeypatch.setattr(color, "JITTER_PROBABILITY", 0.8)
    # In a fixed order: brightness, contrast, saturation, hue.
    monkeypatch.setattr(
        color.np, "argsort", lambda draws, axis: np.tile(np.arange(4), (len(draws), 1))
    )
    assert max(distances(distorted(image, *SETTINGS[0]), theirs["images_0"])) > THRESHOLD


@pytest.mark.parametrize("number", range(len(SETTINGS)))
def test_amounts_follow_tensorflows_law(image, theirs, number, monkeypatch):
    strength, brightness = SETTINGS[number]
    seen = {name: [] for name in OPERATIONS}
    functions = dict(zip(OPERATIONS, map("adjust_{}".format, OPERATIONS), strict=True))
    if brightness == "add":
        functions["brightness"] = "shift_brightness"
    for name, function in functions.items():

        def record(images, amount, name=name):
            seen[name].append(amount)
            return images

        monkeypatch.setattr(color, function, record)
    distorted(image, strength, brightness)
    for name in OPERATIONS:
        ours = torch.cat(seen[name]).double().numpy()
        assert abs(len(ours) / DRAWS - 0.8) < 4 * math.sqrt(0.16 / DRAWS)
        # Fewer of ours, of which a fifth is not jittered.
        scale = math.sqrt(DRAWS / 2) / math.sqrt(DRAWS * len(ours) / (DRAWS + len(ours)))
        found = stats.ks_2samp(ours, theirs[f"{name}_{number}"]).statistic
        assert found < THRESHOLD * scale, (name, found)


@pytest.mark.parametrize("number", range(len(SETTINGS)))
def test_as_many_images_are_gray_and_as_many_are_untouched(image, theirs, number):
    ours = distorted(image, *SETTINGS[number])
    original = image.permute(1, 2, 0).double().numpy()
    for drawn in (ours, theirs[f"images_{number}"].astype(np.float64)):
        gray = (np.ptp(drawn, axis=3) < 1e-6).all(axis=(1, 2))
        same = (np.abs(drawn - original) < 1e-6).all(axis=(1, 2, 3))
        assert abs(gray.mean() - 0.2) < 4 * math.sqrt(0.16 / DRAWS)
        assert abs(same.mean() - 0.16) < 4 * math.sqrt(0.16 * 0.84 / DRAWS)
