"""NT-Xent over the batches of all processes of a group.

Each process returns W/N times the sum over its own rows, for W processes with N rows in all, so
that the mean over processes is the loss of the global batch. Its gradient is W times that of the
global loss with respect to its own rows, which is what gathering the embeddings differentiably
would give: averaged by DistributedDataParallel, the parameters get the gradient of the global
batch, the temperature included.

Exchanged are the embeddings and a few numbers per row. No gradient travels: a row's gradient needs
the rows of others and their statistics, not their gradients. That holds as long as every process
multiplies its loss by the same number before it calls backward.
"""

from types import ModuleType
from typing import Any

import torch
from torch import Tensor, distributed

from simclr_bench.losses.contrastive.reference import Objective
from simclr_bench.losses.dispatch import second_derivative_refused


def reduced(
    objective: Objective,
    z0: Tensor,
    z1: Tensor,
    temperature: float | Tensor,
    *,
    mean: bool,
    group: distributed.ProcessGroup,
    implementation: ModuleType,
    options: dict[str, Any],
) -> Tensor:
    """This process's share of the global loss: see the module's docstring. []

    Args:
        objective: "nt_xent" or "decoupled".
        z0: This process's first views; processes may have different numbers of them. [B, D]
        z1: Its second views. [B, D]
        temperature: tau > 0, the same in every process.
        mean: Whether the mean over processes is the mean over all rows, else their sum.
        group: The processes; each calls this the same number of times.
        implementation: `fused` or `chunked_among`, for `forward_among` and `backward_among`.
        options: What both of them are told besides, by name.

    Raises:
        ValueError: In every process, if one has no rows, or rows of another length or dtype.

    Source: SimCLR (arXiv:2002.05709), section 2.2 (global batches).
    """
    learned = temperature if isinstance(temperature, Tensor) else None
    share: Tensor = _Share.apply(
        z0, z1, learned, temperature, objective, mean, group, implementation, options
    )
    return share


def default_group() -> distributed.ProcessGroup | None:
    """The default process group, if it exists and has several processes."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return None
    return distributed.group.WORLD if distributed.get_world_size() > 1 else None


def _shapes(z0: Tensor, group: distributed.ProcessGroup) -> list[int]:
    """The number of pairs of each process; raises in all of them if they do not go together."""
    size = distributed.get_world_size(group)
    mine = torch.tensor([*z0.shape, z0.element_size()], device=z0.device)
    every = [torch.empty_like(mine) for _ in range(size)]
    distributed.all_gather(every, mine, group=group)
    shapes = torch.stack(every).tolist()
    if any(0 in shape for shape in shapes):
        raise ValueError(f"nt_xent: every process needs rows, got {[s[0] for s in shapes]} pairs")
    if any(shape[1:] != shapes[0][1:] for shape in shapes):
        raise ValueError(
            "nt_xent: rows must have one length and dtype in all processes, got"
            f" {[shape[1] for shape in shapes]} of {[shape[2] for shape in shapes]} bytes"
        )
    return [shape[0] for shape in shapes]


def _gather_others(x: Tensor, pairs: list[int], group: distributed.ProcessGroup) -> Tensor:
    """The `x` [2, pairs, K] of all other processes, one after the other. [2, pairs of others, K]"""
    rank = distributed.get_rank(group)
    # Gathering wants one shape; the rows that fill it up are cut off again.
    padded = x.new_zeros(2, max(pairs), x.shape[2])
    padded[:, : x.shape[1]] = x
    every = [torch.empty_like(padded) for _ in pairs]
    distributed.all_gather(every, padded, group=group)
    return torch.cat(
        [every[other][:, : pairs[other]] for other in range(len(pairs)) if other != rank]
        or [x[:, :0]],
        dim=1,
    )


class _Share(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        z0: Tensor,
        z1: Tensor,
        learned: Tensor | None,
        temperature: float | Tensor,
        objective: Objective,
        mean: bool,
        group: distributed.ProcessGroup,
        implementation: ModuleType,
        options: dict[str, Any],
    ) -> Tensor:
        pairs = _shapes(z0, group)
        others = _gather_others(torch.stack([z0, z1]), pairs, group)
        rows, statistics = implementation.forward_among(
            objective, z0, z1, others, temperature, **options
        )
        weight = len(pairs) / (2 * sum(pairs)) if mean else float(len(pairs))
        share = weight * rows.sum()
        ctx.implementation = implementation.__name__.rpartition(".")[2].removesuffix("_among")
        if not any(ctx.needs_input_grad):
            return share
        # [K, 2 B] to [2, B, K] and back, as embeddings travel.
        kinds = statistics.shape[0]
        mine = statistics.view(kinds, 2, -1).permute(1, 2, 0)
        theirs = _gather_others(mine, pairs, group).permute(2, 0, 1).reshape(kinds, -1)
        gradients = implementation.backward_among(
            objective,
            z0,
            z1,
            others,
            torch.cat([statistics, theirs], dim=1),
            weight,
            temperature,
            **options,
        )
        ctx.save_for_backward(z0, z1, learned, *gradients)
        return share

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        z0, z1, learned, *gradients = ctx.saved_tensors
        grad_z0, grad_z1, grad_temperature = _Scale.apply(
            ctx.implementation, grad, z0, z1, learned, *gradients
        )
        grad_temperature = None if learned is None else grad_temperature.to(learned)
        return grad_z0, grad_z1, grad_temperature, None, None, None, None, None, None


class _Scale(torch.autograd.Function):
    """The saved gradients times the upstream one; refuses to be differentiated."""

    @staticmethod
    def forward(ctx: Any, implementation: str, grad: Tensor, *tensors: Any) -> Any:
        ctx.implementation = implementation
        _, _, _, *gradients = tensors
        return tuple(gradient * grad for gradient in gradients)

    @staticmethod
    def backward(ctx: Any, *_: Tensor) -> Any:
        raise second_derivative_refused("nt_xent", ctx.implementation)
