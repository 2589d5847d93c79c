"""Background threads change when results are made, and nothing else."""

import threading
import time

import pytest
import torch

from simclr_bench.experiments.execution.ahead import in_order


@pytest.fixture(params=[1, 2])
def torch_threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("workers", [0, 1, 2, 5])
def test_results_come_in_order_though_later_items_finish_first(workers):
    def slow_at_first(item: int) -> int:
        time.sleep(0.02 if item % 4 == 0 else 0)
        return item * item

    assert list(in_order(slow_at_first, range(20), workers)) == [n * n for n in range(20)]


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_nothing_gives_nothing(workers):
    assert list(in_order(str, [], workers)) == []


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_each_thread_computes_with_the_callers_torch_threads(workers, torch_threads):
    counts = set(in_order(lambda _: torch.get_num_threads(), range(8), workers))
    assert counts == {torch_threads}


@pytest.mark.parametrize("workers", [0, 1, 2, 4])
def test_the_first_failure_in_order_is_raised_after_the_results_before_it(workers):
    def fail(item: int) -> int:
        if item == 3:
            time.sleep(0.05)
            raise ValueError("the first in order")
        if item > 3:
            raise KeyError("the first in time")
        return item

    seen = []
    with pytest.raises(ValueError, match="the first in order"):
        for result in in_order(fail, range(10), workers):
            seen.append(result)
    assert seen == [0, 1, 2]


@pytest.mark.parametrize("workers", [1, 3])
def test_threads_run_ahead_by_at_most_two_items_each(workers):
    started, lock = [], threading.Lock()

    def count(item: int) -> int:
        with lock:
            started.append(item)
        return item

    results = in_order(count, range(100), workers)
    assert next(results) == 0
    deadline = time.monotonic() + 5
    while len(started) < 2 * workers + 1 and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(0.02)
    assert len(started) == 2 * workers + 1
    results.close()


def test_a_consumer_that_stops_early_stops_the_threads():
    before = threading.active_count()
    results = in_order(lambda item: item, range(1000), 2)
    next(results)
    assert threading.active_count() > before
    results.close()
    assert threading.active_count() == before
