"""Records of how many images a second a full-size network takes, and their table."""

import json
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.grid.cuda import TRAINING_BATCHES

FILE = "gpu_training.jsonl"
WORKS = ("features", "step")
PROVIDERS = ("simclr_bench", "lightly")
NOT_MEASURED = "not measured"


@dataclass(frozen=True, kw_only=True)
class Rate:
    """How fast one loop was.

    Attributes:
        work: One of `WORKS`.
        provider: One of `PROVIDERS`.
        package: The provider with its version; None where it is not installed.
        batch: Images of a call; a step has two views of each.
        side: Pixels.
        times_s: Of each call that was timed; empty where it did not run.
        why_not: Why it did not run, else "".
        peak_mb: Memory at most, MiB; None on a CPU.
        device: What it ran on.
        environment: Versions, hardware and commit.
    """

    work: str
    provider: str
    package: str | None
    batch: int
    side: int
    times_s: tuple[float, ...]
    why_not: str
    peak_mb: float | None
    device: str
    environment: dict[str, Any]

    @property
    def images_per_s(self) -> float | None:
        """Median over the calls."""
        return self.batch / statistics.median(self.times_s) if self.times_s else None


def read_rates(directory: Path) -> list[Rate]:
    """The records of a results directory; of equal cells the last counts."""
    path = directory / FILE
    lines = path.read_text().splitlines() if path.exists() else []
    rates = [
        Rate(**{**json.loads(line), "times_s": tuple(json.loads(line)["times_s"])})
        for line in lines
    ]
    return list({(rate.work, rate.batch, rate.provider): rate for rate in rates}.values())


def rows_of(rates: list[Rate]) -> list[list[str]]:
    """The table: a row for each cell of the plan, measured or not."""
    known = {(rate.work, rate.batch, rate.provider): rate for rate in rates}
    rows = [["work", "batch", "ours, images/s", "lightly, images/s", "ours / lightly", "n", "on"]]
    for work in WORKS:
        for batch in TRAINING_BATCHES:
            ours, theirs = (known.get((work, batch, provider)) for provider in PROVIDERS)
            ratio, n, device = "", "", ""
            if ours and ours.images_per_s:
                n, device = str(len(ours.times_s)), ours.device
                if theirs and theirs.images_per_s:
                    ratio = f"{ours.images_per_s / theirs.images_per_s:.2f}"
            rows.append([work, str(batch), _shown(ours), _shown(theirs), ratio, n, device])
    return rows


def _shown(rate: Rate | None) -> str:
    if rate is None:
        return NOT_MEASURED
    return f"{rate.images_per_s:.0f}" if rate.images_per_s else rate.why_not
