"""Drawn classes are nested, and keep their numbers."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from simclr_bench.experiments.execution.classes import select_classes


def test_a_smaller_draw_is_among_every_larger_one_of_its_seed():
    for seed in range(20):
        sizes = [2, 5, 10, 20, 46, 47]
        drawn = [set(select_classes(47, count, seed).numbers.tolist()) for count in sizes]
        assert [len(numbers) for numbers in drawn] == sizes
        assert all(a < b for a, b in pairwise(drawn))
        assert drawn[-1] == set(range(47))


def test_seeds_draw_other_classes_and_each_class_as_often():
    counts = np.zeros(10)
    for seed in range(1000):
        counts[select_classes(10, 3, seed).numbers.numpy()] += 1
    # 300 expected, standard deviation 14.5
    assert counts.min() > 240 and counts.max() < 360


def test_ranks_and_numbers_are_each_others_inverse():
    chosen = select_classes(300, 40, 1)
    numbers = chosen.numbers
    assert numbers.tolist() == sorted(numbers.tolist()) and len(chosen) == 40
    assert chosen.ranks(numbers).tolist() == list(range(40))
    back = chosen.original(torch.tensor([39, 0]))
    assert back.tolist() == [numbers[39], numbers[0]] and back.dtype == np.uint16


def test_members_are_the_images_of_these_classes_in_their_order():
    chosen = select_classes(6, 2, 0)
    first, second = chosen.numbers.tolist()
    other = next(n for n in range(6) if n not in (first, second))
    labels = torch.tensor([other, second, first, other, second])
    assert chosen.members(labels).tolist() == [1, 2, 4]


@pytest.mark.parametrize(("total", "dtype"), [(2, np.uint8), (256, np.uint8), (257, np.uint16)])
def test_numbers_are_stored_in_the_smallest_type(total, dtype):
    everything = select_classes(total, None, 0)
    assert everything.compact(torch.tensor([total - 1])).dtype == dtype
    assert everything.compact(torch.tensor([total - 1])).tolist() == [total - 1]


@pytest.mark.parametrize("count", [0, 1, 11, -2])
def test_counts_out_of_range_are_refused(count):
    with pytest.raises(ValueError, match=f"class_count must be 2 to 10, got {count}"):
        select_classes(10, count, 0)
