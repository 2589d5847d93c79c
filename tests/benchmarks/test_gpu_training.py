"""The loops whose images per second are measured on a GPU, in a small size on the CPU."""

import pytest

from benchmarks.gpu.training import BUILDERS, measure
from simclr_bench.networks.shapes import ResNetShape

SMALL = ResNetShape(depth=18)


@pytest.mark.parametrize("work", ["features", "step"])
def test_both_loops_run_and_give_a_rate_or_say_why_not(work: str) -> None:
    rates = {
        provider: measure(work, provider, 2, "cpu", shape=SMALL, side=32, rounds=1)
        for provider in BUILDERS
    }
    ours = rates["simclr_bench"]
    assert ours.why_not == "" and ours.images_per_s is not None and ours.images_per_s > 0
    assert (ours.batch, ours.side, ours.device, ours.peak_mb) == (2, 32, "cpu", None)
    theirs = rates["lightly"]
    assert (theirs.images_per_s is None) == (theirs.why_not == "not installed: lightly")
