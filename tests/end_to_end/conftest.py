"""The command with networks that outlive the session, trained by whoever is first."""

import fcntl
import subprocess
import sys

import pytest

from tests.command import Command

# The real ones: what is tested here is what a user gets.
TRAIN = """
from simclr_bench.experiments.materials.bases import EmbeddedBase
from simclr_bench.experiments.materials.encoders import EmbeddedEncoder
from simclr_bench.training.base_recipe import BASE_RECIPES

EmbeddedEncoder().obtain()
for name in BASE_RECIPES:
    EmbeddedBase(name).obtain()
"""


@pytest.fixture(scope="session")
def keeping(request: pytest.FixtureRequest) -> Command:
    """The command, with trained networks in pytest's cache directory, which the next run finds."""
    cache = request.config.cache
    assert cache is not None
    kept = Command(cache.mkdir("simclr_bench_encoders"))
    with (kept.cache / "lock").open("w") as lock:
        # Files run in several processes: the first trains, the others wait and find.
        fcntl.flock(lock, fcntl.LOCK_EX)
        subprocess.run([sys.executable, "-c", TRAIN], env=kept.environment(), check=True)
    return kept
