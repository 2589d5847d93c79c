"""The embedded sets have the paper's class counts, are balanced, and share nothing."""

import pytest
import torch
from scipy import stats

from simclr_bench.data import embedded
from simclr_bench.data.dispositions import EMBEDDED_SETS

CLASSES = {"cats_vs_dogs": 2, "tf_flowers": 5, "dtd": 47, "cifar_100": 100, "food_101": 101}


@pytest.fixture(scope="module")
def loaded():
    return {name: embedded.load(name) for name in EMBEDDED_SETS}


def distinct(images: torch.Tensor) -> set[bytes]:
    return {image.numpy().tobytes() for image in images}


def test_the_five_sets_have_the_papers_class_counts():
    assert {name: chosen.classes for name, chosen in EMBEDDED_SETS.items()} == CLASSES
    assert all(name == chosen.name for name, chosen in EMBEDDED_SETS.items())


@pytest.mark.parametrize("name", CLASSES)
def test_both_splits_are_balanced_and_complete(name, loaded):
    for split in loaded[name]:
        counts = torch.bincount(split.labels)
        assert len(counts) == CLASSES[name] == len(split.classes) == len(set(split.classes))
        assert counts.min() == counts.max()
        assert len(split.images) == len(split.labels) >= 1920


def test_thirty_batches_of_64_never_repeat_an_image(loaded):
    for train, _ in loaded.values():
        assert len(distinct(train.images)) == len(train.images) >= 30 * 64


@pytest.mark.parametrize("name", CLASSES)
def test_no_image_is_in_both_splits(name, loaded):
    train, heldout = loaded[name]
    assert not distinct(train.images) & distinct(heldout.images)


@pytest.mark.parametrize("name", CLASSES)
def test_classes_have_recipes_of_their_own(name):
    recipes = embedded.class_recipes(name)
    apart = torch.cdist(recipes, recipes).fill_diagonal_(torch.inf)
    # An eighth of the unit cube's edge in one coordinate, or the like in several.
    assert apart.min() > 0.125


def test_recipes_are_shared_neither_between_sets_nor_with_the_pool():
    pool = embedded.pool_recipes(4096)
    everything = torch.cat([pool, *(embedded.class_recipes(name) for name in CLASSES)])
    apart = torch.cdist(everything, everything).fill_diagonal_(torch.inf)
    assert apart.min() > 0.125


def test_only_cifar_100_is_small(loaded):
    sides = {name: train.images.shape[2:] for name, (train, _) in loaded.items()}
    assert sides.pop("cifar_100") == (16, 16)
    assert set(sides.values()) == {(48, 48)}


def test_loading_twice_gives_the_same_images(loaded):
    for first, second in zip(loaded["dtd"], embedded.load("dtd"), strict=True):
        assert torch.equal(first.images, second.images)
        assert torch.equal(first.labels, second.labels)


def test_a_smaller_pool_is_the_beginning_of_a_larger_one():
    small, large = embedded.pretraining_pool(64), embedded.pretraining_pool(128)
    assert torch.equal(small, large[:64])
    assert len(distinct(large)) == 128


def test_images_of_one_class_vary_but_resemble_each_other(loaded):
    # Roughness of the texture: mean absolute difference of horizontal neighbors, in gray levels.
    for train, _ in loaded.values():
        roughness = train.images.float().diff(dim=3).abs().mean(dim=(1, 2, 3))
        groups = [roughness[train.labels == label].numpy() for label in range(len(train.classes))]
        assert min(group.std() for group in groups) > 0.1
        assert stats.f_oneway(*groups).pvalue < 1e-20


def test_an_unknown_set_is_refused_with_the_known_ones():
    with pytest.raises(
        ValueError, match=r"embedded: name must be one of cats_vs_dogs, .* got mnist"
    ):
        embedded.load("mnist")
