"""Crops follow the law of TensorFlow's own sampler: 20,000 draws of each."""

import math

import numpy as np
import pytest
from scipy import stats

from simclr_bench.data.crops import sample_crop_boxes
from tests.tensorflow.interpreter import run_program

DRAWS = 20_000
SIZES = [(240, 320), (320, 240), (32, 32), (375, 500), (17, 101), (224, 31)]
NARROW = (200, 3)
STATISTICS = ("area", "aspect", "height", "width", "top", "left")

# Of two samples of one law, D sqrt(n / 2) exceeds x with probability 2 exp(-2 x^2) (Kolmogorov and
# Smirnov; less for integers). At this x one of all comparisons does so once in a thousand seeds.
COMPARISONS = len(SIZES) * len(STATISTICS)
THRESHOLD = math.sqrt(math.log(2 * 1000 * COMPARISONS) / 2) / math.sqrt(DRAWS / 2)


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    inputs = {"sizes": np.array([*SIZES, NARROW]), "draws": np.array(DRAWS), "seed": np.array(0)}
    return run_program("crops", tmp_path_factory.mktemp("crops"), inputs)["boxes"]


def ours(height, width, **limits):
    sides = (np.full(DRAWS, side) for side in (height, width))
    return sample_crop_boxes(*sides, range(DRAWS), seed=0, epoch=0, **limits)


def distances(first, second):
    """Kolmogorov-Smirnov distance of each statistic."""

    def measure(boxes):
        top, left, height, width = boxes.T
        return height * width, width / height, height, width, top, left

    pairs = zip(STATISTICS, measure(first), measure(second), strict=True)
    return {name: stats.ks_2samp(one, other).statistic for name, one, other in pairs}


@pytest.mark.parametrize("case", range(len(SIZES)), ids=lambda case: "{}x{}".format(*SIZES[case]))
def test_crops_follow_tensorflows_law(theirs, case):
    found = distances(ours(*SIZES[case]), theirs[case])
    assert max(found.values()) < THRESHOLD, found


@pytest.mark.parametrize(
    ("limits", "statistic"),
    [
        ({"min_coverage": 0.08}, "area"),  # without the test for coverage
        ({"area_range": (0.12, 1.0)}, "area"),
        ({"area_range": (0.08, 0.8)}, "height"),
    ],
)
def test_a_law_that_is_a_little_off_is_told_apart(theirs, limits, statistic):
    assert distances(ours(*SIZES[0], **limits), theirs[0])[statistic] > THRESHOLD


def test_an_image_too_narrow_for_any_crop_is_not_cropped_in_either(theirs):
    for boxes in (theirs[len(SIZES)], ours(*NARROW)):
        assert (boxes == [0, 0, *NARROW]).all()
