"""Jobs, and the plan that says what each one is for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from simclr_bench.storage.files import sha256_of


@dataclass(frozen=True, kw_only=True)
class Job:
    """One result to obtain. Jobs with equal fields are one experiment, whichever table asks.

    Attributes:
        kind: "head" (the notebook's loop), "converged" (a probe trained to convergence) or
            "student" (dense layers on a frozen base).
        profile: Name of the profile: which data stand behind a data set's name.
        dataset: Name of the data set.
        classes: Number of its classes.
        settings: Every resolved hyper-parameter, the seed included.
        inputs: Hashes of code, data, encoder and base, as far as the job reads them.
        key: Hash of all of the above.
    """

    kind: str
    profile: str
    dataset: str
    classes: int
    settings: dict[str, Any]
    inputs: dict[str, str]
    key: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", sha256_of(self.as_dict())[:24])

    @property
    def seed(self) -> int:
        """The seed."""
        return int(self.settings["seed"])

    @property
    def title(self) -> str:
        """The job in words, for progress and errors."""
        settings = self.settings
        match self.kind:
            case "head":
                views = "+".join(settings["augment"]) or "no augmentation"
                what = f"{views}, batch {settings['batch_size']}"
            case "student":
                what = f"{settings['student']} from {settings['learns_from']}"
            case _:
                what = f"converged probe, {settings['weights']}"
        if settings.get("class_count"):
            what += f", {settings['class_count']} classes"
        return f"{self.dataset}, {what}, seed {self.seed}"

    def as_dict(self) -> dict[str, Any]:
        """The job as a record holds it."""
        return {
            "kind": self.kind,
            "profile": self.profile,
            "dataset": self.dataset,
            "classes": self.classes,
            "settings": self.settings,
            "inputs": self.inputs,
        }


@dataclass(frozen=True, kw_only=True)
class Series:
    """Jobs that differ in their seed alone.

    Attributes:
        section: What asks for them: "table 1", "table 2", "table 4", "encoder check",
            "class count", "batch size" or "transfer".
        label: Label of the row, as printed where the paper has it.
        variant: What tells series of one label apart.
        jobs: One per seed, ascending.
    """

    section: str
    label: str
    variant: dict[str, Any]
    jobs: tuple[Job, ...]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What was asked for.

    Attributes:
        profile: Name of the profile.
        targets: "table 1", "figure 6" and so on, or "transfer".
        series: In the order of the output.
    """

    profile: str
    targets: tuple[str, ...]
    series: tuple[Series, ...]

    @property
    def jobs(self) -> list[Job]:
        """Every job once, those that share images and features side by side."""
        unique = {job.key: job for series in self.series for job in series.jobs}
        datasets = list(dict.fromkeys(job.dataset for job in unique.values()))
        return sorted(
            unique.values(), key=lambda job: (datasets.index(job.dataset), *share_key(job))
        )

    def section(self, name: str) -> tuple[Series, ...]:
        """The series of one section."""
        return tuple(series for series in self.series if series.section == name)

    def as_dict(self) -> dict[str, Any]:
        """The plan as a run directory keeps it."""
        return {
            "profile": self.profile,
            "targets": list(self.targets),
            "series": [
                {
                    "section": series.section,
                    "label": series.label,
                    "variant": series.variant,
                    "jobs": [job.as_dict() for job in series.jobs],
                }
                for series in self.series
            ],
        }


def read_plan(content: Mapping[str, Any]) -> Plan:
    """The plan that `Plan.as_dict` wrote.

    Raises:
        KeyError, TypeError: It is none.
    """
    return Plan(
        profile=content["profile"],
        targets=tuple(content["targets"]),
        series=tuple(
            Series(
                section=series["section"],
                label=series["label"],
                variant=series["variant"],
                jobs=tuple(Job(**job) for job in series["jobs"]),
            )
            for series in content["series"]
        ),
    )


def share_key(job: Job) -> tuple[str, str, str]:
    """Jobs with equal keys compute the same features; as strings, so that keys have an order."""
    settings = job.settings
    match job.kind:
        case "head":
            return stream_key(job.dataset, settings)
        case "student":
            return job.dataset, "student", settings["student"]
        case _:
            return job.dataset, "converged", settings["weights"]


def stream_key(dataset: str, settings: Mapping[str, Any]) -> tuple[str, str, str]:
    """Heads with equal keys are trained on one stream of images.

    Args:
        dataset: The data set.
        settings: A head's, its seed included.
    """
    names = ("seed", "augment", "framing", "color_strength", "class_count", "single_pass")
    stream = {name: settings.get(name) for name in names}
    return dataset, "head", str([f"{stream.pop('seed'):010}", stream])
