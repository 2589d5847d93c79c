"""Which images make up each batch, and reading them ahead of their use.

The stream of images is endless: a seeded order of all of them, then another. Batches are cut from
it without regard to where an order ends, as in the official code; therefore none is short. Which
images are in a batch depends on its number alone: any number of threads gives the same batches.
"""

from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from simclr_bench.data.randomness import permutation

# What is read ahead of the batch in use, at most: a thousand photographs as a camera takes them
# would fill the memory of any machine.
AHEAD, AHEAD_BYTES = 2, 2**30  # batches

Read = Callable[[int], Tensor]


@dataclass(frozen=True, kw_only=True)
class Batch:
    """One process's share of a batch.

    Attributes:
        step: Number of the batch.
        images: uint8, of any sizes, on the device that trains. b of [3, H, W]
        numbers: Which images they are. [b]
        draws: Addresses of their random draws: another for every pass over the images. [b]
    """

    step: int
    images: list[Tensor]
    numbers: NDArray[np.int64]
    draws: NDArray[np.int64]

    def first(self, count: int) -> "Batch":
        """The first images alone."""
        part = slice(count)
        return Batch(
            step=self.step,
            images=self.images[part],
            numbers=self.numbers[part],
            draws=self.draws[part],
        )


def numbers_of(step: int, images: int, batch_size: int, seed: int) -> tuple[NDArray[np.int64], ...]:
    """The images of a batch.

    Args:
        step: Number of the batch, from 0.
        images: How many there are, n.
        batch_size: How many make up a batch.
        seed: Draws the order of each pass.

    Returns:
        Number of each image, and the address of its draws, pass · n + number. [batch_size] each
    """
    at = np.arange(step * batch_size, (step + 1) * batch_size)
    passes = at // images
    numbers = np.empty_like(at)
    for epoch in np.unique(passes):
        within = passes == epoch
        numbers[within] = _order(images, seed, int(epoch))[at[within] % images]
    return numbers, passes * images + numbers


@lru_cache(maxsize=2)
def _order(images: int, seed: int, epoch: int) -> NDArray[np.int64]:
    return permutation(images, seed, epoch, "training: order")


def batches(
    read: Read,
    images: int,
    *,
    batch_size: int,
    seed: int,
    start: int,
    steps: int,
    rank: int,
    size: int,
    workers: int,
    device: torch.device,
) -> Generator[Batch]:
    """This process's share of every batch from one step on.

    Args:
        read: Gives the image of a number, uint8 [3, H, W].
        images: How many there are.
        batch_size: Of all processes together.
        seed: Draws the order of each pass.
        start: First batch.
        steps: Batches of the whole training.
        rank: Number of this process.
        size: Number of processes; divides the batch size.
        workers: Threads that read ahead; 0 reads when a batch is due.
        device: Where to put the images.
    """
    share = slice(rank * batch_size // size, (rank + 1) * batch_size // size)

    def addressed(step: int) -> tuple[NDArray[np.int64], ...]:
        numbers, draws = numbers_of(step, images, batch_size, seed)
        return numbers[share], draws[share]

    def made(step: int, pixels: list[Tensor]) -> Batch:
        numbers, draws = addressed(step)
        return Batch(step=step, images=moved(pixels, device), numbers=numbers, draws=draws)

    if workers == 0:
        for step in range(start, steps):
            yield made(step, [read(int(number)) for number in addressed(step)[0]])
        return
    waiting: deque[list[Future[Tensor]]] = deque()
    ahead = 0  # of the first batch nothing is known
    with ThreadPoolExecutor(workers, thread_name_prefix="images") as pool:
        try:
            for step in range(start, steps):
                for later in range(step + len(waiting), min(step + ahead + 1, steps)):
                    numbers, _ = addressed(later)
                    waiting.append([pool.submit(read, int(number)) for number in numbers])
                pixels = [future.result() for future in waiting.popleft()]
                held = sum(image.nbytes for image in pixels)
                ahead = min(AHEAD, AHEAD_BYTES // max(held, 1))
                yield made(step, pixels)
        finally:
            for futures in waiting:
                for future in futures:
                    future.cancel()


def moved(images: list[Tensor], device: torch.device) -> list[Tensor]:
    """The images on a device, by one transfer for all of them."""
    if device.type == "cpu":
        return images
    flat = torch.cat([image.flatten() for image in images]).pin_memory()
    parts = flat.to(device, non_blocking=True).split([image.numel() for image in images])
    return [part.view(image.shape) for part, image in zip(parts, images, strict=True)]
