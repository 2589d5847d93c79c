"""A whole run invented for tests: a plan for every section, and records with numbers by hand."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any

from simclr_bench.experiments.planning.jobs import Job, Plan, Series
from simclr_bench.experiments.profiles import EMBEDDED, Profile
from simclr_bench.paper.spec import Distillation, Probe
from simclr_bench.paper.tables import TABLES
from simclr_bench.report.document import build_document
from simclr_bench.results.store import Record

CLASSES = {"cats_vs_dogs": 2, "tf_flowers": 5, "dtd": 47, "cifar_100": 100, "food_101": 101}
SEEDS = range(8)
HELDOUT = 1000
TRAIN = 2000
COUNTS = (2, 10, 100)

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

# Held-out accuracies. Seeds lie around them by NOISE.
BY_DATASET = {
    "cats_vs_dogs": 0.95,
    "tf_flowers": 0.80,
    "dtd": 0.40,
    "cifar_100": 0.20,
    "food_101": 0.12,
}
BY_AUGMENT = {
    (): 0.70,
    ("crop",): 0.75,
    ("flip",): 0.75,
    ("color",): 0.75,
    ("crop", "color"): 0.79,
    ("crop", "flip"): 0.80,
    ("flip", "color"): 0.78,
    ("crop", "flip", "color"): 0.85,
}
BY_STUDENT = {"vgg16": 0.60, "resnet50": 0.70}
FALL_BY_REGIME = {"fixed total": 0.004, "fixed per class": 0.002, "converged": 0.001}
# Batch 64 over 32: at equal iterations more for more classes.
GAINS = {
    "equal iterations": (0.00, 0.01, 0.02, 0.03, 0.04),
    "equal examples": (0.0,) * 5,
    "equal passes": (-0.01,) * 5,
}
NOISE = (0.000, 0.004, -0.003, 0.002, -0.004, 0.001, 0.003, -0.002)

Inputs = dict[str, str]
INPUTS = {"code": "c", "encoder": "e"}


def head_settings(probe: Probe, **changes: Any) -> dict[str, Any]:
    return {
        "augment": list(probe.augment),
        "framing": probe.framing,
        "color_strength": probe.color_strength,
        "batch_size": probe.batch_size,
        "iterations": probe.iterations,
        "learning_rate": probe.learning_rate,
        "momentum": probe.momentum,
        "weight_decay": probe.weight_decay,
        "head_initialization": "glorot_uniform",
        "single_pass": False,
        "class_count": probe.class_count,
        "threads": 1,
    } | changes


def student_settings(experiment: Distillation) -> dict[str, Any]:
    resolved = asdict(experiment)
    for name in ("dataset", "teacher"):  # of the job, and a head's settings
        resolved.pop(name)
    teacher = TABLES["1"].experiment("Flipping + Cropping")
    assert isinstance(teacher, Probe)
    return {
        **resolved,
        "augment": list(experiment.augment),
        "widths": list(experiment.widths),
        "teacher": head_settings(teacher),
        "threads": 1,
    }


def converged_settings(weights: str, class_count: int | None = None) -> dict[str, Any]:
    return {
        "weights": weights,
        "penalty": 0.01,
        "fraction": 0.8,
        "class_count": class_count,
        "threads": 1,
    }


def series(
    section: str,
    label: str,
    variant: dict[str, Any],
    kind: str,
    dataset: str,
    settings: dict[str, Any],
    seeds: Sequence[int] = SEEDS,
    profile: str = "embedded",
    inputs: Inputs = INPUTS,
) -> Series:
    extra = {"base": "b"} if kind == "student" else {}
    jobs = tuple(
        Job(
            kind=kind,
            profile=profile,
            dataset=dataset,
            classes=CLASSES.get(dataset, 10),
            settings={**settings, "seed": seed},
            inputs=inputs | extra,
        )
        for seed in seeds
    )
    return Series(section=section, label=label, variant=variant, jobs=jobs)


def table_series(number: str, seeds: Sequence[int] = SEEDS) -> list[Series]:
    table = TABLES[number]
    found = []
    for size in table.batch_sizes or (64,):
        for label in (*table.rows, *table.added_rows):
            experiment = table.experiment(label)
            if isinstance(experiment, Probe):
                settings = head_settings(experiment, batch_size=size)
                variant = {"batch_size": size} if table.batch_sizes else {}
                found.append(
                    series(
                        f"table {number}",
                        label,
                        variant,
                        "head",
                        experiment.dataset,
                        settings,
                        seeds,
                    )
                )
                continue
            for teacher in ("teacher", "labels"):
                settings = student_settings(replace(experiment, learns_from=teacher))
                variant = {"learns_from": teacher}
                found.append(
                    series("table 2", label, variant, "student", "tf_flowers", settings, seeds)
                )
    return found


def control_series() -> list[Series]:
    found = []
    probe = TABLES["4"].experiment("cifar_100")
    assert isinstance(probe, Probe)
    for regime in FALL_BY_REGIME:
        for count in COUNTS:
            variant = {"regime": regime, "class_count": count}
            kind, settings = "head", head_settings(probe, class_count=count)
            if regime == "fixed per class":
                settings["iterations"] = count
            elif regime == "converged":
                kind, settings = "converged", converged_settings("pretrained", count)
            found.append(
                series("class count", f"{count} classes", variant, kind, "cifar_100", settings)
            )
    iterations = {
        "equal iterations": (30, 30),
        "equal examples": (30, 60),
        "equal passes": (31, 62),
    }
    for regime, numbers in iterations.items():
        for label in CLASSES:
            for size, number in zip((64, 32), numbers, strict=True):
                probe = TABLES["4"].experiment(label)
                assert isinstance(probe, Probe)
                settings = head_settings(probe, batch_size=size, iterations=number)
                variant = {"regime": regime, "batch_size": size}
                found.append(series("batch size", label, variant, "head", label, settings))
    for label in CLASSES:
        for weights in ("pretrained", "untrained"):
            settings = converged_settings(weights)
            variant = {"weights": weights}
            found.append(series("encoder check", label, variant, "converged", label, settings))
    return found


def plan(numbers: Sequence[str] = ("1", "2", "4"), *, controls: bool = True) -> Plan:
    found = [each for number in numbers for each in table_series(number)]
    if controls:
        found += control_series()
    return Plan(
        profile="embedded",
        targets=tuple(f"table {number}" for number in numbers),
        series=tuple(found),
    )


def transfer_plan(label: str = "my birds") -> Plan:
    choices = {
        "heldout_fraction": 0.2,
        "split_seed": 0,
        "skip_corrupt": True,
        "shorter_side": 64,
    }
    probe = TABLES["4"].experiment("dtd")
    assert isinstance(probe, Probe)
    inputs = {"code": "c", "encoder": "e", "data": "d"}
    found = [
        series(
            "transfer",
            label,
            {"batch_size": size},
            "head",
            label,
            head_settings(probe, batch_size=size, **choices),
            SEEDS,
            "folder",
            inputs,
        )
        for size in (64, 32)
    ]
    return Plan(profile="folder", targets=("transfer",), series=tuple(found))


def fraction(value: float, n: int) -> dict[str, Any]:
    correct = min(max(round(value * n), 0), n)
    return {"value": correct / n, "correct": correct, "n": n}


def mean_of(each: Series) -> float:
    """The held-out accuracy of a series, before a seed's noise."""
    settings, variant = each.jobs[0].settings, each.variant
    if each.section == "table 1":
        return BY_AUGMENT[tuple(settings["augment"])]
    if each.section == "table 2":
        return BY_STUDENT[settings["student"]] - 0.03 * (settings["learns_from"] == "labels")
    if each.section == "class count":
        return 0.9 - FALL_BY_REGIME[variant["regime"]] * variant["class_count"]
    if each.section == "encoder check":
        return 0.6 if settings["weights"] == "pretrained" else 0.3
    base = BY_DATASET.get(each.label, 0.5)
    if each.section == "batch size" and variant["batch_size"] == 32:
        return base - GAINS[variant["regime"]][list(CLASSES).index(each.label)]
    return base


def metrics(kind: str, settings: dict[str, Any], value: float) -> dict[str, Any]:
    if kind == "converged":
        return {"heldout": fraction(value, HELDOUT)}
    if kind == "head":
        size, iterations = settings["batch_size"], settings["iterations"]
        batch = fraction(value, size)  # too coarse for most noise
        return {
            "as_published": batch,
            "progressive": fraction(value - 0.05, size * iterations),
            "train_pass": fraction(value + 0.02, TRAIN),
            "heldout": fraction(value, HELDOUT),
            "batches": {"correct": [batch["correct"]] * iterations, "n": [size] * iterations},
        }
    found: dict[str, Any] = {"teacher_label": fraction(0.8, HELDOUT)}
    for name, shift in (("label", 0.0), ("agreement", 0.05)):
        for epoch, more in (("last", 0.0), ("best", 0.02), ("selected", 0.005)):
            found[f"{name}_{epoch}"] = fraction(value + shift + more, HELDOUT)
    curve = {
        "agreement": [500, found["agreement_last"]["correct"]],
        "label": [400, found["label_last"]["correct"]],
        "n": HELDOUT,
    }
    return found | {"curves": curve, "best_epoch": {"agreement": 1, "label": 2}}


def record(job: Job, value: float) -> Record:
    details: dict[str, Any] = {
        "data": {
            "train_images": TRAIN,
            "heldout_images": HELDOUT,
            "split": "invented",
            "skipped": [],
        }
    }
    if job.kind == "student":
        base = {"vgg16": 500, "resnet50": 90}[job.settings["student"]]
        counts = {"student_trainable": 10, "student_base": base, "teacher": 100}
        details |= {"parameters": counts, "loss": [1.0, 0.5]}
    return Record(
        key=job.key,
        job=job.as_dict(),
        status="done",
        reason="",
        metrics=metrics(job.kind, job.settings, value),
        details=details,
        predictions={"file": f"{job.key}.npz", "sha256": "0" * 64},
        environment=dict(ENVIRONMENT),
        started="2026-01-01T00:00:00+00:00",
        seconds=1.0,
    )


def records_of(plan: Plan, mean: Callable[[Series], float] = mean_of) -> dict[str, Record]:
    return {
        job.key: record(job, mean(each) + NOISE[job.settings["seed"] % len(NOISE)])
        for each in plan.series
        for job in each.jobs
    }


def failed(record: Record, status: str = "diverged", reason: str = "loss is nan") -> Record:
    return replace(record, status=status, reason=reason, metrics={}, details={}, predictions=None)


def document(
    plan: Plan | None = None,
    records: dict[str, Record] | None = None,
    profile: Profile = EMBEDDED,
    **options: Any,
) -> dict[str, Any]:
    chosen = plan or globals()["plan"]()
    found = records if records is not None else records_of(chosen)
    return build_document(chosen, found, profile, "runs/invented", **options)
