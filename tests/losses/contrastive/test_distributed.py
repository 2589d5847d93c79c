"""Global batches: 2 and 3 processes over gloo against one process that has all rows."""

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, distributed, multiprocessing, nn
from torch.nn.parallel import DistributedDataParallel

from simclr_bench import NTXentLoss, nt_xent
from tests.losses.numerics import random

FEATURES, DIM = 6, 5


class Model(nn.Module):
    """A linear encoder, in float64, and a temperature to learn."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Linear(FEATURES, DIM, dtype=torch.float64)
        with torch.no_grad():
            self.encoder.weight.copy_(random(DIM, FEATURES, seed=5))
            self.encoder.bias.copy_(random(DIM, seed=6))
        self.temperature = nn.Parameter(torch.tensor(0.3, dtype=torch.float64))

    def forward(self, x0: Tensor, x1: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        # The temperature leaves through forward so that DistributedDataParallel sees its use.
        return self.encoder(x0), self.encoder(x1), self.temperature * 1


def images(pairs: int) -> tuple[Tensor, Tensor]:
    return random(pairs, FEATURES, seed=1), random(pairs, FEATURES, seed=2)


def slices(pairs: list[int]) -> list[slice]:
    starts = [sum(pairs[:rank]) for rank in range(len(pairs))]
    return [slice(start, start + count) for start, count in zip(starts, pairs, strict=True)]


def in_process(rank: int, size: int, folder: str, work: Callable[..., Any], *rest: Any) -> None:
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo",
        init_method=f"file://{folder}/meeting",
        rank=rank,
        world_size=size,
        timeout=timedelta(seconds=60),
    )
    try:
        result = work(rank, *rest)
    except Exception as error:  # kept for the test to look at; the other processes go on
        result = error
    torch.save(result, Path(folder, f"result-{rank}"))
    distributed.barrier()  # one that left first would take the connection from the others
    distributed.destroy_process_group()


def together(folder: Path, size: int, work: Callable[..., Any], *rest: Any) -> list[Any]:
    """What `work(rank, *rest)` returned, or raised, in each of `size` processes."""
    multiprocessing.spawn(in_process, (size, str(folder), work, *rest), nprocs=size)
    return [torch.load(folder / f"result-{rank}", weights_only=False) for rank in range(size)]


def one_step(rank: int, pairs: list[int], impl: str, factor: float) -> dict[str, Any]:
    """One step of SGD of the model under DistributedDataParallel."""
    model = DistributedDataParallel(Model())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    mine = slices(pairs)[rank]
    x0, x1 = images(sum(pairs))
    z0, z1, temperature = model(x0[mine], x1[mine])
    group = distributed.group.WORLD
    loss = nt_xent(z0, z1, temperature, group=group, impl=impl)
    gradients = torch.autograd.grad(loss, (z0, z1), retain_graph=True)
    (factor * loss).backward()
    optimizer.step()
    return {
        "loss": loss.detach(),
        "gradients": [gradient.detach() for gradient in gradients],
        "grad": [p.grad for p in model.module.parameters()],
        "parameters": [p.detach() for p in model.module.parameters()],
    }


@pytest.mark.parametrize("impl", ["fused", "chunked"])
@pytest.mark.parametrize("pairs", [[4, 4], [3, 3, 3], [5, 2], [1, 4, 2]], ids=str)
def test_processes_do_what_one_process_with_all_rows_does(
    tmp_path: Path, pairs: list[int], impl: str
) -> None:
    factor = 3.0
    got = together(tmp_path, len(pairs), one_step, pairs, impl, factor)
    model = Model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    z0, z1, temperature = model(*images(sum(pairs)))
    loss = nt_xent(z0, z1, temperature, impl="reference")
    of_z = torch.autograd.grad(loss, (z0, z1), retain_graph=True)
    (factor * loss).backward()
    optimizer.step()

    close = {"rtol": 1e-10, "atol": 1e-12}
    torch.testing.assert_close(
        sum(result["loss"] for result in got) / len(pairs), loss.detach(), **close
    )
    for part, result in zip(slices(pairs), got, strict=True):
        for gradient, want in zip(result["gradients"], of_z, strict=True):
            torch.testing.assert_close(gradient, len(pairs) * want[part], **close)
        for kind, wanted in (
            ("grad", [p.grad for p in model.parameters()]),
            ("parameters", list(model.parameters())),
        ):
            for value, want in zip(result[kind], wanted, strict=True):
                torch.testing.assert_close(value, want.detach(), **close)


def module_loss(rank: int) -> Tensor:
    x0, x1 = (x[:, :DIM] for x in images(6))
    mine = slice(3 * rank, 3 * rank + 3)
    return NTXentLoss(0.3, gather_distributed=True)(x0[mine], x1[mine])


def test_the_module_gathers_when_told_to(tmp_path: Path) -> None:
    got = together(tmp_path, 2, module_loss)
    x0, x1 = (x[:, :DIM] for x in images(6))
    torch.testing.assert_close(sum(got) / 2, nt_xent(x0, x1, 0.3, impl="reference"))


def unlike(rank: int, shapes: list[tuple[int, int]]) -> Tensor:
    z = torch.ones(shapes[rank], dtype=torch.float64)
    return nt_xent(z, z, group=distributed.group.WORLD)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ([(3, 4), (3, 5)], r"one length and dtype in all processes, got \[4, 5\]"),
        ([(3, 4), (0, 4)], r"every process needs rows, got \[3, 0\] pairs"),
    ],
)
def test_batches_that_do_not_go_together_are_refused_everywhere(
    tmp_path: Path, shapes: list[tuple[int, int]], message: str
) -> None:
    """In every process, since one that waits for the others would hang."""
    for error in together(tmp_path, 2, unlike, shapes):
        with pytest.raises(ValueError, match=message):
            raise error
