"""The catalog against what the paper's tables, its hashes and the sets' own rules say."""

import re
from urllib.parse import urlsplit

import pytest

from simclr_bench.datasets.catalog import DATASETS, JFIF_WINDOW, Dataset
from simclr_bench.paper.official import ARCHIVES
from simclr_bench.paper.sizes import TEST, TRAINING
from simclr_bench.paper.tables import TABLES

EVERY = pytest.mark.parametrize("dataset", DATASETS.values(), ids=DATASETS)


def test_the_sets_are_those_of_table_4_in_its_order() -> None:
    assert tuple(DATASETS) == tuple(TABLES["4"].rows) == tuple(ARCHIVES)
    assert [dataset.name for dataset in DATASETS.values()] == list(DATASETS)


def test_class_counts_are_those_that_table_4_prints() -> None:
    header, *rows = TABLES["4"].cells
    assert "class" in header[1].lower()
    printed = {row[0]: int(row[1]) for row in rows}
    assert {name: len(dataset.classes) for name, dataset in DATASETS.items()} == printed


@EVERY
def test_official_archives_are_the_same_everywhere_that_of_2021_first(dataset: Dataset) -> None:
    assert tuple(archive.sha256 for archive in dataset.archives) == ARCHIVES[dataset.name]


@EVERY
def test_images_are_as_many_as_were_there_in_2021(dataset: Dataset) -> None:
    if dataset.heldout:
        assert sum(dataset.counts["train"]) == TRAINING[dataset.name]
        assert sum(dataset.counts[dataset.heldout]) == TEST[dataset.name]
    else:
        assert set(dataset.counts) == {"all"}
        assert dataset.images == TRAINING[dataset.name] and dataset.name not in TEST


def test_images_in_all_are_as_published() -> None:
    published = {
        "cats_vs_dogs": 23_262,
        "tf_flowers": 3_670,
        "dtd": 5_640,
        "cifar_100": 60_000,
        "food_101": 101_000,
    }
    assert {name: dataset.images for name, dataset in DATASETS.items()} == published


@EVERY
def test_counts_are_one_for_each_class(dataset: Dataset) -> None:
    for split, counts in dataset.counts.items():
        assert split in ("all", "train", "validation", "test")
        assert len(counts) == len(dataset.classes) and min(counts) > 0


@EVERY
def test_one_way_of_holding_out(dataset: Dataset) -> None:
    assert bool(dataset.heldout) == (dataset.heldout_fraction is None)
    assert dataset.heldout in ("", *dataset.counts)


@EVERY
def test_class_names_are_unique_words(dataset: Dataset) -> None:
    assert len(set(dataset.classes)) == len(dataset.classes)
    for name in dataset.classes:
        assert re.fullmatch(r"[a-z]+([-_][a-z]+)*", name), name


def test_the_order_of_labels_is_that_of_tensorflow_datasets() -> None:
    is_sorted = {name: list(d.classes) == sorted(d.classes) for name, d in DATASETS.items()}
    assert is_sorted == {
        "cats_vs_dogs": True,
        "tf_flowers": False,
        "dtd": True,
        "cifar_100": True,
        "food_101": False,
    }
    flowers = DATASETS["tf_flowers"]
    assert dict(zip(flowers.classes, flowers.counts["all"], strict=True)) == {
        "dandelion": 898,
        "daisy": 633,
        "tulips": 799,
        "sunflowers": 699,
        "roses": 641,
    }
    assert DATASETS["cats_vs_dogs"].classes == ("cat", "dog")


def test_of_food_101_only_the_two_cheese_names_are_out_of_order() -> None:
    names = DATASETS["food_101"].classes
    assert (names[16], names[17]) == ("cheesecake", "cheese_plate")
    in_order = sorted(names)
    assert [n for n in range(101) if names[n] != in_order[n]] == [16, 17]


def test_landmarks_of_the_long_lists() -> None:
    """Indices as the sets' own files and public models have them."""
    assert [DATASETS["cifar_100"].classes[n] for n in (0, 1, 41, 77, 99)] == [
        "apple",
        "aquarium_fish",
        "lawn_mower",
        "snail",
        "worm",
    ]
    assert [DATASETS["dtd"].classes[n] for n in (0, 30, 46)] == [
        "banded",
        "polka-dotted",
        "zigzagged",
    ]
    assert [DATASETS["food_101"].classes[n] for n in (0, 50, 100)] == [
        "apple_pie",
        "grilled_salmon",
        "waffles",
    ]


@EVERY
def test_archives_can_be_fetched_safely(dataset: Dataset) -> None:
    names = [archive.name for archive in dataset.archives]
    assert len(set(names)) == len(names)
    for archive in dataset.archives:
        assert archive.size and archive.size > 10**8
        assert archive.sha256 and re.fullmatch(r"[0-9a-f]{64}", archive.sha256)
        assert archive.md5 is None or re.fullmatch(r"[0-9a-f]{32}", archive.md5)
        assert archive.urls and len(set(archive.urls)) == len(archive.urls)
        for url in archive.urls:
            parts = urlsplit(url)
            assert parts.scheme in ("https", "http") and parts.path.endswith(f"/{archive.name}")
        # What is encrypted comes first.
        schemes = [urlsplit(url).scheme for url in archive.urls]
        assert schemes == sorted(schemes, reverse=True)


def test_no_two_archives_share_a_name_or_a_hash() -> None:
    archives = [archive for dataset in DATASETS.values() for archive in dataset.archives]
    for values in ([a.name for a in archives], [a.sha256 for a in archives]):
        assert len(set(values)) == len(values)


def test_both_builds_of_cats_vs_dogs_are_known() -> None:
    """Double entry of url_checksums/cats_vs_dogs.txt, of 2021 and of version 4.9.10."""
    assert {(a.name, a.size, a.sha256) for a in DATASETS["cats_vs_dogs"].archives} == {
        (
            "kagglecatsanddogs_3367a.zip",
            824894548,
            "f9553e426bd725354ed3a27e3c6920caadb55c835d1ebd880d2e56d3f1fbb22b",
        ),
        (
            "kagglecatsanddogs_5340.zip",
            824887076,
            "b7974bd00a84a99921f36ee4403f089853777b5ae8d151c76a86e64900334af9",
        ),
    }


def test_sizes_and_md5s_of_the_others() -> None:
    """Double entry of TensorFlow Datasets' sizes, and of what torchvision and Toronto publish."""
    known = {
        "tf_flowers": (228813984, "6f87fb78e9cc9ab41eff2015b380011d"),
        "dtd": (625239812, "fff73e5086ae6bdbea199a49dfb8a4c1"),
        "cifar_100": (168513733, "03b5dce01913d631647c71ecec9e9cb8"),
        "food_101": (4996278331, "85eeb15f3717b99a5da872d97d918f87"),
    }
    for name, expected in known.items():
        (archive,) = DATASETS[name].archives
        assert (archive.size, archive.md5) == expected


def test_torchvision_has_the_same_md5s() -> None:
    from torchvision.datasets import DTD, Food101

    assert DATASETS["dtd"].archives[0].md5 == DTD._MD5
    assert DATASETS["food_101"].archives[0].md5 == Food101._MD5
    assert DTD._URL in DATASETS["dtd"].archives[0].urls
    assert Food101._URL in DATASETS["food_101"].archives[0].urls


def test_what_cats_vs_dogs_leaves_out() -> None:
    cats = DATASETS["cats_vs_dogs"]
    assert sum(cats.counts["all"]) - cats.dropped == 25_000 - 1_738 == cats.images
    assert [d.name for d in DATASETS.values() if d.dropped] == ["cats_vs_dogs"]


def test_the_window_is_what_peeking_into_a_zip_file_gives() -> None:
    """TensorFlow Datasets' rule, as it says it, with the mark at the edge of the window."""
    import io
    import os
    import zipfile

    for before, kept in ((JFIF_WINDOW - 4, True), (JFIF_WINDOW - 3, False)):
        for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            data = b"\x00" + os.urandom(before - 1).replace(b"J", b"j") + b"JFIF" + b"\x00" * 9999
            buffer = io.BytesIO()
            with zipfile.ZipFile(buffer, "w", method) as archive:
                archive.writestr("PetImages/Cat/0.jpg", data)
            with zipfile.ZipFile(buffer).open("PetImages/Cat/0.jpg") as file:
                assert (b"JFIF" in file.peek(10)) == kept == (b"JFIF" in data[:JFIF_WINDOW])


@EVERY
def test_people_are_told_what_they_may_do_and_who_made_it(dataset: Dataset) -> None:
    assert len(dataset.licence) > 20 and len(dataset.citation) > 20 and len(dataset.layout) > 20
    assert dataset.homepage.startswith("https://")
    assert dataset.decoded_bytes and dataset.decoded_bytes >= dataset.images * 3072
