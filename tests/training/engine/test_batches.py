"""The stream of images: what is in a batch, whoever reads it."""

import threading
import time

import numpy as np
import pytest
import torch
from torch import Tensor

from simclr_bench.errors import DataError
from simclr_bench.training.engine import batches as module
from simclr_bench.training.engine.batches import Batch, batches, numbers_of

CPU = torch.device("cpu")


def image(number: int) -> Tensor:
    return torch.full((3, 2, 2 + number % 2), number, dtype=torch.uint8)


def read(
    *, workers: int, start: int = 0, rank: int = 0, size: int = 1, steps: int = 7, seed: int = 3
) -> list[Batch]:
    source = batches(
        image,
        10,
        batch_size=4,
        seed=seed,
        start=start,
        steps=steps,
        rank=rank,
        size=size,
        workers=workers,
        device=CPU,
    )
    return list(source)


def test_every_pass_has_every_image_once_across_the_ends_of_batches() -> None:
    stream = np.concatenate([batch.numbers for batch in read(workers=0)])
    assert len(stream) == 28
    assert sorted(stream[:10]) == sorted(stream[10:20]) == list(range(10))
    assert list(stream[:10]) != list(stream[10:20])
    assert len(set(stream[20:])) == 8


def test_draws_of_another_pass_have_other_addresses() -> None:
    draws = np.concatenate([batch.draws for batch in read(workers=0)])
    assert sorted(draws[:20]) == list(range(20))
    numbers, third = numbers_of(2, 10, 4, 3)
    assert list(third) == [numbers[0], numbers[1], 10 + numbers[2], 10 + numbers[3]]


def test_another_seed_is_another_order() -> None:
    assert any(
        list(a.numbers) != list(b.numbers)
        for a, b in zip(read(workers=0), read(workers=0, seed=4), strict=True)
    )


@pytest.mark.parametrize("workers", [1, 3])
def test_threads_change_nothing(workers: int) -> None:
    for ours, theirs in zip(read(workers=workers), read(workers=0), strict=True):
        assert ours.step == theirs.step
        assert list(ours.draws) == list(theirs.draws)
        for got, wanted in zip(ours.images, theirs.images, strict=True):
            assert torch.equal(got, wanted)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_later_start_is_the_rest_of_the_stream(workers: int) -> None:
    whole = read(workers=workers)
    for start in range(8):
        rest = read(workers=workers, start=start)
        assert [list(b.numbers) for b in rest] == [list(b.numbers) for b in whole[start:]]


def test_processes_share_a_batch_without_overlap() -> None:
    shares = [read(workers=0, rank=rank, size=2) for rank in range(2)]
    for whole, first, second in zip(read(workers=0), *shares, strict=True):
        assert list(whole.draws) == [*first.draws, *second.draws]


@pytest.mark.parametrize(("limit", "most"), [(0, 0), (90, 1), (2**30, 2)])
def test_large_images_are_not_read_ahead(
    monkeypatch: pytest.MonkeyPatch, limit: int, most: int
) -> None:
    """A batch of four has 48 to 72 bytes here."""
    monkeypatch.setattr(module, "AHEAD_BYTES", limit)
    begun = []

    def counted(number: int) -> Tensor:
        begun.append(number)
        return image(number)

    source = batches(
        counted,
        10,
        batch_size=4,
        seed=3,
        start=0,
        steps=7,
        rank=0,
        size=1,
        workers=2,
        device=CPU,
    )
    next(source)
    assert len(begun) == 4  # of the first batch nothing is known before
    next(source)
    limit_s = time.monotonic() + 30
    while len(begun) < 4 * (2 + most):
        assert time.monotonic() < limit_s
        time.sleep(0.001)
    assert len(begun) == 4 * (2 + most)
    source.close()


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_the_first_corrupt_image_of_the_stream_is_named_and_no_thread_is_left(
    workers: int,
) -> None:
    order = list(numbers_of(0, 10, 4, 3)[0]) + list(numbers_of(1, 10, 4, 3)[0])

    def broken(number: int) -> Tensor:
        if number in (order[5], order[6]):
            raise DataError(f"{number}.png: does not decode")
        return image(number)

    before = threading.active_count()
    source = batches(
        broken,
        10,
        batch_size=4,
        seed=3,
        start=0,
        steps=7,
        rank=0,
        size=1,
        workers=workers,
        device=CPU,
    )
    assert next(source).step == 0
    with pytest.raises(DataError, match=f"^{order[5]}.png"):
        next(source)
    assert threading.active_count() == before
