"""Less memory for the same mathematics: blocks that are computed again in the backward pass.

Batch norms in a block would follow the statistics of a batch twice, once each time; in the second
pass they follow none. The gradients are those of the plain network.

Source: Chen et al., "Training deep nets with sublinear memory cost" (arXiv:1604.06174).
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint


def recompute_blocks(network: nn.Module) -> None:
    """Makes every residual block of a network keep its input only, in place.

    Args:
        network: Its blocks are the children of its nn.Sequential modules called "layer...".
    """
    for name, module in network.named_modules():
        if isinstance(module, nn.Sequential) and name.split(".")[-1].startswith("layer"):
            for block in module:
                block.forward = partial(_recomputed, block, block.forward)


def _recomputed(block: nn.Module, forward: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    if not block.training:
        return forward(x)

    def contexts() -> tuple[AbstractContextManager[Any], AbstractContextManager[Any]]:
        return nullcontext(), _statistics_left_alone(block)

    out: Tensor = checkpoint(
        forward, x, use_reentrant=False, preserve_rng_state=False, context_fn=contexts
    )
    return out


@contextmanager
def _statistics_left_alone(block: nn.Module) -> Iterator[None]:
    norms = [module for module in block.modules() if isinstance(module, _BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    counters = [norm.num_batches_tracked for norm in norms if norm.num_batches_tracked is not None]
    counts = [counter.clone() for counter in counters]
    for norm in norms:
        # Not without statistics: as many tensors as the first time are kept for the backward pass.
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        for counter, count in zip(counters, counts, strict=True):
            counter.copy_(count)
