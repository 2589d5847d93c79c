"""Errors at large sizes against float64, ours and the plain formula's in the same precision.

    python -m benchmarks.gpu.accuracy OUT SECONDS

Appends a record per cell and implementation to OUT/gpu_accuracy.jsonl. Both errors of a record are
norms over rows: of the unreduced loss, and of the gradients of its sum, which unlike those of the
mean lie within float16. Exit codes: 0 done, 1 an error is larger than twice the plain formula's,
75 there was no time for some cells.
"""

import math
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.gpu.race import NO_TIME
from benchmarks.gpu.stages import OUT_OF_TIME, say
from benchmarks.gpu.targets import ACCURACY_TARGETS
from benchmarks.grid.cells import LossCell
from benchmarks.grid.cuda import ACCURACY
from benchmarks.grid.suites import Suite, loss_cells
from benchmarks.measuring.entering import why_it_failed
from benchmarks.measuring.race import record
from benchmarks.measuring.truth import Inputs, cast, exact_rows, make_inputs
from benchmarks.providers.losses import ALPHA
from benchmarks.records.record import Record, append
from benchmarks.targets import judge
from simclr_bench import distillation_loss, nt_xent
from simclr_bench.losses.dispatch import Impl
from simclr_bench.losses.precision import Precision

# Numbers of similarities that the plain formula may hold at a time: more and rows come in blocks.
PLAIN = 2**30

Results = tuple[Tensor, Tensor]


def ours(cell: LossCell, inputs: Inputs, impl: Impl = "fused") -> Results:
    """Each row's loss, and the gradients of their sum, one below the other."""
    if cell.loss == "distillation":
        return _distillation(cell, inputs, impl)
    precision: Precision = cell.precision  # type: ignore[assignment]
    z0, z1 = inputs.leaves
    rows = nt_xent(z0, z1, cell.temperature, reduction="none", impl=impl, precision=precision)
    return rows.detach(), torch.cat(torch.autograd.grad(rows.sum(), inputs.leaves))


def plain(cell: LossCell, inputs: Inputs) -> Results:
    """The same by the formula in PyTorch, in the precision of the cell."""
    inputs = cast(inputs, "bfloat16" if cell.precision == "medium" else None)
    with multiplied(cell.precision):
        if cell.loss == "distillation":
            return _distillation(cell, inputs, "reference")
        return _plain_nt_xent(cell.temperature, *inputs.leaves)


def _distillation(cell: LossCell, inputs: Inputs, impl: Impl) -> Results:
    rows = distillation_loss(
        *inputs.arguments,
        temperature=cell.temperature,
        kind="kl",
        alpha=ALPHA,
        reduction="none",
        impl=impl,
    )
    return rows.detach(), torch.cat(torch.autograd.grad(rows.sum(), inputs.leaves))


def _plain_nt_xent(tau: float, z0: Tensor, z1: Tensor) -> Results:
    """Eager's arithmetic; where rows come in blocks, their gradients are added up in float32."""
    z = functional.normalize(torch.cat([z0, z1]), dim=1)
    leaf = z.detach().requires_grad_()
    n = len(z)
    partner = torch.arange(n, device=z.device).roll(n // 2)
    losses, total = [], torch.zeros_like(z, dtype=torch.float32)
    for rows in torch.arange(n, device=z.device).split(max(1, PLAIN // n)):
        logits = (leaf[rows] / tau) @ leaf.T
        itself = torch.zeros_like(logits, dtype=torch.bool)
        itself[torch.arange(len(rows), device=z.device), rows] = True
        logits = logits.masked_fill(itself, -torch.inf)
        block = functional.cross_entropy(logits.float(), partner[rows], reduction="none")
        total += torch.autograd.grad(block.sum(), leaf)[0]
        losses.append(block.detach())
        del logits, itself, block
    return torch.cat(losses), torch.cat(torch.autograd.grad(z, (z0, z1), total.to(z.dtype)))


@contextmanager
def multiplied(precision: str) -> Iterator[None]:
    """Lets torch multiply float32 matrices in TF32 for "high", and in no less otherwise."""
    matmul = torch.backends.cuda.matmul
    before = matmul.fp32_precision
    matmul.fp32_precision = "tf32" if precision == "high" else "ieee"
    try:
        yield
    finally:
        matmul.fp32_precision = before


def distance(got: Tensor, want: Tensor) -> float:
    """The norm of the error over that of what is wanted."""
    return ((got.double() - want).norm() / want.norm()).item()


def measure(suite: Suite, cell: LossCell, inputs: Inputs, truth: Results) -> list[Record]:
    """A record of ours and one of the plain formula."""
    records = []
    for name, function in zip(suite.providers, (ours, plain), strict=True):
        try:
            loss_error, gradient_error = map(distance, function(cell, inputs), truth)
            if not math.isfinite(loss_error + gradient_error):
                raise ArithmeticError("the loss or its gradient is not finite")
        except Exception as error:  # what it is stands in the record, and the stage fails
            records.append(record(suite, cell, name, not_run=why_it_failed(error)))
            continue
        records.append(
            record(suite, cell, name, loss_error=loss_error, gradient_error=gradient_error)
        )
    return records


def run(suites: Sequence[Suite], out: Path, end: float) -> tuple[list[Record], int]:
    """Measures until the time is over; returns the records, and how many cells are left.

    Those that are left out get a record that says so.
    """
    done: list[Record] = []
    left = 0
    same: tuple[str, int, int, str] | None = None
    for suite, cell in loss_cells(suites):
        if time.monotonic() > end:
            left += 1
            append(out, [record(suite, cell, suite.providers[0], not_run=NO_TIME)])
            continue
        # Cells that differ in precision alone have one truth.
        if same != (same := (cell.loss, cell.rows, cell.columns, cell.dtype)):
            torch.cuda.empty_cache()
            inputs = make_inputs(cell)
            truth = exact_rows(cell, inputs)
        records = measure(suite, cell, inputs, truth)
        append(out, records)
        done += records
    return done, left


def verdict(done: Sequence[Record]) -> bool:
    """Prints what the records are judged to be; whether all that was measured is met."""
    verdicts = [found for found in judge(ACCURACY_TARGETS, done) if found.record is not None]
    for found in verdicts:
        say(str(found))
    missed = sum(not found.met for found in verdicts)
    say(f"accuracy: {missed} of {len(verdicts)} errors NOT met")
    return not missed


def main() -> int:
    out, end = Path(sys.argv[1]), time.monotonic() + float(sys.argv[2])
    done, left = run(ACCURACY, out, end)
    met = verdict(done)
    say(f"accuracy: {len(done)} records, no time for {left} cells")
    return 1 if not met else OUT_OF_TIME if left else 0


if __name__ == "__main__":
    raise SystemExit(main())
