"""Table 4 as if run with the paper's data and weights: one cell of each verdict, invented."""

from typing import Any

from simclr_bench.experiments.planning.jobs import Plan
from simclr_bench.experiments.profiles import Profile
from simclr_bench.paper.official import ARCHIVES, Official
from simclr_bench.paper.spec import Probe
from simclr_bench.paper.tables import TABLES
from simclr_bench.results.store import Record
from tests.report import invented

# As published, correct of 64: one cell of each verdict at a margin of
# 0.27. Eight seeds each; those of dtd differ so much that nothing can be said.
MARGIN = 0.27
CORRECT = {
    "cats_vs_dogs": (64,) * 8,  # equivalent: 1.0 is printed
    "tf_flowers": (32,) * 8,  # different: 0.906 is
    "dtd": (10, 60) * 4,  # inconclusive
    "cifar_100": (28,) * 8,  # consistent: 0.25 is
    "food_101": (8,) * 8,  # equivalent: 0.125 is
}
WEIGHTS = "w" * 64
PROFILE = Profile("official", "OFFICIAL", "Invented, with the official hashes.")


def plan() -> Plan:
    """Table 4 at batch 64, as if with the paper's data and weights."""
    found = []
    for label in invented.CLASSES:
        probe = TABLES["4"].experiment(label)
        assert isinstance(probe, Probe)
        inputs = {"code": "c", "encoder": WEIGHTS, "data": ARCHIVES[label]}
        variant = {"batch_size": 64}
        settings = invented.head_settings(probe)
        found.append(
            invented.series(
                "table 4",
                label,
                variant,
                "head",
                label,
                settings,
                invented.SEEDS,
                "official",
                inputs,
            )
        )
    return Plan(profile="paper", targets=("table 4",), series=tuple(found))


def records_of(plan: Plan) -> dict[str, Record]:
    return {
        job.key: invented.record(job, correct / 64)
        for each in plan.series
        for job, correct in zip(each.jobs, CORRECT[each.label], strict=True)
    }


def document() -> dict[str, Any]:
    chosen = plan()
    return invented.document(
        chosen,
        records_of(chosen),
        PROFILE,
        margin=MARGIN,
        official=Official(checkpoints={"r50_1x_sk0": WEIGHTS}),
    )
