"""A comparison as lines, as a JSON document, and as records."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.comparing.builds import Build
from benchmarks.comparing.decide import (
    ALPHA,
    FASTER,
    SLOWER,
    Decision,
    decide,
    ratio_interval,
)
from benchmarks.comparing.rounds import Raced
from benchmarks.measuring.machine import FOREIGN_LIMIT


@dataclass(frozen=True)
class Comparison:
    """Two builds, and what was found in each cell.

    Attributes:
        base: The build compared with.
        new: The build compared.
        factor: Smaller changes are not flagged.
        raced: The times.
        decisions: One for each of `raced`, None where it could not be compared.
        intervals: Of the ratios, likewise.
    """

    base: Build
    new: Build
    factor: float
    raced: tuple[Raced, ...]
    decisions: tuple[Decision | None, ...]
    intervals: tuple[tuple[float, float] | None, ...]

    def count(self, verdict: str) -> int:
        return sum(found is not None and found.verdict == verdict for found in self.decisions)


def judge(base: Build, new: Build, raced: Sequence[Raced], factor: float) -> Comparison:
    """Decides every cell that has times."""
    timed = [one for one in raced if not one.not_comparable]
    found = iter(decide([one.steady_ms for one in timed], factor))
    decisions = tuple(None if one.not_comparable else next(found) for one in raced)
    intervals = tuple(
        None if one.not_comparable else ratio_interval(*one.steady_ms) for one in raced
    )
    return Comparison(base, new, factor, tuple(raced), decisions, intervals)


def lines(comparison: Comparison) -> list[str]:
    """A line per cell and one that sums up."""
    width = max(len(str(one.cell)) for one in comparison.raced)
    shown = []
    for one, found, interval in zip(
        comparison.raced, comparison.decisions, comparison.intervals, strict=True
    ):
        name = f"{one.cell!s:{width}}"
        if found is None or interval is None:
            shown.append(f"{name}  not comparable ({one.not_comparable})")
            continue
        times = f"base {found.base_ms:9.3f} ms  new {found.new_ms:9.3f} ms"
        ratio = f"ratio {found.ratio:.3f} [{interval[0]:.3f}, {interval[1]:.3f}]"
        shown.append(f"{name}  {times}  {ratio}  p {found.p_holm:.1e}  {found.verdict}")
    return [*shown, _summary(comparison)]


def _summary(comparison: Comparison) -> str:
    timed = [one for one in comparison.raced if not one.not_comparable]
    left_out = len(comparison.raced) - len(timed)
    counts = f"{comparison.count(SLOWER)} slower, {comparison.count(FASTER)} faster"
    counts += f", {left_out} not comparable" if left_out else ""
    disturbed = sum(share > FOREIGN_LIMIT for one in timed for share in one.foreign)
    rule = f"beyond x{comparison.factor:g} and p < {ALPHA:g} over {len(timed[0].base_ms)} rounds"
    text = f"{comparison.new} over {comparison.base}: {counts} of {len(comparison.raced)} ({rule})"
    return text + (f"; others used the machine in {disturbed} rounds" if disturbed else "")


def document(comparison: Comparison, environment: dict[str, Any]) -> dict[str, Any]:
    """All of it, times included."""
    cells = [
        {
            "cell": str(one.cell),
            "not_comparable": one.not_comparable,
            "rounds": len(one.base_ms),
            "decision": asdict(found) if found else None,
            "interval": interval,
            "base_ms": one.base_ms,
            "new_ms": one.new_ms,
            "again_ms": one.again_ms,
            "foreign_cpu": one.foreign,
            "rounds_repeated": one.repeated,
        }
        for one, found, interval in zip(
            comparison.raced, comparison.decisions, comparison.intervals, strict=True
        )
    ]
    return {
        "base": _described(comparison.base),
        "new": _described(comparison.new),
        "factor": comparison.factor,
        "alpha": ALPHA,
        "slower": comparison.count(SLOWER),
        "faster": comparison.count(FASTER),
        "cells": cells,
        "environment": environment,
    }


def _described(build: Build) -> dict[str, Any]:
    """Without its folder: a record says nothing of where somebody keeps his files."""
    return {"name": build.name, "commit": build.commit, "dirty": build.dirty}
