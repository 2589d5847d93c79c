"""The suites of what surrounds a loss: augmentation, features, whole training steps."""

from benchmarks.grid.suites import Suite

RACES: tuple[Suite, ...] = ()
CUDA_RACES: tuple[Suite, ...] = ()
