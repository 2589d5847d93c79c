"""What the losses have to reach, as data, and whether the records say they do.

    python -m benchmarks.targets DIR

prints a line per target and cell of the grid, from DIR/*.jsonl. Exit code: 0 all met, 1 a target is
missed or was not measured, 2 usage.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.grid import SUITES, Cell, LossCell, cuda
from benchmarks.grid.losses import ACCURACY, MEMORY
from benchmarks.grid.suites import loss_cells
from benchmarks.records.record import Record, latest, read

# A quantity of a record, given all records of its cell by provider: value, and how it is printed.
Quantity = Callable[[Record, dict[str, Record]], tuple[float, str] | None]


@dataclass(frozen=True)
class Target:
    """A bound on one quantity of one provider's records, in the cells it holds for.

    Attributes:
        text: The claim.
        suite: Which records count.
        provider: Whose records count.
        where: The cells it holds for.
        quantity: What is bounded.
        bound: The bound.
        at_least: Whether it bounds from below.
        allocator: Which allocator's records count.
    """

    text: str
    suite: str
    provider: str
    where: Callable[[LossCell], bool]
    quantity: Quantity
    bound: float
    at_least: bool = True
    allocator: str = "default"

    def cells(self) -> list[LossCell]:
        """The cells of the grid that it holds for."""
        known = (*SUITES, ACCURACY, MEMORY, *cuda.ACCURACY)
        device = "cuda" if self.suite.startswith("gpu_") else "cpu"
        suites = [s for s in known if (s.name, s.device) == (self.suite, device)]
        raced = [suite for suite in suites if self.provider in suite.providers]
        return [cell for _, cell in loss_cells(raced) if self.where(cell)]


@dataclass(frozen=True)
class Verdict:
    """A target in one cell; `met` is None where nothing was measured for it.

    Attributes:
        target: The target.
        cell: The cell.
        value: What was measured, or why nothing was where that is known.
        met: Whether it is met.
        share: The value over the bound.
        record: What it was read from.
    """

    target: Target
    cell: LossCell
    value: str
    met: bool | None
    share: float | None = None
    record: Record | None = None

    def __str__(self) -> str:
        word = {True: "met", False: "NOT MET", None: "not measured"}[self.met]
        sign = ">=" if self.target.at_least else "<="
        bound = f"{self.target.text} ({sign} {self.target.bound:g})"
        return f"{word:12} {bound} | {self.cell}{': ' if self.value else ''}{self.value}"


def speedup(record: Record, _: dict[str, Record]) -> tuple[float, str] | None:
    """The median ratio."""
    if record.ratio is None:
        return None
    median, low, high = record.ratio
    return median, f"{median:.2f} [{low:.2f}, {high:.2f}]"


def best_case(record: Record, _: dict[str, Record]) -> tuple[float, str] | None:
    """The upper end of the ratio's interval: below 1, the provider is faster beyond doubt."""
    found = speedup(record, {})
    return None if record.ratio is None or found is None else (record.ratio.high, found[1])


def gradient_error(record: Record, _: dict[str, Record]) -> tuple[float, str] | None:
    error = record.gradient_error
    return None if error is None else (error, f"{error:.1e}")


def against_eager(record: Record, cell: dict[str, Record]) -> tuple[float, str] | None:
    """The gradient error as a share of what is allowed: 1.2 times eager's, or 1e-6."""
    eager = cell.get("eager")
    if record.gradient_error is None or eager is None or eager.gradient_error is None:
        return None
    share = record.gradient_error / max(1.2 * eager.gradient_error, 1e-6)
    return share, f"{record.gradient_error:.1e}, eager {eager.gradient_error:.1e}"


def peak(record: Record, _: dict[str, Record]) -> tuple[float, str] | None:
    return None if record.peak_mb is None else (record.peak_mb, f"{record.peak_mb:.0f} MB")


def _nt_xent(
    text: str,
    provider: str,
    where: Callable[[LossCell], bool],
    bound: float,
    allocator: str = "default",
) -> Target:
    return Target(
        f"NT-Xent, {provider}'s time over ours, {text}",
        "standard",
        provider,
        lambda c: c.loss == "nt_xent" and where(c),
        speedup,
        bound,
        allocator=allocator,
    )


def _distillation(
    text: str, provider: str, where: Callable[[LossCell], bool], bound: float
) -> Target:
    return Target(
        f"distillation, {provider}'s time over ours, {text}",
        "standard",
        provider,
        lambda c: c.loss == "distillation" and where(c),
        speedup,
        bound,
    )


def _at_most(
    text: str, suite: str, where: Callable[[LossCell], bool], quantity: Quantity, bound: float
) -> Target:
    return Target(text, suite, "fused", where, quantity, bound, at_least=False)


def _is(rows: int, columns: int) -> Callable[[LossCell], bool]:
    return lambda c: (c.rows, c.columns) == (rows, columns)


def _anywhere(_: LossCell) -> bool:
    return True


TARGETS = (
    _nt_xent("N=256 D=128", "eager", _is(256, 128), 2.0),
    _nt_xent("N=1024 D=128", "eager", _is(1024, 128), 2.8),
    _nt_xent("N=4096 D=128", "eager", _is(4096, 128), 5.0),
    _nt_xent("N=8192 D=128", "eager", _is(8192, 128), 5.0),
    _nt_xent("N=4096 D=128, tuned allocator", "eager", _is(4096, 128), 2.5, allocator="tuned"),
    _nt_xent("N=8192 D=128, tuned allocator", "eager", _is(8192, 128), 2.5, allocator="tuned"),
    _nt_xent("N>=4096 D=64", "eager", lambda c: c.rows >= 4096 and c.columns == 64, 7.0),
    _nt_xent("N>=4096 D=512", "eager", lambda c: c.rows >= 4096 and c.columns == 512, 2.3),
    _nt_xent("N>=4096 D=128", "compile", lambda c: c.rows >= 4096 and c.columns == 128, 2.4),
    _nt_xent("D=128", "lightly", lambda c: c.columns == 128, 5.0),
    _nt_xent("N>=4096 D=128", "lightly", lambda c: c.rows >= 4096 and c.columns == 128, 8.0),
    *(
        Target(
            f"NT-Xent sweep, {form}'s time over ours: the 95 % interval is not wholly below 1",
            "sweep",
            form,
            _anywhere,
            best_case,
            1.0,
        )
        for form in ("eager", "compile")
    ),
    *(
        _at_most(
            f"NT-Xent {suite}, gradient error over max(1.2 x eager's, 1e-6)",
            suite,
            lambda c: c.loss == "nt_xent",
            against_eager,
            1.0,
        )
        for suite in ("standard", "sweep")
    ),
    _at_most(
        "NT-Xent at every temperature, gradient error", "accuracy", _anywhere, gradient_error, 1e-5
    ),
    _at_most("NT-Xent N=8192 D=128, peak MB", "memory", _is(8192, 128), peak, 60.0),
    _at_most("NT-Xent N=65536 D=128, peak MB", "memory", _is(65536, 128), peak, 300.0),
    Target(
        "NT-Xent bfloat16, our own float32's time over ours",
        "bfloat16",
        "fused-float32",
        lambda c: c.rows >= 1024,
        speedup,
        1.6,
    ),
    _at_most("NT-Xent bfloat16, gradient error", "bfloat16", _anywhere, gradient_error, 1e-2),
    _distillation("B=64 C<=100", "eager", lambda c: c.rows == 64 and c.columns <= 100, 3.0),
    _distillation("B C >= 1e5", "eager", lambda c: c.rows * c.columns >= 100_000, 5.0),
    _distillation("C>=1000", "eager", lambda c: c.columns >= 1000, 6.5),
    _distillation("everywhere", "compile", _anywhere, 2.0),
    _at_most(
        "distillation, gradient error",
        "standard",
        lambda c: c.loss == "distillation",
        gradient_error,
        3e-7,
    ),
)


def judge(targets: Sequence[Target], records: Sequence[Record]) -> list[Verdict]:
    """A verdict per target and cell of the grid, measured or not."""
    cells: dict[tuple[str, Cell, str], dict[str, Record]] = {}
    for record in latest(records):
        cells.setdefault((record.suite, record.cell, record.allocator), {})[record.provider] = (
            record
        )
    verdicts = []
    for target in targets:
        for cell in target.cells():
            race = cells.get((target.suite, cell, target.allocator), {})
            found = race.get(target.provider)
            value = None if found is None else target.quantity(found, race)
            if value is None:
                reason = "" if found is None else found.not_run or ""
                verdicts.append(Verdict(target, cell, reason, None, record=found))
                continue
            number, text = value
            met = number >= target.bound if target.at_least else number <= target.bound
            verdicts.append(Verdict(target, cell, text, met, number / target.bound, found))
    return verdicts


def main() -> int:
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():
        print("usage: python -m benchmarks.targets DIR", file=sys.stderr)
        return 2
    verdicts = judge(TARGETS, read(Path(sys.argv[1])))
    for verdict in verdicts:
        print(verdict)
    met = sum(verdict.met is True for verdict in verdicts)
    print(f"{met} of {len(verdicts)} met")
    return 0 if met == len(verdicts) else 1


if __name__ == "__main__":
    raise SystemExit(main())
