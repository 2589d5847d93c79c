"""Rows that claims are judged on beside a table's own: batch sizes, and epochs of one run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from simclr_bench.paper.claims import BY_CLASSES
from simclr_bench.report.document.measured import FEWEST_SEEDS, Measured, common_seeds
from simclr_bench.verdicts.cells import Ours
from simclr_bench.verdicts.claims import Differences, Row

LARGER, SMALLER = 64, 32
REGIMES = ("equal iterations", "equal examples", "equal passes")


@dataclass(frozen=True, kw_only=True)
class Family:
    """Rows that are judged together.

    Attributes:
        measure: What was measured.
        where: Which of several such families it is: "batch 64"; empty where there is one.
        rows: By label.
        note: What a reader should know about these rows.
        stale: Labels that have stale records only, and are not among the rows.
    """

    measure: str
    where: str
    rows: Mapping[str, Row]
    note: str = ""
    stale: tuple[str, ...] = ()


def pairs_of_batch_sizes(
    section: Sequence[Measured], regime: str
) -> dict[str, tuple[Measured, Measured]]:
    """Data set -> its series with the larger and the smaller batch, over the seeds of all of them.

    Empty where no data set has both, or too few seeds are in all.
    """
    found = {
        (each.label, each.variant["batch_size"]): each
        for each in section
        if each.variant["regime"] == regime
    }
    labels = [label for label, size in found if size == LARGER and (label, SMALLER) in found]
    labels.sort(key=lambda label: BY_CLASSES.index(label) if label in BY_CLASSES else 0)
    both = [found[label, size] for label in labels for size in (LARGER, SMALLER)]
    if not both or len(seeds := common_seeds(both)) < FEWEST_SEEDS:
        return {}
    return {
        label: (found[label, LARGER].only(seeds), found[label, SMALLER].only(seeds))
        for label in labels
    }


def batch_sizes(section: Sequence[Measured]) -> list[Family]:
    """Batch 64 and 32 as means over data sets, and the gain on each data set, by regime."""
    families = []
    for measure in ("heldout", "as_published"):
        for regime in REGIMES:
            old = [e for e in section if e.stale is not None and e.variant["regime"] == regime]
            if old:  # a mean over some of the data sets is another claim
                stale = tuple(dict.fromkeys(each.label for each in old))
                families.append(Family(measure=measure, where=regime, rows={}, stale=stale))
                continue
            pairs = pairs_of_batch_sizes(section, regime)
            if not pairs:
                continue
            rows: dict[str, Row] = {
                label: _gain(larger.ours(measure), smaller.ours(measure))
                for label, (larger, smaller) in pairs.items()
            }
            rows[f"batch {LARGER}"] = _mean([larger.ours(measure) for larger, _ in pairs.values()])
            rows[f"batch {SMALLER}"] = _mean([lower.ours(measure) for _, lower in pairs.values()])
            families.append(Family(measure=measure, where=regime, rows=rows))
    return families


def epochs(rows: Sequence[Measured]) -> list[Family]:
    """The best epoch and the last one of the same runs, by measure and student."""
    families = []
    for scored in ("label", "agreement"):
        for row in rows:
            if row.stale is not None:
                measure = f"{scored}_selected"
                families.append(
                    Family(measure=measure, where=row.label, rows={}, stale=(row.label,))
                )
                continue
            best, last, selected = (
                row.ours(f"{scored}_{epoch}") for epoch in ("best", "last", "selected")
            )
            families.append(
                Family(
                    measure=f"{scored}_selected",
                    where=row.label,
                    rows={"best epoch": selected, "last epoch": last},
                    note=(
                        f"best epoch {selected.mean - last.mean:+.3f} over the last; chosen on the"
                        f" images that it is scored on, {best.mean - last.mean:+.3f} (optimistic)"
                    ),
                )
            )
    return families


def _gain(larger: Ours, smaller: Ours) -> Differences:
    values = (a - b for a, b in zip(larger.values, smaller.values, strict=True))
    return Differences(seeds=larger.seeds, values=tuple(values))


def _mean(rows: Sequence[Ours]) -> Ours:
    """The mean over data sets, seed by seed; each set counts alike."""
    return Ours(
        seeds=rows[0].seeds,
        accuracies=tuple(fmean(values) for values in zip(*(r.values for r in rows), strict=True)),
        n=sum(row.n for row in rows),
        shared=rows[0].shared,
    )
