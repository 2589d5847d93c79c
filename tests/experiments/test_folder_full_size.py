"""A folder of the user's images with a full-size encoder, here a small one in its place."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from simclr_bench.cli.progress import SilentProgress
from simclr_bench.errors import DataError, UsageError
from simclr_bench.experiments.execution import full_size
from simclr_bench.experiments.folder import FolderOptions, transfer_to_folder
from simclr_bench.experiments.materials.choose import current_inputs
from simclr_bench.experiments.materials.paper import FullSize
from simclr_bench.experiments.materials.paper_weights import identify
from simclr_bench.experiments.profiles import profile_of
from simclr_bench.experiments.settings.tree import NetworkSettings
from simclr_bench.networks.shapes import ResNetShape
from simclr_bench.paper.official import obstacles
from simclr_bench.report.stored import finished_document
from simclr_bench.weights.build import random_encoder
from tests.report.test_schema import VALIDATOR

SHAPE = ResNetShape(depth=18)


@pytest.fixture(autouse=True)
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIMCLR_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(
        full_size, "encoder_of", lambda weights: (random_encoder(SHAPE, 0).network, SHAPE)
    )


def options(directory: Path, weights: str) -> FolderOptions:
    rng = np.random.default_rng(0)
    for label in ("red", "blue"):
        (directory / label).mkdir(parents=True)
        for number in range(6):
            pixels = rng.integers(0, 200, (80, 100, 3), dtype=np.uint8)
            pixels[..., 0 if label == "red" else 2] += 50
            Image.fromarray(pixels).save(directory / label / f"{number}.png")
    return FolderOptions(
        directory=directory,
        batch_sizes=(4,),
        seeds=(0, 1),
        heldout_fraction=0.4,
        split_seed=0,
        single_pass=False,
        skip_corrupt=False,
        full_size=FullSize(network=NetworkSettings(weights=weights, image_size=32), device="cpu"),
    )


def test_its_records_name_the_encoder_and_the_report_says_so(tmp_path: Path) -> None:
    chosen = options(tmp_path / "photos", "random:0")
    plan, records = transfer_to_folder(chosen, tmp_path / "run", SilentProgress())
    (job, _) = plan.jobs
    identity = identify("random:0")
    assert identity is not None and job.inputs["encoder"] == identity.sha256
    assert job.inputs["encoder_origin"] == "random"
    assert job.settings["shorter_side"] == 64
    assert job.settings["network"]["weights"] == "random:0"
    for record in records.values():
        assert record.status == "done" and record.details["features"]["size"] == 32
        assert record.environment["device"] == "cpu"
    now = current_inputs("folder")(job)
    assert all(now[name] == job.inputs[name] for name in now)
    assert "random" in obstacles(job.profile, job.inputs, job.dataset)[-1]

    document = finished_document(tmp_path / "run", plan, records, 0.05)
    VALIDATOR.validate(json.loads(json.dumps(document)))
    assert document["profile"]["label"] == "YOUR IMAGES"
    notice = document["profile"]["notice"]
    assert "small encoder" not in notice and "random:0 (random)" in notice
    assert "--weights random:0" in document["tables"][0]["rows"][0]["command"]
    assert profile_of(plan).notice == notice


def test_weights_that_are_not_here_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    missing = options(tmp_path / "photos", "simclrv2/pretrained/r50_1x_sk0")
    with pytest.raises(DataError, match="weights fetch simclrv2/pretrained/r50_1x_sk0"):
        transfer_to_folder(missing, tmp_path / "run", SilentProgress())
    unknown = options(tmp_path / "others", "simclrv2/r50")
    with pytest.raises(UsageError, match="--weights: no weights 'simclrv2/r50'"):
        transfer_to_folder(unknown, tmp_path / "run", SilentProgress())
