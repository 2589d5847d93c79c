"""Features block by block: read where they are kept, computed where they are not."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any, TypeVar

import torch
from torch import Tensor

from simclr_bench.experiments.execution.ahead import in_order
from simclr_bench.experiments.execution.extraction import Extractor, Network
from simclr_bench.experiments.execution.kept import Block, KeptBlocks

Part = TypeVar("Part")


def block_features(
    network: Network,
    parts: Mapping[int, Part],
    views: Callable[[Part], Tensor],
    extractor: Extractor,
    *,
    workers: int,
    identity: Mapping[str, Any] | None = None,
) -> list[Block]:
    """Features of the views of some blocks.

    Several processes that want the same blocks of kept features share the work: each computes
    those that no other has begun, and then waits for the rest.

    Args:
        network: Frozen.
        parts: What each block shows, by its number; ascending.
        views: Makes the views of a block. -> [B, 3, S, S]
        extractor: Runs the network.
        workers: Background threads that prepare views; 0 for none.
        identity: All that determines the features, if they are to be kept on disk.

    Returns:
        The blocks, in order.

    Raises:
        DataError: A kept block is corrupt, or the cache cannot be written.
    """
    if identity is None:
        computed = _computed(network, parts, iter(parts), views, extractor, workers)
        return [block for _, block in computed]
    with closing(KeptBlocks(identity)) as kept:
        found: dict[int, Block] = {}
        others: list[int] = []

        def mine() -> Iterator[int]:
            for number in parts:
                if (block := kept.read(number)) is not None:
                    found[number] = block
                elif not kept.claim(number, wait=False):
                    others.append(number)
                elif (block := kept.read(number)) is not None:  # finished between the two
                    kept.release(number)
                    found[number] = block
                else:
                    yield number

        for number, block in _computed(network, parts, mine(), views, extractor, workers):
            kept.write(number, block)
            kept.release(number)
            found[number] = block
        for number in others:
            kept.claim(number, wait=True)
            there = kept.read(number)
            if there is None:  # whoever had it is gone
                ((_, there),) = _computed(network, parts, iter([number]), views, extractor, 0)
                kept.write(number, there)
            kept.release(number)
            found[number] = there
        return [found[number] for number in parts]


def joined(blocks: Sequence[Block]) -> Tensor:
    """The rows of blocks, one after another. [n, F]"""
    return torch.cat([block.features for block in blocks])


def _computed(
    network: Network,
    parts: Mapping[int, Part],
    numbers: Iterator[int],
    views: Callable[[Part], Tensor],
    extractor: Extractor,
    workers: int,
) -> Iterator[tuple[int, Block]]:
    def shown(number: int) -> tuple[int, Tensor]:
        return number, views(parts[number])

    for number, images in in_order(shown, numbers, workers):
        features = extractor(network, images)
        # After the call, which may have had to run fewer than before.
        made = {"device": extractor.device, "at_a_time": extractor.at_a_time or len(images)}
        yield number, Block(features, made)
