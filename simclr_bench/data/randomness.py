"""Counter-based randomness: every draw is a pure function of where it is used.

A draw is addressed by (seed, epoch, index, operation, draw) and there is no generator whose state
an earlier draw could have moved. The augmentation of image 17 in epoch 3 is therefore the same
alone or in a batch, first or last, resumed or not.

    key  = mix(mix(mix(mix(hash(operation)) ^ seed) ^ epoch) ^ index)     one word per image
    bits = mix(key + (draw + 1) * golden)                                  SplitMix64 from that key

`mix` is SplitMix64's output function, a bijection of 64-bit words, so two different images of one
(seed, epoch, operation) never share a key.

Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Index = Sequence[int] | NDArray[np.integer]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_WORD = 2**64


def bits(seed: int, epoch: int, index: Index, operation: str, draws: int) -> NDArray[np.uint64]:
    """Independent 64-bit words.

    Args:
        seed: Seed of the run, in [0, 2**64).
        epoch: Pass over the data, in [0, 2**64).
        index: Position of each image in its data set, not in the batch; non-negative. [B]
        operation: What the draws are for; different operations are independent.
        draws: Words per image.

    Returns:
        Words. [B, draws]

    Raises:
        ValueError: A seed, epoch or index is negative or does not fit in 64 bits.

    Source: see the module.
    """
    for name, word in (("seed", seed), ("epoch", epoch)):
        if not 0 <= word < _WORD:
            raise ValueError(f"bits: {name} must be in [0, 2**64), got {word}")
    positions = np.asarray(index)
    if positions.ndim != 1:
        raise ValueError(f"bits: index must be [B], got shape {list(positions.shape)}")
    if positions.size and positions.min() < 0:
        raise ValueError(f"bits: index must be non-negative, got {positions.min()}")
    key = np.full(positions.shape, _hash(operation), dtype=np.uint64)
    for words in (np.uint64(seed), np.uint64(epoch), positions.astype(np.uint64)):
        key = _mix(key) ^ words
    counters = (np.arange(draws, dtype=np.uint64) + np.uint64(1)) * _GOLDEN
    return _mix(_mix(key)[:, None] + counters)


def uniform(seed: int, epoch: int, index: Index, operation: str, draws: int) -> NDArray[np.float64]:
    """Independent uniform numbers in [0, 1), multiples of 2**-53.

    Args:
        seed: Seed of the run.
        epoch: Pass over the data.
        index: Position of each image in its data set. [B]
        operation: What the draws are for.
        draws: Numbers per image.

    Returns:
        Uniform numbers. [B, draws]
    """
    words = bits(seed, epoch, index, operation, draws) >> np.uint64(11)
    return words.astype(np.float64) * 2.0**-53


def permutation(n: int, seed: int, epoch: int, operation: str) -> NDArray[np.int64]:
    """A uniformly random order of n things.

    Args:
        n: How many.
        seed: Seed of the run.
        epoch: Pass over the data.
        operation: What the order is for.

    Returns:
        Each of 0 .. n-1 once. [n]
    """
    return np.argsort(bits(seed, epoch, range(n), operation, 1)[:, 0], kind="stable")


def _hash(operation: str) -> np.uint64:
    # Python's own hash of a string changes from one process to the next.
    digest = hashlib.blake2b(operation.encode(), digest_size=8).digest()
    return np.uint64(int.from_bytes(digest, "little"))


def _mix(word: NDArray[np.uint64]) -> NDArray[np.uint64]:
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))
