"""Loads, stores, atomic operations and what a launch may ask for."""

from functools import cache, reduce
from operator import and_, or_, xor
from pathlib import Path

import numpy as np
import pytest

from .emulator.build import emulate
from .emulator.library import SCHEDULES, EmulationError, Library, Schedule

int32 = np.int32
RNG = np.random.default_rng(0)


@cache
def memory() -> Library:
    return emulate(Path(__file__).parent / "kernels" / "memory.cu")


def test_vectors() -> None:
    x, out = np.arange(16, dtype=np.float32), np.zeros(16, np.float32)
    memory().call("run_vectors", x, out)
    assert (out == x[::-1]).all()


def test_a_vector_must_be_aligned_as_a_whole() -> None:
    x, out = np.zeros(20, np.float32), np.zeros(16, np.float32)
    aligned = -(x.ctypes.data // 4) % 4
    with pytest.raises(EmulationError, match=r"memory.cu:\d+: misaligned: 16 bytes"):
        memory().call("run_vectors", x[aligned + 1 :][:16], out)


def test_narrow_types_keep_their_sign() -> None:
    signed, unsigned = RNG.integers(-128, 128, 64, np.int8), RNG.integers(0, 256, 64, np.uint8)
    words = RNG.integers(-(2**15), 2**15, 64, np.int16)
    out, low = np.zeros((3, 64), int32), np.zeros(64, np.int8)
    memory().call("run_narrow", signed, unsigned, words, out, low)
    assert (out == np.stack([signed, unsigned, words[::-1]], dtype=int32)).all()
    assert (low == words.astype(np.int8)).all()


def test_local_arrays() -> None:
    x, out = RNG.integers(0, 100, (32, 8), int32), np.zeros(32, int32)
    memory().call("run_local", x, out)
    for row, result in zip(x.tolist(), out.tolist(), strict=True):
        table = list(row)
        for i, value in enumerate(row):
            table[value & 7] += i
        want = 0
        for i in range(8):
            want = want * 31 + table[(i + int(x[0, 0])) & 7]
        assert result == (want + 2**31) % 2**32 - 2**31


@pytest.mark.parametrize("choice", [0, 1])
def test_generic_addresses(choice: int) -> None:
    x, out = RNG.integers(-100, 100, 32, int32), np.zeros(32, int32)
    memory().call("run_generic", x, int32(choice), out)
    assert (out == (-x if choice else x)[::-1]).all()


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_atomics(schedule: Schedule) -> None:
    x = RNG.integers(-1000, 1000, 150, int32)
    bits = x.view(np.uint32).tolist()
    out = np.array([5, 0, 2**32 - 1, 0, 2**32 - 1, 0, 0, 1], np.uint32)
    sum_, large, old = np.zeros(1, np.float32), np.zeros(1), np.zeros((3, 50), np.uint32)
    memory().call("run_atomics", x, out, sum_, large, old, schedule=schedule)
    chain = 1
    for _ in range(150):
        chain = (chain * 3 + 1) % 2**32
    either = reduce(and_, (b | 1 for b in bits))
    want = [(5 + sum(bits)) % 2**32, x.max(), min(bits), reduce(or_, bits)]
    assert out.tolist() == [*want, either, reduce(xor, bits), 150 % 11, chain]
    assert sum_[0] == large[0] == x.sum()
    # Every thread of a block got another ticket.
    assert (np.sort(old, axis=1) == np.arange(50)).all()


def dynamic(numbers: int, *, threads: int = 64, missing: int = 0, attribute: int = -1) -> None:
    """A block that fills so many numbers of dynamic shared memory."""
    x, out = np.arange(64, dtype=int32), np.zeros(64, int32)
    sizes = (numbers, 4 * numbers - missing, threads, attribute)
    memory().call("run_dynamic", x, *map(int32, sizes), out)
    assert (out == np.arange(numbers - 1, numbers - 65, -1) % 64).all()


def test_more_than_48_kilobytes_must_be_asked_for() -> None:
    dynamic(12288)
    with pytest.raises(EmulationError, match="49156 bytes of dynamic shared memory"):
        dynamic(12289)
    dynamic(58112, attribute=227 << 10)
    with pytest.raises(EmulationError, match="232452 bytes of dynamic shared memory"):
        dynamic(58113)
    with pytest.raises(EmulationError, match="232449 bytes of dynamic shared memory"):
        dynamic(64, attribute=(227 << 10) + 1)


def test_shared_memory_ends_where_the_launch_says() -> None:
    with pytest.raises(
        EmulationError, match=r"memory.cu:\d+: shared memory: 4 bytes at 396 of 396"
    ):
        dynamic(100, missing=4)


@pytest.mark.parametrize("threads", [0, 65, 1025])
def test_a_block_has_as_many_threads_as_it_was_compiled_for(threads: int) -> None:
    with pytest.raises(EmulationError, match=f"a block of {threads} x 1 x 1 threads"):
        dynamic(100, threads=threads)


def test_the_registers_of_a_block_are_those_of_a_multiprocessor() -> None:
    library = emulate(Path(__file__).parent / "kernels" / "machine_code.cu")

    def launch(threads: int) -> None:
        x, out = np.ones((threads, 80), np.float32), np.zeros(threads, np.float32)
        library.call("run_many_registers", x, int32(threads), out)
        assert (out == 80).all()

    # ptxas gives each thread 81 to 96 of 65536: 21 warps have them, 26 do not.
    launch(672)
    with pytest.raises(EmulationError, match=r"832 x 1 x 1 threads, each with [89]\d registers"):
        launch(832)
