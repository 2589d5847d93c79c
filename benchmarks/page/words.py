"""Numbers as the page and the terminal print them, and when a gradient counts as wrong."""

import functools
from collections.abc import Sequence

from benchmarks.grid.cells import Cell, LossCell
from benchmarks.measuring.machine import FOREIGN_LIMIT
from benchmarks.records.ratios import Ratio
from benchmarks.records.record import Record

# The relative gradient error that a precision explains; what is beyond is another function.
BOUNDS = {"float64": 1e-3, "float32": 1e-3, "bfloat16": 5e-2, "float16": 5e-2}
# Of float32 rows that are multiplied with fewer digits than they have.
REDUCED_BOUND = 5e-2

NOT_INSTALLED = "not installed"

NAMES = {
    "nt_xent": "NT-Xent",
    "distillation": "Distillation",
    "augment": "Augmentation",
    "extract": "Feature extraction",
    "train": "Training step",
}


def name_of(work: str) -> str:
    """A work as headings call it."""
    return NAMES.get(work, work)


def is_own(record: Record) -> bool:
    """Whether this project is behind it."""
    return record.provider == record.ours or record.package.split()[0] == "simclr-bench"


def size_of(cell: Cell) -> str:
    """A cell without what a table's heading says already: its work and dtype."""
    return " ".join(word for word in cell.title.split() if word not in {cell.work, cell.dtype})


def class_of_cell(cell: Cell) -> str:
    """The precision class of a cell: of its inputs, and of how float32 is multiplied."""
    if isinstance(cell, LossCell) and cell.dtype == "float32" and cell.precision != "highest":
        return f"{cell.dtype} {cell.precision}"
    return cell.dtype


def class_of(record: Record) -> str:
    """The precision class that a provider computed in."""
    other = record.precision != record.cell.dtype
    return record.precision if other else class_of_cell(record.cell)


def bound_of(record: Record) -> float:
    """Up to which gradient error its precision class is an explanation."""
    dtype, *reduced = class_of(record).split()
    return REDUCED_BOUND if reduced else BOUNDS[dtype]


@functools.cache
def differing() -> dict[str, str]:
    """Providers that do something else than a cell says, and what."""
    from benchmarks.providers.everyone import PROVIDERS

    return {name: found.differs for name, found in PROVIDERS.items() if found.differs}


def is_wrong(record: Record) -> bool:
    """Whether its gradient is further off than its precision class explains; NaN is.

    That of another loss is not wrong: it is said to be another.
    """
    error = record.gradient_error
    return (
        error is not None and not error <= bound_of(record) and record.provider not in differing()
    )


def number(value: float | None) -> str:
    """Three digits, and never an exponent above one."""
    if value is None:
        return ""
    return f"{value:.0f}" if abs(value) >= 999.5 else f"{value:#.3g}".rstrip(".")


def percent(share: float) -> str:
    """Whole percents, or one digit below."""
    return f"{100 * share:.0f} %" if share >= 0.01 else f"{100 * share:.1g} %"


def exponent(value: float | None) -> str:
    """One digit and a power of ten; "" for None."""
    if value is None:
        return ""
    digit, _, power = f"{value:.0e}".partition("e")
    return f"{digit}e{int(power)}" if power else digit


def ratio(value: Ratio) -> str:
    """A median and its interval."""
    return f"{number(value.median)} [{number(value.low)}, {number(value.high)}]"


def missing(record: Record | None) -> str:
    """What stands where a record has no time."""
    reason = (record.not_run or "") if record else ""
    if reason.startswith((NOT_INSTALLED, "absent")):
        return NOT_INSTALLED
    for word in ("failed", "out of memory", "refused"):
        if reason.startswith(word):
            return word
    return "not run" if reason else ""


def gradient_error(record: Record) -> str:
    """The gradient's error, marked if it is wrong."""
    text = exponent(record.gradient_error)
    return f"**✗ {text}**" if is_wrong(record) else text


def images_per_s(record: Record) -> float | None:
    """Images of a call over its median time; None for a loss."""
    if isinstance(record.cell, LossCell) or record.median_ms is None:
        return None
    return 1000 * record.cell.images / record.median_ms


def disturbed(shares: Sequence[float]) -> int:
    """Of how many rounds others used more of the machine than is overlooked."""
    return sum(share > FOREIGN_LIMIT for share in shares)
