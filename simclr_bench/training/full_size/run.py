"""What every training of a full-size network does around its steps.

    before   the directory is held and is this training's; the newest checkpoint is checked
    after    DIR/weights.safetensors and .json: the trained parts, and where they came from

A training whose weights are there and sound is finished: the same command says so and does nothing.
"""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from simclr_bench.errors import DataError, JobError, UsageError
from simclr_bench.networks.shapes import ResNetShape
from simclr_bench.storage.files import file_sha256
from simclr_bench.storage.progress import Progress
from simclr_bench.training.engine.activations import recompute_blocks
from simclr_bench.training.engine.batches import Read, batches
from simclr_bench.training.engine.checkpoints import Checkpoint, read_newest
from simclr_bench.training.engine.folder import TrainingFolder
from simclr_bench.training.engine.loop import Loss, Training, train
from simclr_bench.training.engine.optimizers import make_optimizer
from simclr_bench.training.engine.processes import World, spread
from simclr_bench.training.engine.recipe import Optimization, rate_at, total_steps
from simclr_bench.weights.build import with_golden
from simclr_bench.weights.file import (
    PARTS,
    Provenance,
    check_weights,
    description_path,
    shape_fields,
    write_weights,
    writing_versions,
)

WEIGHTS = "weights.safetensors"


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a training is run; none of these changes its result.

    Attributes:
        out: Its directory.
        workers: Threads that read images ahead, in each process.
        checkpoint_every: Steps from one checkpoint to the next; None for a pass over the images.
        recompute: Whether blocks keep their inputs only and are computed again: less memory.
    """

    out: Path
    workers: int
    checkpoint_every: int | None
    recompute: bool


@dataclass(frozen=True, kw_only=True)
class Work:
    """What is trained.

    Attributes:
        title: In a few words.
        network: Its children "encoder", "projection" and "classifier" end up in the weights file.
        shape: Of the encoder.
        classifier_after: Layers of the projection head that the classifier is on.
        loss: Of the network and a batch.
        loss_weight: What gradients are those of, times the loss.
        read: Gives the image of a number, uint8 [3, H, W].
        images: How many there are.
        optimization: How it is trained.
        identity: All that determines the result; JSON.
        evaluate: Called with the directory, in process 0, before the weights are written.
    """

    title: str
    network: nn.Module
    shape: ResNetShape
    classifier_after: int = 0
    loss: Loss
    loss_weight: float = 1.0
    read: Read
    images: int
    optimization: Optimization
    identity: Mapping[str, Any]
    evaluate: Callable[[Path], None] = lambda out: None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A finished training.

    Attributes:
        weights: The safetensors file; its description is beside it.
        sha256: Of that file.
        steps: In all.
        done_before: Of these, those of earlier runs of the command.
        losses: Of every step, nats.
    """

    weights: Path
    sha256: str
    steps: int
    done_before: int
    losses: list[float]


def run_training(work: Work, options: Options, world: World, progress: Progress) -> Outcome | None:
    """Trains from the newest checkpoint, or from the start, to the end.

    Args:
        work: What is trained.
        options: Where and how.
        world: The processes.
        progress: Told how it goes; process 0 only speaks.

    Returns:
        The outcome, in process 0; None in the others.

    Raises:
        UsageError: The batch does not suit the images or processes, or the directory is another
            training's.
        DataError: An image, a checkpoint or the log is corrupt, or the disk refuses.
        StoreError: Another process holds the directory.
        JobError: A loss or a weight is not finite, or memory does not suffice.
    """
    check_batch(work.optimization, work.images, world)
    steps = total_steps(work.optimization, work.images)
    folder = TrainingFolder(options.out) if world.first else None
    with folder.held(work.identity) if folder else nullcontext():
        world.wait()
        weights = options.out / WEIGHTS
        if description_path(weights).exists():
            sha256, before = check_weights(weights).sha256, steps
        else:
            start = read_newest(options.out / "checkpoints")
            before = start.step if start else 0
            if world.total(before) != before * world.size:
                raise DataError(f"{options.out}: processes find different checkpoints in it")
            history = _train(work, options, world, folder, progress, start, steps)
            sha256 = _finish(work, weights, folder, steps, history) if folder else ""
        world.wait()
        if folder is None:
            return None
        return Outcome(
            weights=weights,
            sha256=sha256,
            steps=steps,
            done_before=before,
            losses=folder.losses(),
        )


def circumstances(world: World) -> dict[str, Any]:
    """What results depend on in their last bits only."""
    on_gpu = world.device.type == "cuda"
    return {
        "processes": world.size,
        "device": torch.cuda.get_device_name(world.device) if on_gpu else "cpu",
        "cpu": None if on_gpu else torch.backends.cpu.get_cpu_capability(),
        "threads": None if on_gpu else torch.get_num_threads(),
        "torch": torch.__version__,
    }


def _train(
    work: Work,
    options: Options,
    world: World,
    folder: TrainingFolder | None,
    progress: Progress,
    start: Checkpoint | None,
    steps: int,
) -> list[dict[str, Any]]:
    """Runs the steps that are left; returns what all of them ran on."""
    optimization, seed = work.optimization, work.optimization.seed
    history: list[dict[str, Any]] = list(start.rest["history"]) if start else []
    now = circumstances(world)
    if not history or history[-1]["on"] != now:
        if history and world.first:
            progress.say(
                f"this training ran on {_words(history[-1]['on'])} and continues on {_words(now)}:"
                " its numbers will not be, to the last bit, those of a run on one of them"
            )
        history.append({"from": start.step if start else 0, "on": now})
    call = spread(work.network.train(), world)
    if options.recompute:
        recompute_blocks(work.network)
    if world.device.type == "cuda":
        torch.backends.cudnn.benchmark = True  # shapes never change
    training = Training(
        network=work.network,
        call=call,
        optimizer=make_optimizer(work.network, optimization),
        loss=work.loss,
        weight=work.loss_weight,
        batches=lambda first: batches(
            work.read,
            work.images,
            batch_size=optimization.batch_size,
            seed=seed,
            start=first,
            steps=steps,
            rank=world.rank,
            size=world.size,
            workers=options.workers,
            device=world.device,
        ),
        steps=steps,
        rate=lambda step: rate_at(optimization, work.images, step),
        precision=optimization.precision,
        checkpoint_every=options.checkpoint_every or max(1, work.images // optimization.batch_size),
        history=history,
    )
    if not world.first:
        train(training, None, world, start=start, advance=lambda amount, note: None)
        return history
    with progress.stage(work.title, steps) as stage:
        train(training, folder, world, start=start, advance=stage.advance)
    return history


def _finish(
    work: Work, weights: Path, folder: TrainingFolder, steps: int, history: list[dict[str, Any]]
) -> str:
    """Writes the weights file; returns its SHA-256."""
    network = work.network.eval()
    state = {
        name: tensor.detach().cpu().contiguous()
        for name, tensor in network.state_dict().items()
        if name.partition(".")[0] in PARTS
    }
    if ruined := [name for name, tensor in state.items() if not torch.isfinite(tensor).all()]:
        raise JobError(
            f"{ruined[0]} is not finite after the last step; try a smaller --learning-rate, with"
            " another --out"
        )
    work.evaluate(folder.path)
    notes = [
        f"trained here for {steps} steps of {work.optimization.batch_size} images, {work.images}"
        " in a pass; run.json of its directory says how"
    ]
    if len(history) > 1:
        notes += [f"from step {each['from']} on {_words(each['on'])}" for each in history]
    provenance = Provenance(
        name=work.shape.name,
        shape=shape_fields(work.shape),
        normalization="unit",
        origin={
            "kind": "trained",
            "url": None,
            "files": {"run.json": file_sha256(folder.path / "run.json")},
            "official": False,
        },
        parts=[],
        classifier_after=work.classifier_after,
        versions=writing_versions(),
        notes=notes,
    )
    try:
        provenance = with_golden(state, provenance)
    except DataError as error:  # a poor network is an outcome too
        provenance = replace(provenance, notes=[*notes, f"no golden values: {error}"])
    return write_weights(weights, state, provenance).sha256


def check_batch(optimization: Optimization, images: int, world: World) -> None:
    """Refuses a batch that the images do not fill, or that processes cannot share evenly.

    Raises:
        UsageError: What does not suit.
    """
    batch = optimization.batch_size
    if images < 2 * world.size:
        raise UsageError(
            f"too few images to train on ({images}): batch norm needs 2 in each process, of which"
            f" there are {world.size}; add images"
        )
    if batch > images:
        raise UsageError(
            f"--batch-size {batch}: there are {images} images; give a batch of at most as many"
        )
    if batch % world.size or batch // world.size < 2:
        raise UsageError(
            f"--batch-size {batch}: give 2 images or more for each process, for batch norm, and as"
            f" many for each; processes: {world.size}"
        )


def _words(on: Mapping[str, Any]) -> str:
    parts = [f"{on['processes']} processes" if on["processes"] > 1 else "1 process", on["device"]]
    if on["threads"]:
        parts += [str(on["cpu"]), f"{on['threads']} threads"]
    return f"({', '.join(parts)}, torch {on['torch']})"
