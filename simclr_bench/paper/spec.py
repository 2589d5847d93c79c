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
    color_strength: float = 0.3
    framing: str = "center"  # of views without crop: "center" (crop of 0.875) or "whole"
    class_count: int | None = None  # classes drawn from the data set; None is all of them


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
    learns_from: str = "teacher"  # "teacher" (its logits) or "labels" (a control of ours)
    optimizer: str = "sgd"  # "sgd" or "lars"
    widths: tuple[int, ...] = (512,)  # of the hidden dense layers
    normalization: str = "native"  # of the base's input: its own, or "simclr" for [0, 1]
    views: int = 4  # augmented views per image, fixed; epoch e uses view e mod views
    framing: str = "center"
    color_strength: float = 0.3


Experiment = Probe | Distillation


# What a claim says about rows. `Ordered` and the rest hold labels, not numbers, so that one
# statement can be judged on the paper's values and on ours.


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
class Falling:
    """The rows' values fall from the first to the last, as a trend: no single step is claimed."""

    labels: tuple[str, ...]


Statement = Ordered | Above | Equal | Falling


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A statement on other measurements than the table's rows.

    Attributes:
        on: Which measurements: "batch size", "epochs" or "parameters".
        statement: What is claimed of them.
        what: The comparison, in words.
    """

    on: str
    statement: Statement
    what: str


@dataclass(frozen=True)
class Untestable:
    """Nothing that can be run or counted decides it."""

    reason: str


def _each(labels: tuple[str, ...]) -> str:
    return labels[0] if len(labels) == 1 else f"each of [{', '.join(labels)}]"


def stated(statement: Statement | Compared | Untestable) -> str:
    """A statement in a line."""
    match statement:
        case Ordered(labels):
            return " > ".join(labels)
        case Above(upper, lower):
            return f"{_each(upper)} > {_each(lower)}"
        case Equal(labels):
            return " ≈ ".join(labels)
        case Falling(labels):
            return f"falling, as a trend, over {', '.join(labels)}"
        case Compared():
            return f"{statement.what}: {stated(statement.statement)}"
        case Untestable(reason):
            return f"cannot be tested: {reason}"


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One sentence of the paper, and the statement that it makes."""

    id: str
    sentence: str
    source: str
    statement: Statement | Compared | Untestable

    @property
    def labels(self) -> tuple[str, ...]:
        """The table's rows that the statement speaks of."""
        match self.statement:
            case Ordered(labels) | Equal(labels) | Falling(labels):
                return labels
            case Above(upper, lower):
                return upper + lower
            case Compared() | Untestable():
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
    # Settings that the paper leaves out and we run; label -> what differs from `base`.
    added_rows: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

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
        """The experiment behind one printed line, or behind a row that we added."""
        return replace(self.base, **self.changes(label))

    def changes(self, label: str) -> Mapping[str, Any]:
        """What a line, printed or added, changes of `base`."""
        return {**self.rows, **self.added_rows}[label]

    def __post_init__(self) -> None:
        header, *body = self.cells
        printed = [line[0] for line in body]
        if list(self.rows) != printed:
            raise ValueError(f"table {self.id}: rows are {list(self.rows)}, printed are {printed}")
        if ragged := [line for line in body if len(line) != len(header)]:
            raise ValueError(f"table {self.id}: not {len(header)} cells: {ragged}")
        known = {f.name for f in fields(self.base)}
        if twice := self.added_rows.keys() & self.rows.keys():
            raise ValueError(f"table {self.id}: printed, so not ours to add: {sorted(twice)}")
        for label, changes in [*self.rows.items(), *self.added_rows.items()]:
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
    kind: str  # "bars" or "lines"
