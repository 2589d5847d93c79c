"""The loops whose images per second are measured on a GPU, in a small size on the CPU."""

from dataclasses import asdict
from pathlib import Path

import pytest

from benchmarks.gpu.rates import FILE, PROVIDERS, Rate, read_rates, rows_of
from benchmarks.gpu.training import BUILDERS, measure
from simclr_bench.networks.shapes import ResNetShape
from simclr_bench.storage.files import canonical_json

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
    assert ours.package is not None and len(ours.times_s) == 1 and ours.environment["commit"]


def rate(provider: str, batch: int, times_s: tuple[float, ...], why_not: str = "") -> Rate:
    return Rate(
        work="step",
        provider=provider,
        package=f"{provider} 1.0",
        batch=batch,
        side=224,
        times_s=times_s,
        why_not=why_not,
        peak_mb=1.0,
        device="A GPU",
        environment={"commit": "0123"},
    )


def test_the_table_has_every_cell_and_the_last_record_of_each(tmp_path: Path) -> None:
    records = [
        rate("simclr_bench", 512, (9.0, 9.0, 9.0)),
        rate("simclr_bench", 512, (0.25, 0.2, 10.0)),
        rate("lightly", 512, (0.5, 0.5, 0.5)),
        rate("simclr_bench", 2048, (), "out of memory"),
    ]
    lines = [canonical_json(asdict(each)) + "\n" for each in records]
    (tmp_path / FILE).write_text("".join(lines))
    assert read_rates(tmp_path) == records[1:]
    rows = {(row[0], row[1]): row[2:] for row in rows_of(read_rates(tmp_path))}
    assert rows["step", "512"] == ["2048", "1024", "2.00", "3", "A GPU"]
    assert rows["step", "2048"] == ["out of memory", "not measured", "", "", ""]
    assert rows["features", "256"] == ["not measured", "not measured", "", "", ""]
    assert len(rows) == 1 + 2 * 4 and tuple(BUILDERS) == PROVIDERS
