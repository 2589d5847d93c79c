"""The product's promise, kept through the real command: Table 4, and a folder of real images.

The encoder is pretrained once and kept in pytest's cache directory, which the next run finds. It is
the real one: what is tested here is what a user gets.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from PIL import Image
from sklearn.datasets import load_digits

import simclr_bench.report
from tests.command import Command, Result

SCHEMA = json.loads((Path(simclr_bench.report.__file__).parent / "schema.json").read_text())
LABELS = ["cats_vs_dogs", "tf_flowers", "dtd", "cifar_100", "food_101"]


@pytest.fixture(scope="module")
def keeping(request: pytest.FixtureRequest) -> Command:
    """The command, with a cache that outlives the session."""
    cache = request.config.cache
    assert cache is not None
    return Command(cache.mkdir("simclr_bench_encoders"))


@pytest.fixture(scope="module")
def run_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("embedded") / "run"


@pytest.fixture(scope="module")
def table_4(keeping: Command, run_directory: Path) -> Result:
    """The first run of the whole table."""
    result = keeping("reproduce", "--table", "4", "--json", "--out", run_directory)
    assert result.code == 0, result.stderr
    return result


def numbers(document: dict[str, Any]) -> Any:
    """Everything that was measured."""
    return document["tables"][0]["rows"], document["encoder"]["check"]


def test_the_document_validates_and_is_alone_on_stdout(table_4: Result) -> None:
    Draft202012Validator(SCHEMA).validate(table_4.json)


def test_the_five_rows_are_there_for_both_batch_sizes(table_4: Result) -> None:
    rows = table_4.json["tables"][0]["rows"]
    assert [(row["label"], row["batch_size"]) for row in rows] == [
        (label, batch_size) for batch_size in (64, 32) for label in LABELS
    ]
    for row in rows:
        assert row["as_published"]["n_seeds"] == row["heldout"]["n_seeds"] == 8
        assert row["as_published"]["n"] == row["batch_size"] and row["heldout"]["n"] >= 1900
        assert row["iterations"] == 30


def test_one_batch_has_the_granularity_of_one_batch(table_4: Result) -> None:
    for row in table_4.json["tables"][0]["rows"]:
        for value in row["as_published"]["per_seed"]:
            assert (value * row["batch_size"]).is_integer()


def test_pretraining_is_worth_something_on_every_set(table_4: Result) -> None:
    checks = {check["dataset"]: check for check in table_4.json["encoder"]["check"]}
    assert list(checks) == LABELS
    for check in checks.values():
        assert check["difference"]["n_seeds"] >= 5
        assert check["difference"]["interval"][0] > 0
        assert check["chance"] + 0.02 < check["pretrained"]["mean"] < 0.97
    assert checks["tf_flowers"]["difference"]["mean"] >= 0.1


def test_a_record_holds_what_it_took(table_4: Result, run_directory: Path) -> None:
    paths = list((run_directory / "records").iterdir())
    assert len(paths) == 85
    for path in paths:
        record = json.loads(path.read_text())
        assert record["job"]["settings"]["threads"] == 2
        assert record["environment"]["packages"]["torch"]
        assert record["job"]["inputs"].keys() == {"code", "encoder"}
    heads = [
        r for r in map(json.loads, (p.read_text() for p in paths)) if "heldout" in r["outcome"]
    ]
    assert len(heads) == 80
    assert all(len(record["outcome"]["batches"]["n"]) == 30 for record in heads)


def test_a_second_run_is_answered_from_the_records(
    keeping: Command, table_4: Result, run_directory: Path
) -> None:
    before = {path: path.stat().st_mtime_ns for path in (run_directory / "records").iterdir()}
    again = keeping("reproduce", "--table", "4", "--json", "--out", run_directory)
    assert again.json == table_4.json
    assert "85 of 85 jobs have records" in again.stderr and "jobs: 0/" not in again.stderr
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_a_lost_record_is_measured_again_with_the_same_numbers(
    keeping: Command, table_4: Result, run_directory: Path
) -> None:
    lost = [
        path
        for path in sorted((run_directory / "records").iterdir())
        if json.loads(path.read_text())["job"]["dataset"] == "tf_flowers"
    ][::4]
    for path in lost:
        path.unlink()
    again = keeping("reproduce", "--table", "4", "--json", "--out", run_directory)
    assert numbers(again.json) == numbers(table_4.json)
    assert f"jobs: {len(lost)}/{len(lost)} done" in again.stderr


def test_a_corrupt_record_is_refused_by_name(
    keeping: Command, table_4: Result, run_directory: Path
) -> None:
    counted = b'"correct": '
    path = min(p for p in (run_directory / "records").iterdir() if counted in p.read_bytes())
    original = path.read_bytes()
    path.write_bytes(original.replace(counted, counted + b"1", 1))
    try:
        result = keeping("reproduce", "--table", "4", "--out", run_directory)
        result.assert_refused(3, str(path), "its checksum differs", "delete it")
    finally:
        path.write_bytes(original)


def test_the_text_shows_both_tables_the_figure_and_the_check(
    keeping: Command, table_4: Result, run_directory: Path
) -> None:
    words = ["reproduce", "--table", "4", "--out", run_directory]
    brief, full = keeping(*words).stdout, keeping(*words, "--details").stdout
    for text, batch in ((brief, "batch"), (full, "batch size")):
        assert text.count("EMBEDDED") >= 5
        for said in (f"{batch} 64", f"{batch} 32", "what pretraining is worth", "0.906"):
            assert said in text
    assert "elsewhere: arXiv" in full and "elsewhere: arXiv" not in brief
    assert 3 * brief.count("\n") < full.count("\n")
    for kind in ("png", "svg"):
        assert (run_directory / "figures" / f"figure-6.{kind}").stat().st_size > 1000


def test_rows_can_be_chosen(keeping: Command, table_4: Result, run_directory: Path) -> None:
    words = ["reproduce", "--table", "4", "--rows", "food_101,dtd", "--json"]
    rows = keeping(*words, "--out", run_directory).json["tables"][0]["rows"]
    assert [row["label"] for row in rows] == ["dtd", "food_101"] * 2


def test_fail_on_turns_a_failed_claim_into_1(
    keeping: Command, table_4: Result, run_directory: Path
) -> None:
    verdicts = {v["verdict"] for v in table_4.json["tables"][0]["claims"][0]["ours"]}
    result = keeping("reproduce", "--table", "4", "--fail-on", "fails", "--out", run_directory)
    assert result.code == ("fails" in verdicts)


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """scikit-learn's handwritten digits as folders of PNG files; real images, 8 x 8 pixels."""

    def make(name: str) -> Path:
        root = tmp_path_factory.mktemp(name) / "digits"
        data = load_digits()
        for number, (pixels, label) in enumerate(zip(data.images, data.target, strict=True)):
            folder = root / str(label)
            folder.mkdir(parents=True, exist_ok=True)
            gray = (pixels * (255 / 16)).round().astype(np.uint8)
            Image.fromarray(gray).save(folder / f"{number:04}.png")
        return root

    return make


def test_real_images_get_a_heldout_accuracy_with_its_interval(
    keeping: Command, digits: Callable[[str], Path], tmp_path: Path
) -> None:
    result = keeping("transfer", "--data", digits("sound"), "--json", "--out", tmp_path / "run")
    assert result.code == 0, result.stderr
    document = result.json
    Draft202012Validator(SCHEMA).validate(document)
    assert document["profile"]["label"] == "YOUR IMAGES"
    for row, batch_size in zip(document["tables"][0]["rows"], (64, 32), strict=True):
        assert (row["classes"], row["batch_size"], row["iterations"]) == (10, batch_size, 30)
        low, high = row["heldout"]["interval"]
        assert low <= row["heldout"]["mean"] <= high
        # How much better than chance depends on the encoder, whose bits depend on the CPU.
        assert low > 0.1, "not better than chance"
        assert row["heldout"]["n"] == 359 and row["heldout"]["n_seeds"] == 8
    # 1438 training images are fewer than 30 batches of 64: passes continue without a short batch.
    assert document["data"][0]["train_images"] == 1438
    assert document["tables"][0]["rows"][0]["examples_per_class"] == 192.0


def test_a_single_pass_ends_with_the_short_batch(
    keeping: Command, digits: Callable[[str], Path], tmp_path: Path
) -> None:
    words = ["--single-pass", "--batch-size", "64", "--seeds", "2", "--json"]
    result = keeping("transfer", "--data", digits("single"), *words, "--out", tmp_path / "run")
    (row,) = result.json["tables"][0]["rows"]
    assert row["iterations"] == 23 and row["as_published"]["n"] == 1438 - 22 * 64
    assert row["settings"]["single_pass"] is True


def test_a_truncated_png_stops_by_name_or_is_skipped_and_recorded(
    keeping: Command, digits: Callable[[str], Path], tmp_path: Path
) -> None:
    data = digits("planted")
    victim = sorted((data / "3").iterdir())[5]
    victim.write_bytes(victim.read_bytes()[:-20])
    words = ["transfer", "--data", data, "--seeds", "2", "--json", "--out", tmp_path / "run"]
    refused = keeping(*words)
    assert refused.code == 3 and refused.stdout == ""
    assert str(victim) in refused.stderr.strip().splitlines()[-1]
    skipping = keeping(*words, "--skip-corrupt")
    assert skipping.code == 0, skipping.stderr
    (entry,) = skipping.json["data"]
    assert [skip["file"] for skip in entry["skipped"]] == [f"3/{victim.name}"]
    assert entry["train_images"] + entry["heldout_images"] == 1796
    assert (
        "Skipped 1 file: 3/"
        in keeping(*[w for w in words if w != "--json"], "--skip-corrupt").stdout
    )
