"""`pretrain`, `finetune` and `distill`: training of whole networks on a folder.

The same command continues a training that was stopped, and does nothing for one that is finished.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simclr_bench.cli.output import print_json, print_line
from simclr_bench.cli.progress import make_progress
from simclr_bench.errors import DataError, UsageError
from simclr_bench.experiments.provenance.fingerprint import source_fingerprint
from simclr_bench.experiments.settings.tree import usable_cores
from simclr_bench.training.engine.recipe import (
    Optimization,
    peak_rate,
    total_steps,
    warmup_steps,
)
from simclr_bench.training.full_size.recipes import (
    SMALL,
    DistillRecipe,
    FinetuneRecipe,
    SimclrRecipe,
    parse_network,
)

if TYPE_CHECKING:
    from simclr_bench.data.image_files import ImageFiles
    from simclr_bench.training.engine.processes import World
    from simclr_bench.training.full_size.run import Work

MOST_WORKERS = 16

# The module that a training's result comes from, with all that it imports.
CODE = {
    "pretrain": "simclr_bench.training.full_size.pretraining",
    "finetune": "simclr_bench.training.full_size.finetuning",
    "distill": "simclr_bench.training.full_size.distillation",
}
DONE = {"pretrain": "pretrained", "finetune": "fine-tuned", "distill": "distilled"}


def run(options: argparse.Namespace) -> int:
    """Runs `pretrain`, `finetune` or `distill`."""
    _require_apart(options.data, options.out)
    if options.dry_run:
        return _dry_run(options)

    from simclr_bench.training.engine.processes import joined
    from simclr_bench.training.full_size.run import Options, run_training
    from simclr_bench.training.full_size.sound_images import sound_images

    workers = _workers(options)
    with joined(options.device) as world:
        progress = make_progress(quiet=options.quiet or not world.first)
        images, skipped = world.shared(
            lambda: sound_images(
                options.data,
                options.out,
                skip_corrupt=options.skip_corrupt,
                workers=workers,
                progress=progress,
            )
        )
        circumstances = {
            "code": source_fingerprint(CODE[options.verb]),
            "skipped": [name for name, _ in skipped],
        }
        work = _work(options, images, world, workers, circumstances)
        where = Options(
            out=options.out,
            workers=workers,
            checkpoint_every=options.checkpoint_every,
            recompute=options.activation_checkpointing,
        )
        outcome = run_training(work, where, world, progress)
    if outcome is None:
        return 0
    document: dict[str, Any] = {
        "training": options.verb,
        "identity": work.identity,
        "images": work.images,
        "skipped": [{"file": name, "reason": reason} for name, reason in skipped],
        "steps": outcome.steps,
        "done_before": outcome.done_before,
        "first_loss": outcome.losses[0],
        "last_loss": outcome.losses[-1],
        "weights": str(outcome.weights),
        "sha256": outcome.sha256,
    }
    words = (
        f"{DONE[options.verb]} {work.shape.name} for {outcome.steps} steps on {work.images} images:"
        f" loss {outcome.losses[0]:.3f} at first, {outcome.losses[-1]:.3f} at last"
    )
    if options.verb == "finetune":
        result = document["heldout"] = _scored(options.out)
        low, high = result["interval"]["ends"]
        words += (
            f"; accuracy on held-out images {result['accuracy']:.3f} ({result['correct']} of"
            f" {result['n']}, 95 % interval {low:.3f} to {high:.3f})"
        )
    if skipped:
        words += f"; {len(skipped)} files left out, listed in skipped.json"
    if options.json:
        print_json(document)
    else:
        print_line(f"{words}; weights in {outcome.weights}")
    return 0


def _require_apart(data: Path, out: Path) -> None:
    """What a training writes must not be among the images that its next run finds."""
    if data.is_dir() and out.resolve().is_relative_to(data.resolve()):
        raise UsageError(
            f"--out {out}: is inside --data {data}, all of whose files are taken for images; give"
            " a directory outside it"
        )


def _scored(out: Path) -> dict[str, Any]:
    path = out / "result.json"
    try:
        result: dict[str, Any] = json.loads(path.read_bytes())
        return {key: result[key] for key in ("accuracy", "correct", "n", "interval")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path}: is missing or does not parse; delete {out / 'weights.json'} and run the same"
            " command: it takes no step, scores and writes both again"
        ) from error


def _work(
    options: argparse.Namespace,
    images: "ImageFiles",
    world: "World",
    workers: int,
    circumstances: dict[str, Any],
) -> "Work":
    if options.verb == "pretrain":
        from simclr_bench.training.full_size.pretraining import pretraining

        return pretraining(_simclr(options), images, world, circumstances)

    from simclr_bench.training.full_size.labeled import class_labels, split_labeled
    from simclr_bench.weights.load import load_encoder

    if options.verb == "distill":
        from simclr_bench.training.full_size.distillation import distillation

        teacher = load_encoder(options.teacher)
        known = class_labels(options.data, images) if options.hard_weight else None
        return distillation(_distill(options), teacher, images, known, world, circumstances)

    from simclr_bench.training.full_size.finetuning import finetuning

    start = load_encoder(options.weights)
    labeled = split_labeled(
        options.data, images, heldout_fraction=options.heldout, split_seed=options.split_seed
    )
    _require_sound(labeled.heldout, world, workers)
    recipe = FinetuneRecipe(
        image_size=options.image_size,
        from_layer=options.from_projection_layer,
        head_only=options.head_only,
        kernel=options.resize,
        optimization=_optimization(options, len(labeled.train)),
    )
    return finetuning(recipe, start, labeled, world, workers, circumstances)


def _require_sound(heldout: "ImageFiles", world: "World", workers: int) -> None:
    """Fails on a corrupt held-out image now, not after hours of training on the others."""
    from simclr_bench.data.image_files import undecodable

    found = world.shared(lambda: undecodable(heldout, workers, lambda: None))
    if found:
        name, reason = found[0]
        raise DataError(
            f"{heldout.directory / name}: {reason}; mend or remove it, or pass --skip-corrupt"
        )


def _simclr(options: argparse.Namespace) -> SimclrRecipe:
    return SimclrRecipe(
        shape=parse_network(options.network, options.image_size),
        image_size=options.image_size,
        temperature=options.temperature,
        projection_layers=options.projection_layers,
        strength=options.strength,
        blur=options.image_size > SMALL if options.blur is None else options.blur,
        kernel=options.resize,
        optimization=_optimization(options),
    )


def _distill(options: argparse.Namespace) -> DistillRecipe:
    if options.hard_weight > 1:
        raise UsageError(f"--hard-weight {options.hard_weight:g}: must be at most 1")
    return DistillRecipe(
        shape=parse_network(options.student, options.image_size, "--student"),
        image_size=options.image_size,
        temperature=options.temperature,
        hard_weight=options.hard_weight,
        kernel=options.resize,
        optimization=_optimization(options),
    )


def _optimization(options: argparse.Namespace, most: int | None = None) -> Optimization:
    batch = options.batch_size
    return Optimization(
        epochs=options.epochs,
        batch_size=batch if most is None else min(batch, most),
        optimizer=options.optimizer,
        learning_rate=options.learning_rate,
        scaling=options.scaling,
        warmup_epochs=options.warmup_epochs,
        momentum=options.momentum,
        weight_decay=options.weight_decay,
        precision=options.precision,
        seed=options.seed,
    )


def _workers(options: argparse.Namespace) -> int:
    if options.workers is not None:
        return int(options.workers)
    return min(MOST_WORKERS, usable_cores())


def _dry_run(options: argparse.Namespace) -> int:
    from simclr_bench.data.image_files import list_images

    found = list_images(options.data)
    images, most = len(found), None
    if options.verb == "finetune":
        from simclr_bench.training.full_size.labeled import split_labeled

        parts = split_labeled(
            options.data, found, heldout_fraction=options.heldout, split_seed=options.split_seed
        )
        images = most = len(parts.train)
    optimization = _optimization(options, most)
    document: dict[str, Any] = {
        "training": options.verb,
        "optimization": asdict(optimization),
        "files": len(found),
        "images": images,
        "steps": total_steps(optimization, images),
        "warmup_steps": warmup_steps(optimization, images),
        "peak_learning_rate": peak_rate(optimization),
    }
    name = {"pretrain": "network", "distill": "student"}.get(options.verb)
    if name is not None:
        shape = parse_network(getattr(options, name), options.image_size, f"--{name}")
        document |= {"network": asdict(shape), "parameters": shape.parameters}
    if options.json:
        print_json(document)
    else:
        print_line(
            f"would {options.verb} on {images} of {len(found)} files for {document['steps']} steps,"
            f" {document['warmup_steps']} of them warm-up to a rate of"
            f" {document['peak_learning_rate']:g}"
            + (f", a network of {document['parameters']:,} parameters" if name else "")
        )
    return 0
