"""Table 4's protocol on a folder of real images, through the real command."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from PIL import Image
from sklearn.datasets import load_digits

from tests.command import Command
from tests.end_to_end.test_everything import SCHEMA


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """scikit-learn's handwritten digits as folders of PNG files; real images, 8 x 8 pixels."""
    source = tmp_path_factory.mktemp("digits") / "digits"
    data = load_digits()
    for number, (pixels, label) in enumerate(zip(data.images, data.target, strict=True)):
        folder = source / str(label)
        folder.mkdir(parents=True, exist_ok=True)
        gray = (pixels * (255 / 16)).round().astype(np.uint8)
        Image.fromarray(gray).save(folder / f"{number:04}.png")

    def make(name: str) -> Path:
        return shutil.copytree(source, tmp_path_factory.mktemp(name) / "digits")

    return make


@pytest.fixture(scope="module")
def sound(
    keeping: Command, digits: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """A sound folder, and a finished run on it."""
    data, run = digits("sound"), tmp_path_factory.mktemp("transfer") / "run"
    result = keeping("transfer", "--data", data, "--out", run)
    assert result.code == 0, result.stderr
    return data, run


def test_real_images_get_a_heldout_accuracy_with_its_interval(
    keeping: Command, sound: tuple[Path, Path]
) -> None:
    data, run = sound
    result = keeping("transfer", "--data", data, "--json", "--out", run)
    assert "16 of 16 jobs have records" in result.stderr and "jobs: " not in result.stderr
    document = result.json
    Draft202012Validator(SCHEMA).validate(document)
    assert document["profile"]["label"] == "YOUR IMAGES"
    (table,) = document["tables"]
    assert (table["id"], table["claims"], document["figures"]) == ("transfer", [], [])
    for row, batch_size in zip(table["rows"], (64, 32), strict=True):
        assert (row["classes"], row["batch_size"], row["settings"]["iterations"]) == (
            10, batch_size, 30,
        )  # fmt: skip
        assert row["paper"]["printed"] is None and row["verdict"] is None
        heldout = row["measures"]["heldout"]
        low, high = heldout["interval"]
        assert low <= heldout["mean"] <= high
        assert heldout["n"] == 359 and heldout["n_seeds"] == 8
        assert row["measures"]["as_published"]["n"] == batch_size
    # How much better than chance depends on the encoder, whose bits depend on the CPU.
    values = np.array([row["measures"]["heldout"]["per_seed"] for row in table["rows"]]).mean(0)
    assert values.mean() - 2 * values.std(ddof=1) / 8**0.5 > 0.1, "not better than chance"
    # 1438 training images are fewer than 30 batches of 64: passes continue without a short batch.
    assert document["data"][0]["train_images"] == 1438


def test_a_run_on_a_folder_is_verified_reported_and_not_compared_with_embedded_data(
    keeping: Command, sound: tuple[Path, Path], tmp_path: Path
) -> None:
    _, run = sound
    verified = keeping("verify", "--json", "--out", run).json
    assert (verified["predictions"], verified["faults"]) == (16, [])
    assert keeping("report", "--out", run, "--to", tmp_path).code == 0
    assert "YOUR IMAGES" in (tmp_path / "report.html").read_text("utf-8")

    embedded = tmp_path / "embedded"
    words = ["reproduce", "--table", "1", "--rows", "None", "--seeds", "2", "--jobs", "1"]
    assert keeping(*words, "--out", embedded).code == 0
    refused = keeping("diff", embedded, run)
    refused.assert_refused(2, "cannot be compared", "profile 'embedded'", "'folder'")


def test_other_images_make_the_earlier_ones_stale(
    keeping: Command, digits: Callable[[str], Path], tmp_path: Path
) -> None:
    data, run = digits("changing"), tmp_path / "run"
    words = ["transfer", "--data", data, "--seeds", "2", "--batch-size", "32", "--out", run]
    before = keeping(*words, "--json").json["tables"][0]["rows"][0]
    next((data / "3").iterdir()).unlink()
    result = keeping(*words, "--json")
    (after,) = result.json["tables"][0]["rows"]
    assert "jobs: 2/2 done" in result.stderr and not set(before["records"]) & set(after["records"])
    assert result.json["data"][0]["train_images"] + after["measures"]["heldout"]["n"] == 1796


def test_a_single_pass_ends_with_the_short_batch(
    keeping: Command, sound: tuple[Path, Path], tmp_path: Path
) -> None:
    words = ["--single-pass", "--batch-size", "64", "--seeds", "2", "--json"]
    document = keeping("transfer", "--data", sound[0], *words, "--out", tmp_path / "run").json
    (row,) = document["tables"][0]["rows"]
    assert row["measures"]["as_published"]["n"] == 1438 - 22 * 64
    assert row["measures"]["progressive"]["n"] == 1438
    assert row["settings"]["single_pass"] is True
    (curve,) = row["curves"]["series"]
    assert len(curve["values"]) == 23


def test_a_truncated_png_stops_by_name_or_is_skipped_and_recorded(
    keeping: Command, digits: Callable[[str], Path], tmp_path: Path
) -> None:
    data = digits("planted")
    victim = sorted((data / "3").iterdir())[5]
    victim.write_bytes(victim.read_bytes()[:-20])
    words = ["transfer", "--data", data, "--seeds", "2", "--out", tmp_path / "run"]
    refused = keeping(*words)
    assert refused.code == 3 and refused.stdout == ""
    assert str(victim) in refused.stderr.strip().splitlines()[-1]
    assert not (tmp_path / "run" / "plan.json").exists()
    skipping = keeping(*words, "--skip-corrupt", "--json")
    assert skipping.code == 0, skipping.stderr
    (entry,) = skipping.json["data"]
    assert [skip["file"] for skip in entry["skipped"]] == [f"3/{victim.name}"]
    assert entry["train_images"] + entry["heldout_images"] == 1796
    assert f"3/{victim.name}" in keeping(*words, "--skip-corrupt").stdout
