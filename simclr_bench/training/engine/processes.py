"""The processes of a training: one, or those that torchrun started, with a device each.

A batch is that of all processes: each takes its share, batch norms see all of it, and gradients are
averaged, so that two processes compute what one would with the whole batch.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, distributed, nn
from torch.distributed.nn.functional import all_reduce
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from simclr_bench.errors import UsageError

T = TypeVar("T")

# As long as process 0 may look through a folder while the others wait.
PATIENCE = timedelta(hours=6)


@dataclass(frozen=True, kw_only=True)
class World:
    """This process among the others.

    Attributes:
        rank: Its number.
        size: How many there are.
        device: What it computes on.
    """

    rank: int
    size: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether this is the process that writes and speaks."""
        return self.rank == 0

    @property
    def group(self) -> distributed.ProcessGroup | None:
        """All processes, or None where there is one."""
        return distributed.group.WORLD if self.size > 1 else None

    def sum(self, x: Tensor) -> Tensor:
        """The sum over processes, in place."""
        if self.size > 1:
            distributed.all_reduce(x)
        return x

    def total(self, value: int) -> int:
        """The sum of a number over processes."""
        return int(self.sum(torch.tensor(value, device=self.device)))

    def shared(self, make: Callable[[], T]) -> T:
        """What `make` returns, called in process 0 alone."""
        if self.size == 1:
            return make()
        holder = [make() if self.first else None]
        distributed.broadcast_object_list(holder, src=0, device=self.device)
        value: Any = holder[0]
        return cast("T", value)

    def wait(self) -> None:
        """Returns once all processes have called this."""
        if self.size > 1:
            distributed.barrier()


@contextmanager
def joined(device: str) -> Iterator[World]:
    """Joins the processes that torchrun started, if it did.

    Args:
        device: "auto", "cpu" or "cuda".

    Raises:
        UsageError: There is no such device here.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda: torch finds no CUDA device here; use --device cpu")
    kind = device
    if device == "auto":
        kind = "cuda" if torch.cuda.is_available() else "cpu"
    size, local = (
        int(os.environ.get(name, d)) for name, d in (("WORLD_SIZE", 1), ("LOCAL_RANK", 0))
    )
    if kind == "cuda":
        if local >= torch.cuda.device_count():
            raise UsageError(
                f"torchrun started process {local} of this machine, which has"
                f" {torch.cuda.device_count()} CUDA devices; start one process for each"
            )
        torch.cuda.set_device(local)
    chosen = torch.device(kind, local) if kind == "cuda" else torch.device("cpu")
    if size == 1:
        yield World(rank=0, size=1, device=chosen)
        return
    distributed.init_process_group("nccl" if kind == "cuda" else "gloo", timeout=PATIENCE)
    try:
        yield World(rank=distributed.get_rank(), size=size, device=chosen)
    finally:
        distributed.destroy_process_group()


def spread(network: nn.Module, world: World) -> nn.Module:
    """The network as every process runs it: on its device, with batch norms over all processes.

    Args:
        network: Moved and changed in place; its names stay.
        world: The processes.

    Returns:
        What to call for a step; `network` keeps the parameters.
    """
    network.to(world.device)
    if world.size == 1:
        return network
    synchronise_batch_norms(network, world)
    devices = [world.device] if world.device.type == "cuda" else None
    return DistributedDataParallel(network, device_ids=devices, broadcast_buffers=False)


def synchronise_batch_norms(network: nn.Module, world: World) -> None:
    """Makes every batch norm of a network see the batches of all processes, in place."""
    if world.device.type == "cuda":
        nn.SyncBatchNorm.convert_sync_batchnorm(network)
        return
    for module in network.modules():
        # A class of its own, not a wrapper: names of parameters stay.
        if isinstance(module, _BatchNorm):
            module.__class__ = GlobalBatchNorm


class GlobalBatchNorm(_BatchNorm):
    """Batch norm over the batches of all processes, on the CPU, where torch has none.

    As nn.SyncBatchNorm: the mean and the biased variance of all rows normalise, the unbiased
    variance is what the running one follows.
    """

    def _check_input_dim(self, input: Tensor) -> None:
        if input.ndim < 2:
            raise ValueError(f"GlobalBatchNorm: input must be [B, C, ...], got {list(input.shape)}")

    def forward(self, input: Tensor) -> Tensor:
        """[B, C, ...] -> [B, C, ...]"""
        if not self.training:
            return super().forward(input)
        x = input.float() if input.dtype in (torch.bfloat16, torch.float16) else input
        over = [dim for dim in range(x.ndim) if dim != 1]
        count = distributed_sum(x.new_tensor(float(x.numel() // x.shape[1])))
        mean = all_reduce(x.sum(over)) / count
        shape = [1, -1] + [1] * (x.ndim - 2)
        centered = x - mean.view(shape)
        variance = all_reduce(centered.square().sum(over)) / count
        if self.track_running_stats:
            self._follow(mean.detach(), (variance * count / (count - 1)).detach())
        scale = (variance + self.eps).rsqrt()
        if self.weight is not None:
            scale = scale * self.weight
        out = centered * scale.view(shape)
        if self.bias is not None:
            out = out + self.bias.view(shape)
        return out.to(input.dtype)

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor) -> None:
        assert self.running_mean is not None and self.running_var is not None
        assert self.num_batches_tracked is not None and self.momentum is not None
        self.num_batches_tracked.add_(1)
        self.running_mean.lerp_(mean.to(self.running_mean), self.momentum)
        self.running_var.lerp_(variance.to(self.running_var), self.momentum)


def distributed_sum(x: Tensor) -> Tensor:
    """The sum over processes, in place, without a gradient."""
    distributed.all_reduce(x)
    return x
