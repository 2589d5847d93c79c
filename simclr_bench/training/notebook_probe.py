"""The official fine-tuning notebook's loop: a linear head on a frozen encoder, scored as it learns.

    logits = features @ W + b          W Glorot-uniform, b zero
    update   heavy-ball SGD: v <- momentum v + (gradient + weight_decay W), W <- W - lr v

Each iteration takes the next batch of the stream, scores it with the weights of before its update
(that accuracy, of the last batch, is what the notebook prints), then updates. The notebook names a
LARS optimizer, but excludes this layer from both its trust ratio and its weight decay, which leaves
heavy-ball SGD.

The stream walks through the training images in a seeded order, a new one each pass. The encoder
never changes, so the features of the whole stream are computed first and shared by all batch sizes.

Source: google-research/simclr, colabs/finetuning.ipynb.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from simclr_bench.data.randomness import permutation, uniform


@dataclass(frozen=True, kw_only=True)
class HeadSettings:
    """What determines a head's training, given the features.

    Attributes:
        batch_size: Images in a batch.
        iterations: Updates, at most; a stream that ends sooner ends the training.
        learning_rate: Constant.
        momentum: Of the heavy ball, without dampening and without Nesterov's correction.
        weight_decay: Added to the gradient of W only, never to that of b.
        seed: Draws the initial W.
    """

    batch_size: int
    iterations: int
    learning_rate: float
    momentum: float
    weight_decay: float
    seed: int


@dataclass(frozen=True)
class HeadHistory:
    """A trained head, and how each batch fared before its own update.

    Attributes:
        weight: W after the last update. [F, C]
        bias: b after the last update. [C]
        predicted: Top-1 label of each image of the stream, before its batch's update. [T]
        correct: Images of each batch whose top-1 label was right. [iterations]
        sizes: Images in each batch. [iterations]
        losses: Mean cross-entropy of each batch, in nats. [iterations]
    """

    weight: Tensor
    bias: Tensor
    predicted: Tensor
    correct: tuple[int, ...]
    sizes: tuple[int, ...]
    losses: tuple[float, ...]


def image_stream(
    n: int, length: int, seed: int, *, single_pass: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which image comes when.

    Args:
        n: Images in the training set.
        length: Images wanted.
        seed: Draws the order of every pass.
        single_pass: End after the first pass, as the notebook's iterator does; otherwise the next
            pass follows at once in a new order, so that no batch is short.

    Returns:
        The pass, and the image's position in its set, of each image in turn.
        At most [length] each; shorter only for a single pass.
    """
    passes = 1 if single_pass else math.ceil(length / n)
    index = np.concatenate([permutation(n, seed, epoch, "order") for epoch in range(passes)])
    epoch = np.repeat(np.arange(passes), n)
    return epoch[:length], index[:length]


def train_head(
    features: Tensor,
    labels: Tensor,
    classes: int,
    settings: HeadSettings,
    on_batch: Callable[[int, float], None] | None = None,
) -> HeadHistory:
    """Runs the notebook's loop on the features of a stream.

    Args:
        features: Features of the stream's images, in order, float32. [T, F]
        labels: Their labels. [T]
        classes: Number of classes C.
        settings: How to train.
        on_batch: Called with each iteration's number and loss.

    Returns:
        The head and its history.

    Raises:
        FloatingPointError: The loss of a batch, or the head of after the last, is not finite.
    """
    width = features.shape[1]
    weight = glorot_uniform(width, classes, settings.seed)
    bias = torch.zeros(classes)
    velocity_w, velocity_b = torch.zeros_like(weight), torch.zeros_like(bias)
    predicted, correct, sizes, losses = [], [], [], []
    for step in range(settings.iterations):
        batch = slice(step * settings.batch_size, (step + 1) * settings.batch_size)
        x, y = features[batch], labels[batch]
        if not len(x):
            break
        logits = torch.addmm(bias, x, weight)
        loss = F.cross_entropy(logits, y).item()
        if not math.isfinite(loss):
            raise FloatingPointError(f"the loss became {loss} at iteration {step + 1}")
        predicted.append(logits.argmax(1))
        correct.append(int((predicted[-1] == y).sum()))
        sizes.append(len(x))
        losses.append(loss)
        if on_batch is not None:
            on_batch(step, loss)
        # d loss / d logits, in closed form: (softmax - one hot) / batch.
        slope = (logits.softmax(1) - F.one_hot(y, classes)) / len(x)
        velocity_w.mul_(settings.momentum).add_(x.T @ slope + settings.weight_decay * weight)
        velocity_b.mul_(settings.momentum).add_(slope.sum(0))
        weight -= settings.learning_rate * velocity_w
        bias -= settings.learning_rate * velocity_b
    if not (weight.isfinite().all() and bias.isfinite().all()):
        raise FloatingPointError(f"the head is no longer finite after iteration {len(losses)}")
    return HeadHistory(
        weight, bias, torch.cat(predicted), tuple(correct), tuple(sizes), tuple(losses)
    )


def glorot_uniform(fan_in: int, fan_out: int, seed: int, operation: str = "head") -> Tensor:
    """Keras' default kernel initializer: uniform within ±sqrt(6 / (fan_in + fan_out)).

    Args:
        fan_in: Inputs.
        fan_out: Outputs.
        seed: Seed of the run.
        operation: Name of the draw.

    Returns:
        float32. [fan_in, fan_out]

    Source: Glorot and Bengio, AISTATS 2010, Eq. 16.
    """
    limit = math.sqrt(6 / (fan_in + fan_out))
    draws = uniform(seed, 0, range(fan_in), operation, fan_out)
    return torch.from_numpy((2 * draws - 1) * limit).float()


def predict(head: HeadHistory, features: Tensor) -> Tensor:
    """Top-1 labels under the trained head.

    Args:
        head: A trained head.
        features: [n, F]

    Returns:
        Labels. [n]
    """
    return torch.addmm(head.bias, features, head.weight).argmax(1)
