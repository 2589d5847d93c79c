"""What stands beside the tables: sizes, references, official hashes, inconsistencies."""

import re

import pytest

from simclr_bench.paper.inconsistencies import INCONSISTENCIES, bearing_on
from simclr_bench.paper.official import ARCHIVES, OFFICIAL, Official, obstacles
from simclr_bench.paper.references import REFERENCES
from simclr_bench.paper.sizes import sizes_of
from simclr_bench.paper.tables import FIGURES, TABLE_4, TABLES
from simclr_bench.verdicts.printed import Printed, column_decimals, common_meanings, read_printed


def column(number: str) -> dict[str, Printed]:
    table = TABLES[number]
    decimals = column_decimals(list(table.scores.values()))
    return {
        label: read_printed(text, sizes_of(table.experiment(label).dataset), decimals)
        for label, text in table.scores.items()
    }


def test_sizes_by_hand() -> None:
    assert sizes_of("tf_flowers") == {
        "one batch of 32": 32,
        "one batch of 64": 64,
        "one batch of 128": 128,
        "one batch of 256": 256,
        "30 batches of 64": 1920,
        "30 batches of 32": 960,
        "the training split": 3670,
        "a fifth of the training split, held out": 734,
    }
    assert sizes_of("food_101")["the official test split"] == 25_250
    assert sizes_of("cats_vs_dogs")["a fifth of the training split, held out"] == 4652


def test_table_4_admits_each_batch_and_gives_its_counts() -> None:
    printed = column("4")
    counts = {
        label: [each.least for each in found.candidates if each.n in (32, 64)]
        for label, found in printed.items()
    }
    assert counts == {
        "cats_vs_dogs": [32, 64],
        "tf_flowers": [29, 58],
        "dtd": [21, 42],
        "cifar_100": [8, 16],
        "food_101": [4, 8],
    }
    assert {"one batch of 64", "one batch of 32"} <= set(common_meanings(list(printed.values())))


def test_table_1_is_no_single_batch() -> None:
    printed = column("1")
    common = common_meanings(list(printed.values()))
    assert {"30 batches of 64", "the training split"} <= set(common)
    assert not [meaning for meaning in common if meaning.startswith("one batch")]
    excluded = {each.n: each.arithmetic for each in printed["Flipping only"].excluded}
    # 0.841 * 64 = 53.824: 53/64 = 0.828125, 54/64 = 0.84375.
    assert excluded[64].startswith("53/64 = 0.828125 and 54/64 = 0.84375: neither")


def test_table_2_fits_one_batch_of_64_only_if_cut_off() -> None:
    for label, correct in (("VGG16", 42), ("ResNet50", 46)):
        (batch,) = [each for each in column("2")[label].candidates if each.n == 64]
        assert (batch.least, batch.most) == (correct, correct)
        assert "is cut off" in batch.arithmetic and "rounds" not in batch.arithmetic


def test_references_match_a_second_transcription() -> None:
    second = {
        "food_101": [68.4, 72.3, 88.2, 88.3],
        "cifar_100": [71.6, 78.3, 85.9, 86.4],
        "dtd": [74.5, 74.9, 73.2, 74.6],
        "cats_vs_dogs": [83.6, 91.5, 89.2, 92.1],
        "tf_flowers": [91.2, 94.7, 97.0, 97.6],
    }
    values = {name: [100 * each.value for each in found] for name, found in REFERENCES.items()}
    assert set(values) == set(TABLE_4.rows)
    for name, percents in second.items():
        assert values[name] == pytest.approx(percents)


def test_other_data_sets_are_called_so() -> None:
    for name, found in REFERENCES.items():
        for reference in found:
            assert ("ANOTHER DATA SET" in reference.what) == (
                name in ("cats_vs_dogs", "tf_flowers")
            )


def test_there_are_25_inconsistencies_and_each_bears_on_something() -> None:
    known = {f"table {id}" for id in TABLES} | {f"figure {id}" for id in FIGURES}
    assert [each.number for each in INCONSISTENCIES] == list(range(1, 26))
    for each in INCONSISTENCIES:
        assert each.bears_on and set(each.bears_on) <= known and len(each.text) > 60
    for what in known:
        assert bearing_on(what), what
    assert any("0.873" in text and text.startswith("10. ") for text in bearing_on("table 1"))


def test_archives_are_sha256_and_there_is_one_per_data_set() -> None:
    assert set(ARCHIVES) == set(TABLE_4.rows)
    assert all(re.fullmatch("[0-9a-f]{64}", each) for each in ARCHIVES.values())
    assert len(set(ARCHIVES.values())) == 5


def test_embedded_results_are_never_comparable() -> None:
    assert obstacles("embedded", ARCHIVES["dtd"], "w", "dtd", Official(checkpoints={"r": "w"})) == [
        "embedded stand-ins, not the paper's data or weights"
    ]


def test_nothing_is_comparable_while_no_checkpoint_hash_is_published() -> None:
    assert OFFICIAL.checkpoints == {}
    (reason,) = obstacles("folder", ARCHIVES["dtd"], "w", "dtd")
    assert reason.startswith("no hash of the paper's checkpoint")


def test_only_both_official_hashes_are_comparable() -> None:
    official = Official(checkpoints={"r50": "w"})
    right = ARCHIVES["dtd"]
    assert obstacles("folder", right, "w", "dtd", official) == []
    assert obstacles("folder", right, "v", "dtd", official) == [
        "the weights are not an official checkpoint"
    ]
    for wrong in (None, ARCHIVES["food_101"]):
        assert obstacles("folder", wrong, "w", "dtd", official) == [
            "the data are not the official archive of dtd"
        ]
    assert len(obstacles("folder", None, None, "mine", official)) == 2
