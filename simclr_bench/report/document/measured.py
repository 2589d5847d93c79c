"""What a series of jobs measured: accuracies per seed, and how the document writes them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from simclr_bench.experiments.planning.jobs import Job, Series
from simclr_bench.results.store import Record
from simclr_bench.verdicts.cells import Ours
from simclr_bench.verdicts.intervals import mean_interval

JSON = dict[str, Any]

# Fewer seeds have no interval.
FEWEST_SEEDS = 2

# Each seed has a batch of its own. All other measures score the same images every time, or, all
# batches together, most of one training set: their choice is an error that seeds share.
OWN_IMAGES = ("as_published",)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A series, and the records of its jobs, by ascending seed.

    Attributes:
        section, label, variant: Those of the series.
        jobs: Those of its jobs that have a record.
        records: Their records.
        stale: Why these are no results of today's code, data, encoder or settings; None if they
            are. Stale ones are shown, and nothing is concluded from them.
    """

    section: str
    label: str
    variant: Mapping[str, Any]
    jobs: tuple[Job, ...]
    records: tuple[Record, ...]
    stale: str | None = None

    @property
    def name(self) -> str:
        """Label and variant, for notes."""
        return ", ".join([self.label, *(str(value) for value in self.variant.values())])

    @property
    def dataset(self) -> str:
        """Name of the data set."""
        return self.jobs[0].dataset

    @property
    def classes(self) -> int:
        """Classes that were told apart."""
        return self.settings.get("class_count") or self.jobs[0].classes

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds, ascending."""
        return tuple(job.settings["seed"] for job in self.jobs)

    @property
    def settings(self) -> JSON:
        """Every hyper-parameter but the seed."""
        return {name: value for name, value in self.jobs[0].settings.items() if name != "seed"}

    @property
    def keys(self) -> list[str]:
        """Names of the records."""
        return [record.key for record in self.records]

    @property
    def done(self) -> tuple[Record, ...]:
        """Records of the seeds that neither failed nor diverged."""
        return tuple(record for record in self.records if record.status == "done")

    @property
    def failed(self) -> list[JSON]:
        """The seeds that did, and why."""
        return [
            {"seed": seed, "status": record.status, "reason": record.reason}
            for seed, record in zip(self.seeds, self.records, strict=True)
            if record.status != "done"
        ]

    def ours(self, measure: str) -> Ours:
        """The accuracies by one measure; failed seeds count as 0."""
        found = [
            record.metrics[measure] if record.status == "done" else None for record in self.records
        ]
        sizes = [fraction["n"] for fraction in found if fraction]
        if measure == "progressive":  # a second pass brings no other images
            sizes += [record.details["data"]["train_images"] for record in self.done]
        return Ours(
            seeds=self.seeds,
            accuracies=tuple(fraction["value"] if fraction else None for fraction in found),
            n=min(sizes, default=1),
            shared=measure not in OWN_IMAGES,
        )

    def metric(self, measure: str) -> JSON:
        """One measure, as the document writes it."""
        return accuracy(self.ours(measure), counted=bool(self.done))

    def only(self, seeds: Sequence[int]) -> "Measured":
        """The same, for some of the seeds."""
        kept = [i for i, seed in enumerate(self.seeds) if seed in seeds]
        return replace(
            self,
            jobs=tuple(self.jobs[i] for i in kept),
            records=tuple(self.records[i] for i in kept),
        )


def measured_series(
    series: Sequence[Series], records: Mapping[str, Record], stale: Sequence[JSON] = ()
) -> list[Measured]:
    """The series that have records for two seeds or more.

    Args:
        series: Those of the plan.
        records: By key of the job.
        stale: Section, label, variant and reason of the series whose records are stale.
    """
    found = []
    for each in series:
        jobs = sorted(
            (job for job in each.jobs if job.key in records), key=lambda job: job.settings["seed"]
        )
        if len(jobs) >= FEWEST_SEEDS:
            found.append(
                Measured(
                    section=each.section,
                    label=each.label,
                    variant=each.variant,
                    jobs=tuple(jobs),
                    records=tuple(records[job.key] for job in jobs),
                    stale=next(
                        (
                            str(old["reason"])
                            for old in stale
                            if (old["section"], old["label"], old["variant"])
                            == (each.section, each.label, each.variant)
                        ),
                        None,
                    ),
                )
            )
    return found


def current(series: Iterable[Measured]) -> list[Measured]:
    """Those that are not stale."""
    return [each for each in series if each.stale is None]


def left_out(series: Iterable[Measured]) -> str:
    """A note that names the stale ones; empty if there are none."""
    names = [each.name for each in series if each.stale is not None]
    return f"Left out, being stale: {'; '.join(names)}." if names else ""


def common_seeds(series: Sequence[Measured]) -> list[int]:
    """The seeds that all of them have."""
    return sorted(set.intersection(*(set(each.seeds) for each in series)))


def accuracy(ours: Ours, *, counted: bool = True) -> JSON:
    """Accuracies over seeds; the interval covers seeds and examples.

    Args:
        ours: The accuracies.
        counted: Whether any seed counted examples, so that n is known.
    """
    return {
        "mean": ours.mean,
        "interval": list(ours.interval),
        "n_seeds": len(ours.seeds),
        "n": ours.n if counted else None,
        "per_seed": list(ours.accuracies),
        "shared": ours.shared,
    }


def difference(first: Ours, second: Ours) -> JSON:
    """First minus second, seed by seed; the interval covers seeds alone (Student's t).

    A seed that failed in either has no difference to show; in the mean its accuracy counts as 0.
    """
    values = [a - b for a, b in zip(first.values, second.values, strict=True)]
    pairs = zip(first.accuracies, second.accuracies, strict=True)
    mean = mean_interval(values)
    return {
        "mean": mean.mean,
        "interval": list(mean.interval),
        "n_seeds": len(values),
        "n": None,
        "per_seed": [None if a is None or b is None else a - b for a, b in pairs],
        "shared": first.shared and second.shared,
    }


def chance_normalised(metric: JSON, classes: int) -> JSON:
    """An accuracy on a scale where chance is 0 and all right is 1."""
    chance = 1 / classes

    def scaled(value: float | None) -> float | None:
        return None if value is None else (value - chance) / (1 - chance)

    return {
        **metric,
        "mean": scaled(metric["mean"]),
        "interval": [scaled(end) for end in metric["interval"]],
        "per_seed": [scaled(value) for value in metric["per_seed"]],
    }
