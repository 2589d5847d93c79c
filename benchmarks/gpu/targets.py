"""What the CUDA operators have to reach, as data: lines 4 to 6 of their issue.

Line 4: all stages are done, the sanitizer is silent, errors are at most twice eager's. Line 5:
NT-Xent. Line 6: distillation. Bounds in milliseconds are an H200's.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.gpu.stages import Outcome
from benchmarks.grid.cells import LossCell
from benchmarks.grid.cuda import COLUMNS, PRECISIONS, SMALL
from benchmarks.records.record import Record
from benchmarks.targets import Quantity, Target, Verdict, judge, speedup

# A GPU's float32 carries this relative error in any result, eager's luck or not.
ROUNDING = 2.0**-24

# NT-Xent in bfloat16, forward and backward: the time in ms that two products of N x N x D take at
# 790 TFLOP/s with exponentials hidden behind them; by N and D.
FLOOR_MS = {
    (8192, 128): 0.044,
    (8192, 512): 0.18,
    (32768, 128): 0.70,
    (32768, 512): 2.8,
    (131072, 128): 11.1,
    (131072, 512): 45.0,
}

BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}


def over_eager(field: str) -> Quantity:
    """An error over eager's, or over one rounding where eager's is smaller."""

    def quantity(record: Record, cell: dict[str, Record]) -> tuple[float, str] | None:
        error = getattr(record, field)
        eager = getattr(cell["eager"], field) if "eager" in cell else None
        if error is None or eager is None:
            return None
        return error / max(eager, ROUNDING), f"{error:.1e}, eager {eager:.1e}"

    return quantity


def over_floor(record: Record, _: dict[str, Record]) -> tuple[float, str] | None:
    """The median time over the floor of its size."""
    if record.median_ms is None:
        return None
    assert isinstance(record.cell, LossCell)
    share = record.median_ms / FLOOR_MS[record.cell.rows, record.cell.columns]
    return share, f"{record.median_ms:.3f} ms, {share:.2f}x"


def microseconds(record: Record, _: dict[str, Record]) -> tuple[float, str] | None:
    return None if record.median_ms is None else (1e3 * record.median_ms, _us(record.median_ms))


def _us(ms: float) -> str:
    return f"{1e3 * ms:.1f} us"


def bytes_moved(cell: LossCell) -> int:
    """The fewest: both logits are read; a step writes the student's gradient."""
    tensors = 2 if cell.mode == "forward" else 3
    return tensors * cell.rows * cell.columns * BYTES[cell.dtype]


def of_copy(record: Record, _: dict[str, Record]) -> tuple[float, str] | None:
    """The fewest bytes over the time, as a share of what a copy moves on the same device."""
    copy = record.environment.get("copy_gb_s")
    if record.median_ms is None or copy is None or not isinstance(record.cell, LossCell):
        return None
    share = bytes_moved(record.cell) / record.median_ms / 1e6 / copy
    return share, f"{100 * share:.0f} % of {copy:.0f} GB/s"


def kernels(record: Record, _: dict[str, Record]) -> tuple[float, str] | None:
    return None if record.kernels is None else (record.kernels, f"{record.kernels} kernels")


def _error(loss: str, dtype: str, precision: str, field: str) -> Target:
    name = f"{dtype} {precision}" if (loss, dtype) == ("nt_xent", "float32") else dtype
    return Target(
        f"{loss} {name}, {field.replace('_', ' ')} over eager's",
        "gpu_accuracy",
        "fused",
        lambda c: (c.loss, c.dtype, c.precision) == (loss, dtype, precision),
        over_eager(field),
        2.0,
        at_least=False,
    )


ACCURACY_TARGETS = tuple(
    _error(loss, dtype, precision, field)
    for loss in ("nt_xent", "distillation")
    for dtype, precision in PRECISIONS
    if loss == "nt_xent" or precision == "highest"
    for field in ("loss_error", "gradient_error")
)


def _nt_xent(dtype: str, columns: int | None = None) -> Callable[[LossCell], bool]:
    wanted = COLUMNS if columns is None else (columns,)
    return lambda c: (
        (c.loss, c.dtype, c.mode) == ("nt_xent", dtype, "step") and (c.columns in wanted)
    )


def _faster(text: str, peer: str, where: Callable[[LossCell], bool], bound: float) -> Target:
    return Target(f"{text}, {peer}'s time over ours", "gpu_race", peer, where, speedup, bound)


def _large(mode: str) -> Callable[[LossCell], bool]:
    return lambda c: (c.loss, c.mode) == ("distillation", mode) and c.rows * c.columns >= 32_000_000


LINE_5 = (
    Target(
        "nt_xent bfloat16, time over the floor (stretch: 1.4)",
        "gpu_race",
        "fused",
        _nt_xent("bfloat16"),
        over_floor,
        2.0,
        at_least=False,
    ),
    _faster("nt_xent bfloat16 D=128", "eager-autocast", _nt_xent("bfloat16", 128), 10.0),
    _faster("nt_xent bfloat16 D=128", "memeff", _nt_xent("bfloat16", 128), 1.5),
    Target(
        "nt_xent bfloat16 N=1024 D=128 in a graph, us",
        "gpu_race",
        "fused",
        lambda c: (c.mode, c.dtype, c.columns) == ("graph", "bfloat16", 128),
        microseconds,
        25.0,
        at_least=False,
    ),
    _faster("nt_xent float32 highest D=128", "eager", _nt_xent("float32", 128), 2.0),
    _faster("nt_xent float32 highest D=512", "eager", _nt_xent("float32", 512), 1.5),
)

LINE_6 = (
    *(
        Target(
            f"distillation {text}, B C >= 32 M, of a copy's bandwidth",
            "gpu_race",
            "fused",
            _large(mode),
            of_copy,
            0.85,
        )
        for mode, text in (("forward", "forward"), ("step", "forward and backward"))
    ),
    _faster(
        "distillation 4096 x 1000",
        "eager",
        lambda c: (c.loss, c.rows, c.columns) == ("distillation", 4096, 1000),
        5.0,
    ),
    Target(
        "distillation, small: kernels, forward and backward",
        "gpu_race",
        "fused",
        lambda c: c.loss == "distillation" and (c.rows, c.columns) in SMALL,
        kernels,
        2.0,
        at_least=False,
    ),
)


@dataclass(frozen=True)
class Judged:
    """A target over all of its cells, as the page shows it.

    Attributes:
        line: The acceptance line it belongs to.
        text: The claim.
        bound: What it has to reach, as text.
        met: None where something is not measured and nothing is missed.
        value: The worst cell's; why nothing is known where nothing is.
        n: What it is a median of, or over how many rows an error is a norm.
        device: The GPU.
    """

    line: int
    text: str
    bound: str
    met: bool | None
    value: str
    n: int | None
    device: str

    @property
    def verdict(self) -> str:
        return {True: "met", False: "NOT met", None: "not measured"}[self.met]


def judge_all(outcomes: Sequence[Outcome], records: Sequence[Record]) -> list[Judged]:
    """All of lines 4 to 6, measured or not."""
    judged = [_green(outcomes), *(_silent(outcomes, tool) for tool in ("memcheck", "racecheck"))]
    for line, targets in ((4, ACCURACY_TARGETS), (5, LINE_5), (6, LINE_6)):
        judged += [_over_cells(line, target, judge([target], records)) for target in targets]
    return judged


def _green(outcomes: Sequence[Outcome]) -> Judged:
    bad = [f"{o.stage} {o.outcome}" for o in outcomes if o.outcome != "done"]
    failed = any(not outcome.ended_well for outcome in outcomes)
    met = None if not outcomes or (bad and not failed) else not bad
    done = len(outcomes) - len(bad)
    value = ", ".join([f"{done} of {len(outcomes)} done", *bad]) if outcomes else ""
    device = outcomes[0].device if outcomes else ""
    return Judged(4, "`make gpu`: stages", "all done", met, value, len(outcomes) or None, device)


def _silent(outcomes: Sequence[Outcome], tool: str) -> Judged:
    found = next((outcome for outcome in outcomes if outcome.stage == tool), None)
    ran = found is not None and found.outcome in {"done", "failed"}
    return Judged(
        4,
        f"compute-sanitizer {tool}",
        "silent",
        found.outcome == "done" if found is not None and ran else None,
        "" if found is None else found.detail.strip("= "),
        None,
        "" if found is None else found.device,
    )


def _over_cells(line: int, target: Target, verdicts: Sequence[Verdict]) -> Judged:
    sign = ">=" if target.at_least else "<="
    # What does not fit beside ours is no race.
    asked = [v for v in verdicts if v.value != "out of memory" or v.target.provider == "fused"]
    known = [verdict for verdict in asked if verdict.share is not None]
    missing = [verdict for verdict in asked if verdict.share is None]
    met: bool | None = None
    if any(verdict.met is False for verdict in known):
        met = False
    elif known and not missing:
        met = True
    texts, n, device = [], None, ""
    if known:
        worst = (min if target.at_least else max)(known, key=lambda v: v.share or 0.0)
        assert worst.record is not None
        texts.append(f"{worst.value} at {worst.cell}" if len(verdicts) > 1 else worst.value)
        n = len(worst.record.times_ms) or worst.cell.rows
        device = worst.record.environment.get("gpu") or ""
    if missing and (known or any(verdict.value for verdict in missing)):
        reasons = dict.fromkeys(verdict.value or "no record" for verdict in missing)
        texts.append(f"{len(missing)} of {len(asked)} cells: {', '.join(reasons)}")
    return Judged(line, target.text, f"{sign} {target.bound:g}", met, "; ".join(texts), n, device)
