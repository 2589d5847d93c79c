"""What trainings of small networks share: AdamW, its schedule, and a fixed number of threads."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


def adamw(
    network: nn.Module, *, learning_rate: float, betas: tuple[float, float], weight_decay: float
) -> torch.optim.AdamW:
    """AdamW that decays convolution and linear weights only, not biases and batch norms.

    Args:
        network: What to train.
        learning_rate: Of the first step.
        betas: Decay of the two moments.
        weight_decay: Relative to the learning rate.
    """
    weights = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    others = [parameter for parameter in network.parameters() if parameter.ndim == 1]
    return torch.optim.AdamW(
        [
            {"params": weights, "weight_decay": weight_decay},
            {"params": others, "weight_decay": 0.0},
        ],
        lr=learning_rate,
        betas=betas,
    )


def warmup_cosine(step: int, *, steps: int, warmup: float, peak: float) -> float:
    """Learning rate of one step: linear warmup, then a cosine that ends at zero.

    Args:
        step: Steps already taken.
        steps: Steps in all.
        warmup: Steps of the warmup.
        peak: The largest rate.
    """
    if step < warmup:
        return peak * (step + 1) / (warmup + 1)
    done = (step - warmup) / (steps - warmup)
    return peak * 0.5 * (1 + math.cos(math.pi * done))


@contextmanager
def fixed_threads(count: int) -> Iterator[None]:
    """Runs the block with `count` torch threads: sums are split by thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
