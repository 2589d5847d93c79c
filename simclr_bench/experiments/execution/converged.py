"""A linear probe trained to convergence: the encoder check, and the class-count control."""

from simclr_bench.experiments.execution.classes import select_classes
from simclr_bench.experiments.execution.features import Bench
from simclr_bench.experiments.execution.outcome import Outcome
from simclr_bench.experiments.planning.jobs import Job
from simclr_bench.training.converged_probe import fit_probe


def run_converged(job: Job, bench: Bench) -> Outcome:
    """Fits one seed's probe on the evaluation views and predicts the held-out images.

    Args:
        job: A job of kind "converged".
        bench: Encoder, images and features.

    Returns:
        Predictions of the held-out images of the job's classes, by their numbers in the data set.

    Raises:
        RuntimeError: The fit did not converge.
        ValueError: The settings ask for what there is not.
    """
    settings = job.settings
    if settings["weights"] not in ("pretrained", "untrained"):
        raise ValueError(
            f"run_converged: weights must be pretrained or untrained, got {settings['weights']}"
        )
    data = bench.data(job.dataset)
    classes = select_classes(len(data.train.classes), settings["class_count"], settings["seed"])
    train = classes.members(data.train.labels)
    heldout = classes.members(data.heldout.labels)
    result = fit_probe(
        (
            bench.train_features(job.dataset, settings["weights"])[train],
            classes.ranks(data.train.labels[train]),
        ),
        bench.heldout_features(job.dataset, settings["weights"])[heldout],
        len(classes),
        seed=settings["seed"],
        index=train.numpy(),
        penalty=settings["penalty"],
        fraction=settings["fraction"],
    )
    return Outcome(
        details={**bench.describe(job.dataset), "gap": result.gap},
        arrays={
            "heldout_predicted": classes.original(result.predicted),
            "heldout_label": classes.compact(data.heldout.labels[heldout]),
        },
    )
