"""The golden check: what a network made of fixed images when its weights were written.

A SHA-256 says that the bytes are the same. This says that they still mean the same: statistics of
the features and of every stage are stored with the weights, and compared before a run. A max-pool
that pads elsewhere, swapped channels, another epsilon in the batch norms, blocks in another order:
each moves them by far more than rounding does.

The images are formulas in whole numbers: the same bits on every machine. Whatever the device and
the precision of the run, the check is made on the CPU in float32.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from simclr_bench.errors import DataError

# Changed with the images or the statistics: what was stored under another name is not compared.
INPUT = "waves-1"

# Large enough for five halvings, with even sides up to the last one.
SIDE = 96

# Values of each feature vector that are stored as they are, and sums over all of them.
FIRST, SUMS = 8, 4

# The golden values are those of float64, which no machine's order of sums changes visibly. Float32
# may deviate by this many times what it did when they were made, and by LEAST_TOLERANCE anyhow,
# in shares of their vector's root mean square. Measured for r50 with batch norms as in a trained
# network: 5e-6 to 2e-5, as much for other numbers of threads; the smallest fault of
# tests/weights/test_golden.py moves them by 1e-2 and more.
TIMES_ROUNDING, LEAST_TOLERANCE = 30, 1e-4

# Beyond this a check says little: a network so deep in random weights amplifies each rounding.
LOOSE = 1e-2

# Below this share of their root mean square, the two images' features count as the same vector.
LEAST_DIFFERENCE = 1e-4

STAGES = ("layer1", "layer2", "layer3", "layer4")


def golden_images(side: int = SIDE) -> Tensor:
    """Two images in [0, 1]: slow triangle waves, and a texture without a period.

    Returns:
        float32, exact multiples of 1/255. [2, 3, side, side]
    """
    y = torch.arange(side).view(1, side, 1)
    x = torch.arange(side).view(1, 1, side)
    channel = torch.arange(3).view(3, 1, 1)
    waves = (x * (5 + 2 * channel) + y * (3 + channel) + 40 * channel) % 510
    waves = torch.minimum(waves, 510 - waves)
    texture = (x * x * 7 + x * y * (11 + channel) + y * y * 5 + 83 * channel) % 256
    return torch.stack([waves, texture]).float() / 255


def measure(
    network: nn.Module,
    heads: Mapping[str, Callable[[Tensor], Tensor]] | None = None,
    dtype: torch.dtype = torch.float32,
) -> dict[str, Any]:
    """Statistics of a network on the golden images.

    Args:
        network: Takes images in [0, 1], on the CPU, in evaluation mode.
        heads: What else is made of its features, [2, features] -> [2, any], by name.
        dtype: Of the network.

    Returns:
        A JSON object, what `compare` takes.

    Raises:
        DataError: Features are not finite, all zero, or the same for both images.
    """
    stages: dict[str, list[float]] = {}
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode())
        stack.enter_context(torch.autocast("cpu", enabled=False))
        stack.enter_context(_highest_precision())
        for name, module in _stages(network).items():
            stack.enter_context(_recording(module, name, stages))
        features = network(golden_images().to(dtype))
        outputs = {"features": features}
        outputs |= {name: head(features) for name, head in (heads or {}).items()}
        measured = {name: _summarized(output.double()) for name, output in outputs.items()}
    _refuse_dead(features)
    return {"input": INPUT, "side": SIDE, "stages": stages, **measured}


def golden_values(double: Mapping[str, Any], single: Mapping[str, Any]) -> dict[str, Any]:
    """What is stored with weights.

    Args:
        double: Of `measure` in float64.
        single: Of `measure` in float32.
    """
    rounding = max(_deviations(double, single).values())
    return {**double, "tolerance": max(LEAST_TOLERANCE, TIMES_ROUNDING * rounding)}


def compare(stored: Mapping[str, Any], found: Mapping[str, Any], where: str) -> float:
    """Compares what was stored with what the same weights give now.

    Args:
        stored: Of the weights file.
        found: Of `measure`, now.
        where: What they are, for the error.

    Returns:
        The largest deviation, as a share of the tolerance.

    Raises:
        DataError: One is larger than the tolerance, or something is missing.
    """
    if stored.get("input") != INPUT or stored.keys() - {"tolerance"} != found.keys():
        raise DataError(
            f"{where}: its golden values are of {stored.get('input')} with {', '.join(stored)},"
            f" this version's of {INPUT} with {', '.join(found)}; convert the weights again"
        )
    shares = {k: off / stored["tolerance"] for k, off in _deviations(stored, found).items()}
    place = max(shares, key=lambda key: shares[key])
    if not shares[place] <= 1:
        raise DataError(
            f"{where}: the network does not compute what it did when the weights were written:"
            f" {place} is off by {shares[place]:.3g} times the tolerance; it is built differently"
        )
    return shares[place]


def _deviations(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, float]:
    """The largest deviation of each vector of statistics, as a share of its root mean square."""
    return {
        f"{name} {key}": _deviation(wanted[name].get(key, []), values)
        for name, vectors in found.items()
        if isinstance(vectors, dict)
        for key, values in vectors.items()
    }


def _deviation(wanted: list[float], values: list[float]) -> float:
    if len(wanted) != len(values) or not all(map(math.isfinite, values)):
        return math.inf
    scale = math.sqrt(sum(value * value for value in wanted) / max(len(wanted), 1))
    largest = max((abs(a - b) for a, b in zip(wanted, values, strict=True)), default=0.0)
    if largest == 0:
        return 0.0
    return largest / scale if scale > 0 else math.inf


def _summarized(rows: Tensor) -> dict[str, list[float]]:
    """Root mean squares, first values and weighted sums of two vectors, in float64. [2, width]"""
    width = rows.shape[1]
    # Waves of different lengths: every value counts, and no order but the right one gives the sums.
    lengths = torch.arange(1, SUMS + 1, dtype=torch.float64).view(SUMS, 1) * (2.4 / SUMS)
    waves = torch.cos(lengths * torch.arange(width, dtype=torch.float64))
    scale = rows.square().mean(dim=1).sqrt()
    values = [rows[:, :FIRST], rows @ waves.T / math.sqrt(width), scale.view(2, 1)]
    return {"values": torch.cat(values, dim=1).flatten().tolist()}


def _refuse_dead(features: Tensor) -> None:
    if not torch.isfinite(features).all():
        raise DataError("the network gives features that are not finite")
    if not features.any():
        raise DataError("the network gives features that are all zero: its weights are not loaded")
    scale = features.square().mean().sqrt()
    if (features[0] - features[1]).abs().max() <= LEAST_DIFFERENCE * scale:
        raise DataError("the network gives the same features for different images")


def _stages(network: nn.Module) -> dict[str, nn.Module]:
    """The groups of a residual network, or the pools of a plain one, wherever it is wrapped."""
    modules = list(network.named_modules())
    groups = {name.rpartition(".")[2]: module for name, module in modules}
    found = {stage: groups[stage] for stage in STAGES if stage in groups}
    if found:
        return found
    pools = [module for _, module in modules if isinstance(module, nn.MaxPool2d)]
    return {f"pool{index + 1}": module for index, module in enumerate(pools)}


@contextmanager
def _highest_precision() -> Iterator[None]:
    """Products in float32, even where the program allows them to be shorter."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


@contextmanager
def _recording(module: nn.Module, name: str, into: dict[str, list[float]]) -> Iterator[None]:
    """Notes mean and deviation of a module's output for each image."""

    def note(module: nn.Module, inputs: Any, output: Tensor) -> None:
        values = output.double().flatten(1)
        into[name] = [*values.mean(dim=1).tolist(), *values.std(dim=1).tolist()]

    handle = module.register_forward_hook(note)
    try:
        yield
    finally:
        handle.remove()
