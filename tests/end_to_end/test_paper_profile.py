"""The paper profile through the real commands: each data set from an archive in its real format.

ResNet-50 at 224 pixels, with random weights since no test downloads any; all else is as it is with
Google's: the archive is taken in, decoded and verified, its images are viewed and run. What is slow
is small: a few images, of a few classes where the set has many, two seeds, one pass over them.
"""

from pathlib import Path
from typing import Any

import pytest

from simclr_bench.datasets.catalog import DATASETS
from tests.command import Command
from tests.datasets.miniature import make_miniature, write_archive
from tests.report.test_schema import VALIDATOR

# Images of each class in each split, and the classes that have any.
IMAGES: dict[str, tuple[int, tuple[str, ...] | None]] = {
    "cats_vs_dogs": (3, None),
    "tf_flowers": (2, None),
    "dtd": (1, ("banded", "polka-dotted", "zigzagged")),
    "cifar_100": (1, ("apple", "bear", "worm")),
    "food_101": (1, ("baklava", "cheesecake", "cheese_plate")),
}
RUN = (
    *("reproduce", "--table", "4", "--profile", "paper", "--weights", "random:0", "--seeds", "2"),
    *("--batch-size", "64", "--set", "probe.iterations=2", "--set", "probe.single_pass=true"),
)


@pytest.mark.parametrize("name", IMAGES)
def test_a_row_of_table_4_from_an_archive_to_a_cell(
    name: str, command: Command, tmp_path: Path
) -> None:
    per_class, only = IMAGES[name]
    miniature = make_miniature(name, per_class=per_class, only=only, sides=(48, 90))
    archive = write_archive(miniature, tmp_path)
    taken = command("data", "import", name, archive, "--unofficial", "--json")
    assert taken.code == 0, taken.stderr
    imported = taken.json["imported"]
    assert imported["classes"] == list(DATASETS[name].classes)  # the classes without images too
    lacking = "".join(imported["deviations"])
    assert ("train: no image of " in lacking) == (only is not None)
    verified = command("data", "verify", name, "--json")
    assert verified.code == 0 and verified.json == {"faults": {name: []}}

    result = command(*RUN, "--rows", name, "--jobs", "1", "--json", cwd=tmp_path)
    assert result.code == 0, result.stderr
    document: dict[str, Any] = result.json
    VALIDATOR.validate(document)
    (table,) = document["tables"]
    (row,) = table["rows"]
    assert row["classes"] == len(DATASETS[name].classes)
    assert row["verdict"]["word"] == "not comparable"
    data = f"the data are not the official archive of {name} (unofficial archive"
    weights = "the weights are not an official checkpoint (they are random)"
    assert data in row["verdict"]["reason"] and weights in row["verdict"]["reason"]
    counted = {part: sum(imported["counts"][part]) for part in ("train", "heldout")}
    assert row["measures"]["as_published"]["n"] == counted["train"]
    assert row["measures"]["heldout"]["n"] == counted["heldout"]
    assert row["command"].count("--profile paper --set network.weights=random:0") == 1

    profile = document["profile"]
    assert profile["label"] == "PAPER"
    assert "random:0 (random)" in profile["notice"]
    assert f"{name} (unofficial archive" in profile["notice"]
    (described,) = document["data"]
    assert described["source"] == "unofficial archive"
    assert (described["train_images"], described["heldout_images"]) == tuple(counted.values())
    assert document["environment"]["device"] in ("cpu", "cuda")
    (check,) = document["encoder"]["check"]
    assert check["dataset"] == name
    # Features of both encoders, of a stream for each seed, and of clean images in two splits.
    assert len(list(command.cache.glob("features/*/set.json"))) == 2 + 2 * 2


def test_nothing_starts_while_something_is_missing(command: Command, tmp_path: Path) -> None:
    refused = command("reproduce", "--all", "--profile", "paper", cwd=tmp_path)
    refused.assert_refused(
        3,
        "8 of the things",
        "`simclr-bench data fetch food_101`",
        "`simclr-bench weights fetch simclrv2/finetuned_1pct/r50_1x_sk0`",
        "`simclr-bench weights fetch torchvision/vgg16`",
    )
    assert not (tmp_path / "runs").exists()
    dry = command(
        "reproduce", "--table", "1", "--profile", "paper", "--dry-run", "--json", cwd=tmp_path
    )
    missing = {each["what"]: each["command"] for each in dry.json["missing"]}
    assert missing == {
        "data set tf_flowers": "simclr-bench data fetch tf_flowers",
        "weights simclrv2/finetuned_1pct/r50_1x_sk0": (
            "simclr-bench weights fetch simclrv2/finetuned_1pct/r50_1x_sk0"
        ),
    }
    # Eight rows of eight seeds, 30 iterations of 64: at 2,048 features of 4 bytes.
    assert dry.json["cache_bytes"] >= 8 * 8 * 1920 * 8192
    assert dry.json["seconds"] > 0


@pytest.mark.parametrize(
    ("words", "needles"),
    [
        (["--weights", "random:0"], ["--weights", "network.weights is for --profile paper"]),
        (["--device", "cpu"], ["--device", "run.device is for --profile paper"]),
        (["--set", "network.resize=half_pixel"], ["--set", "network.resize"]),
        (["--profile", "papers"], ["run.profile must be embedded or paper", "'papers'"]),
        (["--profile", "paper", "--weights", "random:x"], ["network.weights", "random:SEED"]),
        (["--profile", "paper", "--weights", "simclrv2/r50"], ["no weights", "did you mean"]),
    ],
)
def test_choices_that_mean_nothing_are_refused(
    words: list[str], needles: list[str], command: Command, tmp_path: Path
) -> None:
    command("reproduce", "--table", "4", *words, cwd=tmp_path).assert_refused(2, *needles)
