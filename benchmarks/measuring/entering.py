"""Lets a provider into a race: built, run once, and compared with float64."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from benchmarks.grid.cells import Cell, LossCell
from benchmarks.grid.cuda import SMALL
from benchmarks.measuring.devices import DEVICES, Call
from benchmarks.measuring.truth import Inputs, cast, errors, exact, make_inputs, step
from benchmarks.providers.networks import Extraction
from benchmarks.providers.provider import LossFunction, Provider


@dataclass(frozen=True)
class Entry:
    """A provider that runs in a cell.

    Attributes:
        call: What is timed.
        facts: The fields of a record that are known before any time is taken.
    """

    call: Call
    facts: dict[str, Any]


def entrance(cell: Cell) -> Callable[[Provider], Entry]:
    """What lets providers into a cell; inputs and truth are made once."""
    # Beyond eight shapes of one function, compile gives up and runs eager without a word. Here and
    # not at each provider: what was compiled for those before it would be compiled again, in time.
    torch._dynamo.reset()
    torch.compiler.config.force_disable_caches = True  # a first run's compile time, not a second's
    if not isinstance(cell, LossCell):
        return lambda provider: enter_call(provider, cell)
    inputs = make_inputs(cell)
    truth = exact(cell, inputs)
    return lambda provider: enter_loss(provider, cell, inputs, truth)


def enter_call(provider: Provider, cell: Cell) -> Entry:
    """A provider whose builder gives the call itself."""
    start = time.perf_counter()
    call = provider.builders[cell.work](cell)
    call()
    DEVICES[cell.device].wait()
    facts: dict[str, Any] = {"peak_mb": DEVICES[cell.device].peak_mb(call)}
    if provider.compiled:
        facts["compile_s"] = time.perf_counter() - start
    if isinstance(call, Extraction):
        facts["loss_error"] = call.error()
    return Entry(call, facts)


def enter_loss(
    provider: Provider, cell: LossCell, inputs: Inputs, truth: tuple[float, Tensor]
) -> Entry:
    """A provider of a loss; its errors are against the cell's loss, whatever it computes.

    Raises:
        ArithmeticError: The loss or its gradient is not finite.
    """
    device = DEVICES[cell.device]
    own = cast(inputs, provider.dtype)
    function = provider.builders[cell.loss](cell)
    start = time.perf_counter()
    loss, gradients = step(function, own)
    device.wait()
    facts: dict[str, Any] = {}
    if provider.compiled:
        facts["compile_s"] = time.perf_counter() - start
    found = errors(truth, loss, gradients)
    if not all(map(math.isfinite, found)):
        raise ArithmeticError("the loss or its gradient is not finite")
    facts |= dict(zip(("loss_error", "gradient_error"), found, strict=True))
    del loss, gradients
    small = (cell.rows, cell.columns) in SMALL
    if provider.name == "fused" and small:
        # Of the operator itself: the gradient of the loss, 1, is there beforehand.
        one = torch.ones((), device=cell.device)
        facts["kernels"] = device.kernels_of(
            lambda: torch.autograd.grad(function(*own.arguments), own.leaves, one)
        )
    call = call_of(cell, function, own)
    facts["peak_mb"] = None if cell.mode == "graph" else device.peak_mb(call)
    return Entry(call, facts)


def call_of(cell: LossCell, function: LossFunction, inputs: Inputs) -> Call:
    """What is timed of a loss in the mode of a cell; captures a graph for "graph"."""
    if cell.mode == "forward":

        def forward() -> Tensor:
            with torch.no_grad():
                return function(*inputs.arguments)

        return forward

    if cell.mode == "step":
        return lambda: step(function, inputs)

    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            step(function, inputs)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        kept = step(function, inputs)

    def replay() -> tuple[Tensor, tuple[Tensor, ...]]:
        graph.replay()
        return kept

    return replay


def why_it_failed(error: Exception) -> str:
    """One line; not to fit in memory is no defect."""
    if isinstance(error, torch.OutOfMemoryError):
        return "out of memory"
    first, *_ = str(error).strip().splitlines() or [""]
    return f"failed: {type(error).__name__}: {first}"
