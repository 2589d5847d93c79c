"""The suites of what surrounds a loss."""

import pytest

from benchmarks.grid.images import CUDA_RACES, RACES, augment, views_of
from benchmarks.grid.suites import Suite
from benchmarks.providers.everyone import PROVIDERS


def test_strength_and_blur_are_those_of_the_paper() -> None:
    small, large = views_of(augment(6, 48, 32)), views_of(augment(2, 256, 224))
    assert small.jitter == (0.4, 0.4, 0.4, 0.1) and not small.blur
    assert large.jitter == (0.8, 0.8, 0.8, 0.2) and large.blur
    assert small.smallest == large.smallest == 0.08


@pytest.mark.parametrize("suite", [*RACES, *CUDA_RACES], ids=lambda s: f"{s.name}-{s.work}")
def test_every_suite_names_providers_of_its_work_and_cells_once(suite: Suite) -> None:
    assert len(set(suite.cells)) == len(suite.cells)
    for name in suite.providers:
        assert suite.work in PROVIDERS[name].builders
