"""From an experiment of the paper to jobs: every hyper-parameter that a record will hold."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from simclr_bench.experiments.planning.jobs import Job
from simclr_bench.paper.spec import Distillation, Probe

# Sums are split by thread, so their number is part of the result; one, so that jobs run side by
# side without sharing cores.
THREADS = 1


@dataclass(frozen=True, kw_only=True)
class SetSize:
    """What a plan knows of a data set: classes, and training images where they are counted."""

    classes: int
    train_images: int | None


@dataclass(frozen=True, kw_only=True)
class Sources:
    """What a plan knows of that which a profile's jobs are made from.

    Attributes:
        profile: Name of the profile.
        sets: Size of each data set.
        inputs: Hashes of what a job reads, by its kind, its data set, and a student's base or "".
        settings: What the profile adds to the settings of a job, by the same: all that changes
            results and no table has a word for.
    """

    profile: str
    sets: Mapping[str, SetSize]
    inputs: Callable[[str, str, str], Mapping[str, str]]
    settings: Callable[[str, str, str], Mapping[str, Any]] = lambda kind, dataset, student: {}


def head_jobs(
    sources: Sources,
    probe: Probe,
    seeds: Sequence[int],
    *,
    single_pass: bool = False,
    choices: Mapping[str, Any] | None = None,
) -> tuple[Job, ...]:
    """A linear head on the frozen encoder, once per seed.

    Args:
        sources: What the jobs are made from.
        probe: The experiment.
        seeds: A job each.
        single_pass: End after one pass over the images, short last batch included.
        choices: How a folder is read and split.
    """
    settings = head_settings(probe, single_pass=single_pass) | dict(choices or {})
    return _jobs("head", sources, probe.dataset, settings, seeds)


def converged_jobs(
    sources: Sources,
    dataset: str,
    seeds: Sequence[int],
    *,
    weights: str = "pretrained",
    class_count: int | None = None,
) -> tuple[Job, ...]:
    """A probe trained to convergence, once per seed.

    Args:
        sources: What the jobs are made from.
        dataset: The data set.
        seeds: A job each.
        weights: "pretrained", or "untrained" for the control.
        class_count: Classes drawn from the data set; None for all.
    """
    settings = {
        "weights": weights,
        "class_count": class_count,
        "penalty": 0.01,
        "fraction": 0.8,
        "threads": THREADS,
    }
    return _jobs("converged", sources, dataset, settings, seeds)


def student_jobs(
    sources: Sources,
    student: Distillation,
    teacher: Probe,
    seeds: Sequence[int],
) -> tuple[Job, ...]:
    """Dense layers on a frozen base, learning from a fine-tuned teacher, once per seed.

    Args:
        sources: What the jobs are made from.
        student: The experiment; its teacher is the encoder with the head of `teacher`.
        teacher: How the teacher's head is fine-tuned, by the same seed.
        seeds: A job each.
    """
    settings = _lists(asdict(student))
    for name in ("dataset", "teacher"):
        del settings[name]
    settings |= {"teacher": head_settings(teacher), "threads": THREADS}
    return _jobs("student", sources, student.dataset, settings, seeds, student.student)


def head_settings(probe: Probe, *, single_pass: bool = False) -> dict[str, Any]:
    """A head's settings, without seed."""
    settings = _lists(asdict(probe))
    del settings["dataset"]
    return settings | {
        "head_initialization": "glorot_uniform",
        "single_pass": single_pass,
        "threads": THREADS,
    }


def _jobs(
    kind: str,
    sources: Sources,
    dataset: str,
    settings: Mapping[str, Any],
    seeds: Sequence[int],
    student: str = "",
) -> tuple[Job, ...]:
    classes = sources.sets[dataset].classes
    count = settings.get("class_count")
    # All classes are all classes, however that was said: one experiment, one key.
    resolved = dict(settings) | ({"class_count": None} if count == classes else {})
    inputs = sources.inputs(kind, dataset, student)
    resolved |= sources.settings(kind, dataset, student)
    return tuple(
        Job(
            kind=kind,
            profile=sources.profile,
            dataset=dataset,
            classes=classes,
            settings={**resolved, "seed": seed},
            inputs=dict(inputs),
        )
        for seed in seeds
    )


def _lists(settings: dict[str, Any]) -> dict[str, Any]:
    """As JSON has it: a record read back must equal the job that asked for it."""
    return {k: list(v) if isinstance(v, tuple) else v for k, v in settings.items()}
