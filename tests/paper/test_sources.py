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


def test_archives_are_sha256_and_no_two_data_sets_share_one() -> None:
    assert set(ARCHIVES) == set(TABLE_4.rows) and all(ARCHIVES.values())
    hashes = [each for archives in ARCHIVES.values() for each in archives]
    assert all(re.fullmatch("[0-9a-f]{64}", each) for each in hashes)
    assert len(set(hashes)) == len(hashes) == 6


def test_embedded_results_are_never_comparable() -> None:
    inputs = {"data": ARCHIVES["dtd"][0], "encoder": "w"}
    assert obstacles("embedded", inputs, "dtd", Official(checkpoints={"r": "w"})) == [
        "embedded stand-ins, not the paper's data or weights"
    ]


RIGHT = {"data": ARCHIVES["dtd"][0], "data_origin": "official archive", "encoder": "w"}
GOOGLE = "https://storage.googleapis.com/simclr-checkpoints/simclrv2/finetuned_1pct/r50_1x_sk0/m"
TORCHVISION = "https://download.pytorch.org/models/vgg16-397923af.pth"


def test_weights_are_official_by_a_pinned_hash_or_by_their_publishers_address() -> None:
    assert OFFICIAL.checkpoints == {}
    assert obstacles("paper", {**RIGHT, "encoder_origin": GOOGLE}, "dtd") == []
    assert obstacles("folder", RIGHT, "dtd", Official(checkpoints={"r50": "w"})) == []
    assert obstacles("folder", RIGHT, "dtd", Official(checkpoints={"r50": "v"})) == [
        "the weights are not an official checkpoint"
    ]


@pytest.mark.parametrize(
    ("origin", "why"),
    [
        ("random", "they are random"),
        ("file", "they are a file of the user's own"),
        ("trained", "they were trained here"),
        ("fetched", "they were not fetched from their publisher"),
        (GOOGLE.replace("https", "http"), GOOGLE.replace("https", "http")),
        (GOOGLE.replace("googleapis.com", "googleapis.com.example.org"), "example.org"),
        (TORCHVISION, TORCHVISION),  # official, of another network
    ],
)
def test_other_weights_are_not_and_the_reason_says_what_they_are(origin: str, why: str) -> None:
    (reason,) = obstacles("paper", {**RIGHT, "encoder_origin": origin}, "dtd")
    assert reason.startswith("the weights are not an official checkpoint (")
    assert why in reason


def test_a_students_base_has_an_address_of_its_own() -> None:
    official = {**RIGHT, "encoder_origin": GOOGLE, "base": "b", "base_origin": TORCHVISION}
    assert obstacles("paper", official, "dtd") == []
    (reason,) = obstacles("paper", {**official, "base_origin": "file"}, "dtd")
    assert (
        reason == "the student's base has no official weights (they are a file of the user's own)"
    )
    (reason,) = obstacles("paper", {**official, "base_origin": GOOGLE}, "dtd")
    assert "base" in reason


def test_data_are_official_by_the_archives_hash_and_by_what_was_taken_of_it() -> None:
    weights = {"encoder": "w", "encoder_origin": GOOGLE}
    for wrong in ({}, {"data": ARCHIVES["food_101"][0]}):
        assert obstacles("paper", {**weights, **wrong}, "dtd") == [
            "the data are not the official archive of dtd"
        ]
    for build in ARCHIVES["cats_vs_dogs"]:  # TensorFlow Datasets leaves the same images of both
        right = {**weights, "data": build, "data_origin": "official archive"}
        assert obstacles("paper", right, "cats_vs_dogs") == []
        assert len(obstacles("paper", right, "tf_flowers")) == 1
    folder = {**weights, "data": "c", "data_origin": "folder, its counts differ"}
    assert obstacles("paper", folder, "dtd") == [
        "the data are not the official archive of dtd (folder, its counts differ)"
    ]
    # An official archive of which corrupt files were left out.
    some = {**weights, "data": ARCHIVES["dtd"][0], "data_origin": "unofficial archive"}
    assert obstacles("paper", some, "dtd") == [
        "the data are not those of the archive of dtd (unofficial archive)"
    ]
    assert len(obstacles("folder", {}, "mine")) == 2
