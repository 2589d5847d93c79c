"""Jobs, and the plan that says which cell of a table each one belongs to."""

from dataclasses import dataclass, field
from typing import Any

from simclr_bench.results.files import sha256_of


@dataclass(frozen=True, kw_only=True)
class Job:
    """One result to obtain. Jobs with equal fields are one experiment, whichever table asks.

    Attributes:
        kind: "head" (the notebook's loop) or "encoder_check" (converged probes).
        profile: Name of the profile: which data stand behind a data set's name.
        dataset: Name of the data set.
        classes: Number of its classes.
        settings: Every resolved hyper-parameter, the seed included.
        inputs: Hashes of code, data and encoder.
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
    def title(self) -> str:
        """The job in words, for progress and errors."""
        if self.kind == "encoder_check":
            return f"encoder check on {self.dataset}"
        return f"{self.dataset}, batch {self.settings['batch_size']}, seed {self.settings['seed']}"

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
class PlannedRow:
    """A row of a table at one batch size: one job per seed."""

    label: str
    dataset: str
    classes: int
    batch_size: int
    jobs: tuple[Job, ...]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a table asks for.

    Attributes:
        table: Identifier of the table, or "transfer".
        rows: Rows in the order of the output.
        checks: The encoder's converged probes, one per data set.
    """

    table: str
    rows: tuple[PlannedRow, ...]
    checks: tuple[Job, ...] = ()

    @property
    def jobs(self) -> list[Job]:
        """Every job once, those that share images and features side by side."""
        heads = [job for row in self.rows for job in row.jobs]
        datasets = list(dict.fromkeys(row.dataset for row in self.rows))
        return sorted(
            [*self.checks, *heads],
            key=lambda job: (
                datasets.index(job.dataset),
                job.kind == "head",
                job.settings.get("seed", 0),
            ),
        )
