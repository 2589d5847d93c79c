"""Printed lines that are one experiment: found by comparing what the lines mean."""

from collections.abc import Iterable
from dataclasses import dataclass

from .spec import Experiment, Table
from .tables import TABLES


@dataclass(frozen=True, kw_only=True)
class Run:
    """A printed line of results."""

    table: str
    label: str
    printed: str


@dataclass(frozen=True, kw_only=True)
class EqualRuns:
    """Lines that are one experiment, as resolved with the choices that the tables state."""

    runs: tuple[Run, ...]
    experiment: Experiment

    @property
    def note(self) -> str:
        """What follows, in a sentence."""
        lines = " and ".join(f"table {run.table}, {run.label!r}" for run in self.runs)
        values = [run.printed for run in self.runs]
        if len({float(value) for value in values}) == 1:
            return f"{lines} are one experiment, printed as {values[0]} each time"
        return f"{lines} are one experiment; the paper prints {' and '.join(values)}"


def equal_runs(tables: Iterable[Table] = tuple(TABLES.values())) -> list[EqualRuns]:
    """Which printed lines of results are the same experiment."""
    found: dict[Experiment, list[Run]] = {}
    for table in tables:
        for label, printed in table.scores.items():
            run = Run(table=table.id, label=label, printed=printed)
            found.setdefault(table.experiment(label), []).append(run)
    return [
        EqualRuns(runs=tuple(runs), experiment=experiment)
        for experiment, runs in found.items()
        if len(runs) > 1
    ]
