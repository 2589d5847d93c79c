"""Draws are pure functions of their address, and behave like independent uniform numbers."""

import subprocess
import sys

import numpy as np
import pytest
from scipy import stats

from simclr_bench.data.randomness import bits, permutation, uniform

ADDRESS = {"seed": 3, "epoch": 5, "operation": "test"}


def splitmix64(state: int) -> int:
    word = (state + 0x9E3779B97F4A7C15) % 2**64
    word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    word = (word ^ (word >> 27)) * 0x94D049BB133111EB % 2**64
    return word ^ (word >> 31)


def test_one_images_draws_do_not_depend_on_the_batch_around_it():
    whole = bits(index=range(100), draws=4, **ADDRESS)
    shuffled = [17, 99, 0, 17]
    assert np.array_equal(bits(index=shuffled, draws=4, **ADDRESS), whole[shuffled])


def test_more_draws_extend_fewer():
    few, many = (bits(index=[2, 7], draws=draws, **ADDRESS) for draws in (3, 9))
    assert np.array_equal(many[:, :3], few)


def test_each_part_of_the_address_matters():
    addresses = [
        (seed, epoch, [index], operation, 1)
        for seed in (0, 1, 2**63)
        for epoch in (0, 1, 7)
        for index in (0, 1, 2**40)
        for operation in ("crop", "flip", "pilf")
    ]
    assert len({int(bits(*address)[0, 0]) for address in addresses}) == len(addresses)


def test_bits_have_known_values():
    expected = [
        [5443498415946055735, 880901448942654767],
        [5622208088600845504, 7475823103400770672],
    ]
    assert bits(0, 0, [0, 1], "x", 2).tolist() == expected


def test_draws_of_one_image_are_splitmix64_from_its_key():
    # The mixer is a bijection: undoing the first draw gives the state the second one starts from.
    def unshift(word: int, by: int) -> int:
        out = word
        for _ in range(64 // by + 1):
            out = word ^ (out >> by)
        return out

    first, second = (int(word) for word in bits(index=[11], draws=2, **ADDRESS)[0])
    state = unshift(first, 31) * pow(0x94D049BB133111EB, -1, 2**64) % 2**64
    state = unshift(state, 27) * pow(0xBF58476D1CE4E5B9, -1, 2**64) % 2**64
    assert splitmix64(unshift(state, 30)) == second


def test_draws_are_the_same_in_another_process():
    program = (
        "from simclr_bench.data.randomness import bits; print(bits(1, 2, [3], 'flip', 1)[0, 0])"
    )
    answers = {
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    }
    assert answers == {f"{bits(1, 2, [3], 'flip', 1)[0, 0]}\n"}


@pytest.mark.parametrize(
    "sample",
    [
        uniform(0, 0, range(50_000), "a", 1)[:, 0],
        uniform(0, 0, [0], "a", 50_000)[0],
        np.array([uniform(seed, 0, [0], "a", 1)[0, 0] for seed in range(5_000)]),
        np.array([uniform(0, epoch, [0], "a", 1)[0, 0] for epoch in range(5_000)]),
    ],
    ids=["over images", "over draws", "over seeds", "over epochs"],
)
def test_draws_are_uniform_along_every_axis(sample):
    assert sample.min() >= 0 and sample.max() < 1
    assert stats.kstest(sample, "uniform").pvalue > 1e-3
    # Successive values fill the square evenly, too.
    counts, _, _ = np.histogram2d(sample[:-1:2], sample[1::2], bins=10, range=[[0, 1], [0, 1]])
    assert stats.chisquare(counts.ravel()).pvalue > 1e-3


def test_neighboring_addresses_are_uncorrelated():
    base = uniform(0, 0, range(20_000), "a", 2)
    others = [
        base[:, 1],
        np.roll(base[:, 0], 1),
        uniform(1, 0, range(20_000), "a", 1)[:, 0],
        uniform(0, 1, range(20_000), "a", 1)[:, 0],
        uniform(0, 0, range(20_000), "b", 1)[:, 0],
    ]
    for other in others:
        assert stats.spearmanr(base[:, 0], other).pvalue > 1e-3


def test_every_bit_is_fair():
    words = bits(0, 0, range(20_000), "a", 1)[:, 0]
    ones = ((words[:, None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)).sum(axis=0)
    assert all(stats.binomtest(int(count), 20_000).pvalue > 1e-4 for count in ones)


def test_permutation_is_one_and_differs_by_epoch():
    first, second = (permutation(1000, 0, epoch, "order") for epoch in (0, 1))
    assert sorted(first) == list(range(1000))
    assert (first == second).sum() < 10
    assert np.array_equal(first, permutation(1000, 0, 0, "order"))


def test_permutations_of_three_are_equally_likely():
    orders = [tuple(permutation(3, seed, 0, "order")) for seed in range(6_000)]
    _, counts = np.unique(orders, axis=0, return_counts=True)
    assert len(counts) == 6
    assert stats.chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((-1, 0, [0], "a", 1), r"bits: seed must be in \[0, 2\*\*64\), got -1"),
        ((0, 2**64, [0], "a", 1), r"bits: epoch must be in \[0, 2\*\*64\), got"),
        ((0, 0, [-3], "a", 1), "bits: index must be non-negative, got -3"),
        ((0, 0, [[0]], "a", 1), r"bits: index must be \[B\], got shape \[1, 1\]"),
    ],
)
def test_bad_addresses_are_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match=message):
        bits(*arguments)
