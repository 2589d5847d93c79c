"""Work done ahead of its use: views are decoded and augmented while the encoder runs."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int
) -> Iterator[Result]:
    """`map`, with background threads that run a few items ahead of whoever consumes the results.

    Results are those of `map`, bit for bit and in its order, for any number of workers: each thread
    computes with the caller's number of torch threads. Memory holds at most two results a worker
    beside the one that is handed out.

    Args:
        function: What to do with an item; must not depend on the other items.
        items: Its inputs.
        workers: Background threads; 0 computes in line.

    Returns:
        An iterator over the results. It raises what `function` raised for the first item that
        failed, once the results before it have been handed out.
    """
    if workers == 0:
        yield from map(function, items)
        return
    # OpenMP counts threads per calling thread, and how sums are split is part of a result.
    threads = torch.get_num_threads()
    pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(threads,))
    try:
        remaining = iter(items)
        pending: deque[Future[Result]] = deque(
            pool.submit(function, item) for item in islice(remaining, 2 * workers)
        )
        while pending:
            result = pending.popleft().result()
            pending.extend(pool.submit(function, item) for item in islice(remaining, 1))
            yield result
    finally:
        # Also when the consumer stops early: what has started ends, what has not never starts.
        pool.shutdown(cancel_futures=True)
