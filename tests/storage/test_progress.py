"""Bytes of a download, told as megabytes."""

from collections.abc import Iterator
from contextlib import contextmanager

from simclr_bench.storage.progress import LINE_EVERY, MEGABYTE, fetching


class Told:
    """Counts what it is told."""

    def __init__(self) -> None:
        self.total, self.size, self.lines = 0, 0, []

    @contextmanager
    def stage(self, description: str, total: int) -> Iterator["Told"]:
        self.size = total
        yield self

    def advance(self, amount: int = 1, note: str = "") -> None:
        self.total += amount

    def say(self, text: str) -> None:
        self.lines.append(text)


def test_megabytes_add_up_whatever_comes_and_goes() -> None:
    told = Told()
    with fetching(told, "x.zip", 2 * MEGABYTE + 3) as advance:
        for amount in (1, MEGABYTE - 1, 1, 5 * MEGABYTE, -5 * MEGABYTE, 3):
            advance(amount)
        assert (told.total, told.size, told.lines) == (2, 3, [])
        advance(-MEGABYTE - 4)
    assert told.total == 0


def test_without_a_size_there_is_a_line_now_and_then() -> None:
    told = Told()
    with fetching(told, "x.zip", None) as advance:
        for _ in range(2 * LINE_EVERY + 1):
            advance(MEGABYTE)
    assert told.lines == [f"fetching x.zip, MB: {n * LINE_EVERY}" for n in (1, 2)]
    assert told.total == told.size == 0


def test_nobody_need_listen() -> None:
    with fetching(None, "x.zip", MEGABYTE) as advance:
        advance(MEGABYTE)
