"""The steps of a training, whatever its loss, from the newest checkpoint to the last step.

    state    parameters and buffers, the optimizer's slots, the scaler of float16, the step
    step     rate, loss of the batch, its gradient, update

Draws are addressed by the step, so the state is all that the next step depends on: on a CPU, a
training that was killed continues to the same bits. A GPU adds up in an order that may change.
Losses are read one step late, so that the host does not wait for the end of a step; before a
checkpoint all of them are.
"""

import math
import signal
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any, NoReturn

import torch
from torch import Tensor, nn

from simclr_bench.errors import Interrupted, JobError
from simclr_bench.training.engine.batches import Batch
from simclr_bench.training.engine.checkpoints import Checkpoint
from simclr_bench.training.engine.folder import TrainingFolder
from simclr_bench.training.engine.processes import World
from simclr_bench.training.engine.recipe import Precision
from simclr_bench.training.engine.state import collect_state, restore_state

DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}

Loss = Callable[[nn.Module, Batch], Tensor]


@dataclass(frozen=True, kw_only=True)
class Training:
    """What is trained, and how.

    Attributes:
        network: Holds what is trained, on its device.
        call: The network as a step calls it, where that is not itself.
        optimizer: Of its parameters.
        loss: Of the network and this process's share of a batch; the mean over processes is that of
            the whole batch.
        weight: What gradients are those of, times the loss; the log has the loss itself.
        batches: From a step on.
        steps: In all.
        rate: Learning rate of a step.
        precision: In which the network runs.
        checkpoint_every: Steps from one checkpoint to the next.
        history: What it has run on, kept with every checkpoint; JSON.
    """

    network: nn.Module
    call: nn.Module
    optimizer: torch.optim.Optimizer
    loss: Loss
    weight: float
    batches: Callable[[int], Generator[Batch]]
    steps: int
    rate: Callable[[int], float]
    precision: Precision
    checkpoint_every: int
    history: list[dict[str, Any]]


def train(
    training: Training,
    folder: TrainingFolder | None,
    world: World,
    *,
    start: Checkpoint | None,
    advance: Callable[[int, str], None],
) -> None:
    """Runs every step that is left.

    Args:
        training: What and how.
        folder: Where log and checkpoints go; None in processes other than the first.
        world: The processes.
        start: The checkpoint to continue from, the same in all processes.
        advance: Told of steps as their losses are known, with a word on the last.

    Raises:
        JobError: A loss is not finite, or memory does not suffice.
        DataError: An image does not decode, or the disk refuses.
        Interrupted: SIGTERM came; a checkpoint of the last step was written.
        KeyboardInterrupt: Likewise for SIGINT.
    """
    runner = _Runner(training, folder, world, advance)
    runner.restore(start)
    first, began = runner.step, time.monotonic()
    try:
        with _signals() as arrived, closing(training.batches(first)) as source:
            while runner.step < training.steps:
                runner.take(source, bool(arrived))
                last = runner.step == training.steps
                if last or runner.stop or runner.step % training.checkpoint_every == 0:
                    runner.save()
                if runner.stop and not last:
                    _interrupt(arrived)
    finally:
        if folder is not None:
            folder.note_time(first, runner.step, time.monotonic() - began)


class _Runner:
    """The state of a training, and the loss that has not been read yet."""

    def __init__(
        self,
        training: Training,
        folder: TrainingFolder | None,
        world: World,
        advance: Callable[[int, str], None],
    ) -> None:
        self._training, self._folder, self._world, self._advance = training, folder, world, advance
        self._scaler = torch.amp.GradScaler(
            world.device.type, enabled=training.precision == "float16"
        )
        self._unread: Tensor | None = None  # of the last step: loss, whether a signal came
        self.step = 0
        self.stop = False

    def restore(self, checkpoint: Checkpoint | None) -> None:
        if self._folder is not None:
            self._folder.continue_from(checkpoint)
        if checkpoint is None:
            return
        restore_state(self._training.network, self._training.optimizer, checkpoint.tensors)
        if self._scaler.is_enabled():
            self._scaler.load_state_dict(checkpoint.rest["scaler"])
        self.step = checkpoint.step
        self._advance(self.step, "")

    def take(self, source: Iterator[Batch], signal_came: bool) -> None:
        """One step; reads the loss of the one before."""
        batch: Batch | None = None
        try:
            batch = next(source)
            loss = self._update(batch, signal_came)
        except torch.OutOfMemoryError:
            loss = None
        if loss is None:  # not in the handler: what it holds on to must go before a second try
            fits = self._fitting(batch)
            words = f" ({fits} images would fit)" if fits else ""
            raise JobError(
                f"out of memory at step {self.step + 1}{words}; batch norm and negatives couple the"
                " images of a batch, so it cannot be computed in parts: try"
                " --activation-checkpointing, which computes the same in less memory, --precision"
                " bfloat16, more processes or a smaller --batch-size"
            )
        self._read()
        self._unread, self.step = loss, self.step + 1

    def _update(self, batch: Batch, signal_came: bool) -> Tensor:
        """Loss summed over processes, and how many of them a signal came to. [2]"""
        training, scaler = self._training, self._scaler
        for group in training.optimizer.param_groups:
            group["lr"] = training.rate(self.step)
        training.optimizer.zero_grad()
        loss = self._loss(batch)
        scaler.scale(training.weight * loss).backward()
        scaler.step(training.optimizer)
        scaler.update()
        # Filled on the device: a number copied there would wait for all that is queued.
        came = torch.full_like(loss, float(signal_came), dtype=torch.float64)
        both = torch.stack([loss.detach().double(), came])
        return self._world.sum(both)

    def _loss(self, batch: Batch) -> Tensor:
        precision = self._training.precision
        dtype = DTYPES.get(precision, torch.bfloat16)
        with torch.autocast(self._world.device.type, dtype, enabled=precision != "float32"):
            return self._training.loss(self._training.call, batch)

    def _fitting(self, batch: Batch | None) -> int | None:
        """How many images would have fit; the network is of no use after that."""
        if batch is None or self._world.size > 1:
            return None
        count = len(batch.images) // 2
        while count >= 2:
            self._training.optimizer.zero_grad()
            try:
                self._loss(batch.first(count)).backward()
                return count
            except torch.OutOfMemoryError:
                count //= 2
        return None

    def save(self) -> None:
        """Writes a checkpoint of the steps taken, all of whose losses are finite."""
        self._read()
        if self._folder is not None:
            tensors = collect_state(self._training.network, self._training.optimizer)
            rest = {"scaler": self._scaler.state_dict(), "history": self._training.history}
            self._folder.save(Checkpoint(step=self.step, tensors=tensors, rest=rest))
        self._world.wait()

    def _read(self) -> None:
        if self._unread is None:
            return
        total, signals = self._unread.tolist()
        self._unread = None
        loss, self.stop = total / self._world.size, self.stop or signals > 0
        rate = self._training.rate(self.step - 1)
        if not math.isfinite(loss):
            raise JobError(
                f"the loss became {loss} at step {self.step} of {self._training.steps} (rate"
                f" {rate:.3g}); checkpoints of earlier steps are kept: try a smaller"
                " --learning-rate, more --warmup-epochs or another --precision, with another --out"
            )
        if self._folder is not None:
            self._folder.log({"step": self.step, "loss": loss, "learning_rate": rate})
        self._advance(1, f"loss {loss:.3f}")


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Collects the first SIGINT or SIGTERM, for the end of a step; the second acts at once."""
    arrived: list[int] = []
    try:
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

        def note(number: int, frame: FrameType | None) -> None:
            arrived.append(number)
            for other, handler in before.items():
                signal.signal(other, handler)

        for number in before:
            signal.signal(number, note)
    except ValueError:  # not the main thread: signals go elsewhere
        yield arrived
        return
    try:
        yield arrived
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(arrived: list[int]) -> NoReturn:
    if arrived and arrived[0] == signal.SIGINT:
        raise KeyboardInterrupt
    raise Interrupted(
        "terminated; a checkpoint was written, and the same command continues from it"
    )
