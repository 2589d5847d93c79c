"""The runs that separate what the paper claims from what varies along with it.

encoder check   a probe trained to convergence, on the pretrained and on the untrained encoder
class count     classes drawn within one data set: images, resolution and noise stay the same
batch size      64 against 32 at equal iterations, at equal examples, and in one whole pass
"""

import math
from collections.abc import Sequence
from dataclasses import replace

from simclr_bench.experiments.planning.jobs import Series
from simclr_bench.experiments.planning.resolve import Sources, converged_jobs, head_jobs
from simclr_bench.paper.spec import Probe

CHECK_SEEDS = (0, 1, 2, 3, 4)

# The set of a hundred classes, of which fewer are drawn: the class counts of the paper's five sets,
# and two between.
CLASS_COUNT_SET = "cifar_100"
CLASS_COUNTS = (2, 5, 10, 20, 47, 100)
# At 10 classes, 30 iterations of 64: the paper's own number.
EXAMPLES_PER_CLASS = 192


def encoder_checks(sources: Sources, datasets: Sequence[str]) -> list[Series]:
    """What pretraining is worth on each data set."""
    return [
        Series(
            section="encoder check",
            label=dataset,
            variant={"weights": weights},
            jobs=converged_jobs(sources, dataset, CHECK_SEEDS, weights=weights),
        )
        for dataset in datasets
        for weights in ("pretrained", "untrained")
    ]


def class_count_series(sources: Sources, base: Probe, seeds: Sequence[int]) -> list[Series]:
    """Fewer classes of one data set: at equal examples, equal examples per class, converged.

    Args:
        sources: What the jobs are made from.
        base: The probe, at the batch size of the table.
        seeds: Each draws the classes; those of a smaller count are among those of a larger one.
    """
    base = replace(base, dataset=CLASS_COUNT_SET)
    counts = [count for count in CLASS_COUNTS if count <= sources.sets[CLASS_COUNT_SET].classes]
    series = []
    for regime in ("fixed total", "fixed per class", "converged"):
        for count in counts:
            if regime == "converged":
                jobs = converged_jobs(sources, base.dataset, seeds, class_count=count)
            else:
                per_class = math.ceil(EXAMPLES_PER_CLASS * count / base.batch_size)
                iterations = base.iterations if regime == "fixed total" else per_class
                probe = replace(base, class_count=count, iterations=iterations)
                jobs = head_jobs(sources, probe, seeds)
            series.append(
                Series(
                    section="class count",
                    label=f"{count} classes",
                    variant={"regime": regime, "class_count": count},
                    jobs=jobs,
                )
            )
    return series


def batch_size_series(
    sources: Sources,
    base: Probe,
    batch_sizes: Sequence[int],
    datasets: Sequence[str],
    seeds: Sequence[int],
) -> list[Series]:
    """Each batch size at equal iterations, at equal examples, and in one whole pass.

    Args:
        sources: What the jobs are made from.
        base: The probe, at the first batch size.
        batch_sizes: The table's.
        datasets: The table's.
        seeds: Seeds.
    """
    series = []
    for regime in ("equal iterations", "equal examples", "equal passes"):
        for dataset in datasets:
            for batch_size in batch_sizes:
                one_pass = regime == "equal passes"
                iterations = base.iterations
                if regime == "equal examples":
                    iterations = base.iterations * base.batch_size // batch_size
                elif one_pass:
                    iterations = math.ceil((sources.sets[dataset].train_images or 0) / batch_size)
                probe = replace(base, dataset=dataset, batch_size=batch_size, iterations=iterations)
                series.append(
                    Series(
                        section="batch size",
                        label=dataset,
                        variant={"regime": regime, "batch_size": batch_size},
                        jobs=head_jobs(sources, probe, seeds, single_pass=one_pass),
                    )
                )
    return series
