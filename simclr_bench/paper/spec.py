"""The vocabulary in which a paper's table is written down."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

PAPER = "arXiv:2108.00587v1"


@dataclass(frozen=True, kw_only=True)
class Probe:
    """A linear head trained on a frozen encoder (Tables 1 and 4)."""

    dataset: str
    augment: tuple[str, ...]  # of "crop", "flip", "color"; applied in this order
    batch_size: int
    iterations: int
    learning_rate: float
    momentum: float
    weight_decay: float


@dataclass(frozen=True, kw_only=True)
class Distillation:
    """Dense layers on a frozen student base, trained on a teacher's logits alone (Table 2)."""

    dataset: str
    student: str
    teacher: str
    augment: tuple[str, ...]
    batch_size: int
    epochs: int
    learning_rate: float
    momentum: float
    weight_decay: float
    temperature: float


Experiment = Probe | Distillation


# What a claim says about the rows of its table. `Ordered` and the rest hold labels, not numbers, so
# that one statement can be judged on the paper's values and on ours.


@dataclass(frozen=True)
class Ordered:
    """Each row scores higher than the next."""

    labels: tuple[str, ...]


@dataclass(frozen=True)
class Above:
    """Every one of `upper` scores higher than every one of `lower`."""

    upper: tuple[str, ...]
    lower: tuple[str, ...]


@dataclass(frozen=True)
class Equal:
    """The rows score about the same."""

    labels: tuple[str, ...]


@dataclass(frozen=True)
class Beyond:
    """Not a comparison of this table's rows: `needs` says what tests it, or why nothing can."""

    needs: str


Statement = Ordered | Above | Equal | Beyond


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One sentence of the paper, and the statement that it makes."""

    id: str
    sentence: str
    source: str
    statement: Statement

    @property
    def labels(self) -> tuple[str, ...]:
        """The rows that the statement speaks of."""
        match self.statement:
            case Ordered(labels) | Equal(labels):
                return labels
            case Above(upper, lower):
                return upper + lower
            case Beyond():
                return ()


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table as printed, and what each of its lines means as an experiment."""

    id: str
    caption: str
    source: str  # document and section: where every cell below can be checked
    printed: str  # verbatim; cells separated by |, the first line is the header
    base: Experiment
    rows: Mapping[str, Mapping[str, Any]]  # first cell of a line -> what differs from `base`
    measured: str  # the metric that the printed scores are, or "" where the table has no scores
    choices: Mapping[str, str]  # field of `base` that the paper does not state -> why this value
    claims: tuple[Claim, ...] = ()
    notes: tuple[str, ...] = ()  # what a reader must know before comparing anything
    batch_sizes: tuple[int, ...] = field(default=())  # run for each row; the printed one first
    runs: bool = False  # whether this version of the harness can re-run it

    @property
    def cells(self) -> list[list[str]]:
        """The printed lines, split; `cells[0]` is the header."""
        lines = self.printed.strip().splitlines()
        return [[cell.strip() for cell in line.split("|")] for line in lines]

    @property
    def scores(self) -> dict[str, str]:
        """Label -> the printed score, as printed. Empty for a table without scores."""
        return {line[0]: line[-1] for line in self.cells[1:]} if self.measured else {}

    def experiment(self, label: str) -> Experiment:
        """The experiment behind one printed line."""
        return replace(self.base, **self.rows[label])

    def __post_init__(self) -> None:
        header, *body = self.cells
        printed = [line[0] for line in body]
        if list(self.rows) != printed:
            raise ValueError(f"table {self.id}: rows are {list(self.rows)}, printed are {printed}")
        if ragged := [line for line in body if len(line) != len(header)]:
            raise ValueError(f"table {self.id}: not {len(header)} cells: {ragged}")
        known = {f.name for f in fields(self.base)}
        for label, changes in self.rows.items():
            if unknown := changes.keys() - known:
                raise ValueError(f"table {self.id}, {label!r}: no such field: {sorted(unknown)}")
        if unknown := self.choices.keys() - known:
            raise ValueError(f"table {self.id}: a choice for no field: {sorted(unknown)}")
        for claim in self.claims:
            if lost := set(claim.labels) - set(printed):
                raise ValueError(f"table {self.id}, claim {claim.id}: no such row: {sorted(lost)}")


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure drawn from a table's rows."""

    id: str
    caption: str
    source: str
    table: str
