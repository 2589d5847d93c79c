"""Records invented for tests: no training, numbers chosen by hand."""

from collections.abc import Mapping
from typing import Any

from simclr_bench.experiments.jobs import Job, Plan
from simclr_bench.experiments.plan import plan_table
from simclr_bench.experiments.profiles import EMBEDDED
from simclr_bench.paper.tables import TABLE_4
from simclr_bench.report.document import build_document
from simclr_bench.results.store import Record

CLASSES = {"cats_vs_dogs": 2, "tf_flowers": 5, "dtd": 47, "cifar_100": 100, "food_101": 101}

ENVIRONMENT = {
    "simclr_bench": "0.1.0",
    "python": "3.11.7",
    "packages": {"torch": "2.11.0", "torchvision": "0.26.0", "numpy": "2.4.6", "scipy": "1.17.1"},
    "platform": "Linux",
    "cpu": "An Invented CPU",
    "cpu_capability": "AVX2",
    "cores": 2,
    "gpu": None,
    "commit": "0123456789abcdef0123456789abcdef01234567",
    "dirty": False,
    "extension": None,
}

# Correct images of the last batch of 64, and correct held-out images of 1000, for two seeds.
CORRECT = {
    "cats_vs_dogs": ((64, 60), (900, 880)),
    "tf_flowers": ((48, 52), (700, 720)),
    "dtd": ((10, 12), (180, 190)),
    "cifar_100": ((4, 6), (80, 90)),
    "food_101": ((6, 6), (70, 80)),
}


def plan(seeds: range = range(2)) -> Plan:
    inputs = {"code": "c", "encoder": "e"}
    return plan_table(TABLE_4, CLASSES, inputs, labels=list(TABLE_4.rows), seeds=seeds)


def record(job: Job, environment: Mapping[str, Any] = ENVIRONMENT) -> Record:
    outcome: dict[str, Any] = {
        "data": {"train_images": 2000, "heldout_images": 1000, "split": "invented", "skipped": []}
    }
    if job.kind == "head":
        seed, batch_size = job.settings["seed"], job.settings["batch_size"]
        published, heldout = (values[seed] for values in CORRECT[job.dataset])
        published = published * batch_size // 64
        outcome |= {
            "as_published": {
                "value": published / batch_size,
                "correct": published,
                "n": batch_size,
            },
            "heldout": {"value": heldout / 1000, "correct": heldout, "n": 1000},
            "batches": {"correct": [0] * 30, "n": [batch_size] * 30, "loss": [1.0] * 30},
        }
    else:
        outcome |= {"n": 1000, "pretrained": [0.5, 0.6], "untrained": [0.2, 0.3]}
    return Record(
        key=job.key,
        job=job.as_dict(),
        outcome=outcome,
        environment=dict(environment),
        started="2026-01-01T00:00:00+00:00",
        seconds=1.0,
    )


def document() -> dict[str, Any]:
    chosen = plan()
    records = {job.key: record(job) for job in chosen.jobs}
    return build_document(chosen, records, EMBEDDED, TABLE_4, "runs/invented")
