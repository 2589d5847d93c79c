"""The paper profile's bench, with a small ResNet and small images: all kinds of jobs, and disk."""

from functools import cache, partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from simclr_bench.data.augment import center_view
from simclr_bench.data.images import ImageSet
from simclr_bench.errors import DataError
from simclr_bench.experiments.execution import full_size, untrained
from simclr_bench.experiments.execution.execute import execute
from simclr_bench.experiments.execution.extraction import Viewing
from simclr_bench.experiments.execution.features import Bench
from simclr_bench.experiments.execution.full_size import full_size_bench
from simclr_bench.experiments.execution.outcome import Outcome
from simclr_bench.networks.shapes import ResNetShape
from simclr_bench.weights.build import random_encoder
from tests.experiments.execution import test_student
from tests.experiments.execution.tiny import CLASSES, job, tiny_set

SHAPE = ResNetShape(depth=18)
SIZE = 32
VIEWING = Viewing(size=SIZE, kernel="legacy", block=64)
MANIFEST = SimpleNamespace(content_sha256="pixels")


@cache
def frozen(seed: int) -> nn.Module:
    return random_encoder(SHAPE, seed).network


class OnDisk:
    """Images of two sizes that are read one at a time, as those of an imported set."""

    def __init__(self, images: ImageSet) -> None:
        self._images, self.read = images.images, 0

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, position: int) -> Tensor:
        self.read += 1
        return self._images[position]


def opened(name: str) -> SimpleNamespace:
    train, heldout = tiny_set(12, 1, stacked=False), tiny_set(4, 2, stacked=False)
    return SimpleNamespace(
        train=ImageSet(OnDisk(train), train.labels, train.classes),
        heldout=ImageSet(OnDisk(heldout), heldout.labels, heldout.classes),
        description={
            "train_images": 84,
            "heldout_images": 28,
            "split": "invented",
            "skipped": [],
            "source": {"official": False, "kind": "folder", "path": "/home/somebody"},
        },
        manifest=MANIFEST,
    )


@pytest.fixture(autouse=True)
def stand_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIMCLR_BENCH_CACHE", str(tmp_path))
    monkeypatch.setattr(full_size, "open_dataset", opened)
    monkeypatch.setattr(full_size, "encoder_of", lambda weights: (frozen(5), SHAPE))
    monkeypatch.setattr(full_size, "load_base", lambda name: frozen(len(name)))


def bench(workers: int = 0, precision: str = "float32", **changes: Any) -> Bench:
    given = {
        "weights": "w",
        "bases": {"vgg16": "b", "resnet50": "bb"},
        "hashes": {"encoder": "e", "vgg16": "v", "resnet50": "r"},
        "viewing": VIEWING,
        "precision": precision,
        "load": full_size.load_imported,
        "workers": workers,
    }
    return full_size_bench(**{**given, **changes})


def jobs() -> list[Any]:
    student = test_student.job(classes=CLASSES, epochs=2)
    found = [job("head", "dtd", iterations=2), job("converged", "dtd"), student]
    return [*found, job("converged", "dtd", weights="untrained")]


def same(one: Outcome, other: Outcome) -> bool:
    return one.details == other.details and all(
        np.array_equal(one.arrays[name], other.arrays[name]) for name in one.arrays
    )


class Forwards:
    """Counts images that run through any network."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.images = 0
        forward = full_size.Extractor._extract

        def counted(extractor: Any, network: Any, views: Tensor, precision: str) -> Tensor:
            self.images += len(views)
            return forward(extractor, network, views, precision)

        monkeypatch.setattr(full_size.Extractor, "_extract", counted)


def test_every_kind_of_job_runs_and_a_second_process_runs_no_network(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counted = Forwards(monkeypatch)
    run = partial(execute, bench=bench())
    first = [run(each) for each in jobs()]
    # A stream of two blocks, which the student's teacher continues; clean images by the encoder and
    # its control, held-out ones by the base; two fixed views by encoder and base.
    assert counted.images == 3 * 64 + 2 * (84 + 28) + 28 + 2 * 2 * 84
    counted.images = 0
    run = partial(execute, bench=bench(workers=2))
    again = [run(each) for each in reversed(jobs())]
    assert counted.images == 0
    assert all(same(*pair) for pair in zip(first, reversed(again), strict=True))


def test_records_say_how_features_were_made_and_nothing_of_this_machine() -> None:
    details = execute(jobs()[0], bench()).details
    assert details["features"] == {
        "size": SIZE,
        "kernel": "legacy",
        "precision": "float32",
        "at_a_time": 16,
    }
    assert details["data"] == {
        "train_images": 84,
        "heldout_images": 28,
        "split": "invented",
        "skipped": [],
        "source": "unofficial folder",
    }
    mixed = execute(jobs()[0], bench(precision="bfloat16")).details["features"]
    assert mixed["precision"] == "bfloat16" and 1e-4 < mixed["relative_error"] < 0.05


def test_features_are_those_of_one_image_at_a_time() -> None:
    made = bench()
    features = made.heldout_features("dtd")
    network = frozen(5)
    images = tiny_set(4, 2, stacked=False).images
    with torch.no_grad():
        alone = torch.cat(
            [network(center_view([image], size=SIZE, kernel="legacy")) for image in images]
        )
    torch.testing.assert_close(features, alone, rtol=1e-4, atol=1e-5)
    assert features.shape == (28, 512) and features.abs().sum() > 0


@pytest.mark.parametrize(
    "changes",
    [
        {"hashes": {"encoder": "other"}},
        {"precision": "bfloat16"},
        {"viewing": Viewing(size=SIZE, kernel="half_pixel", block=64)},
        {"viewing": Viewing(size=40, kernel="legacy", block=64)},
        {"viewing": Viewing(size=SIZE, kernel="legacy", block=32)},
    ],
    ids=["weights", "precision", "kernel", "size", "block"],
)
def test_what_changes_features_has_features_of_its_own(
    changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench().heldout_features("dtd")
    counted = Forwards(monkeypatch)
    bench(**changes).heldout_features("dtd")
    assert counted.images == 28


def test_other_pixels_have_features_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    bench().heldout_features("dtd")
    counted = Forwards(monkeypatch)
    other = opened("dtd")
    other.manifest = SimpleNamespace(content_sha256="imported again")
    monkeypatch.setattr(full_size, "open_dataset", lambda name: other)
    bench().heldout_features("dtd")
    assert counted.images == 28


def test_memory_that_runs_out_is_recorded_and_changes_no_prediction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = job("head", "dtd", iterations=2)
    roomy = execute(one, bench())
    monkeypatch.setenv("SIMCLR_BENCH_CACHE", str(tmp_path / "another"))
    made = bench()
    forward = type(made.encoder).forward

    def cramped(network: nn.Module, images: Tensor, *rest: Any) -> Tensor:
        if len(images) > 5:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(network, images, *rest)

    monkeypatch.setattr(type(made.encoder), "forward", cramped)
    outcome = execute(one, made)
    assert outcome.details["features"]["at_a_time"] == 4
    assert all(np.array_equal(outcome.arrays[name], roomy.arrays[name]) for name in roomy.arrays)


def test_the_control_measures_its_batch_norms_on_a_bounded_number_of_images() -> None:
    data = full_size.load_imported("dtd")
    network = untrained.untrained(SHAPE, data, VIEWING)
    stem = network.body.bn1
    with torch.no_grad():
        images = [data.train.images[position] for position in range(84)]
        maps = network.body.conv1(center_view(images, size=SIZE, kernel="legacy"))
    # Means of batches of 32, 32 and 20 images: nearly that of all.
    torch.testing.assert_close(stem.running_mean, maps.mean(dim=(0, 2, 3)), rtol=0.1, atol=0.02)
    assert not network.training and not any(m.training for m in network.modules())
    features = network(center_view(images[:8], size=SIZE, kernel="legacy"))
    assert torch.isfinite(features).all() and features.std() > 0


def test_the_control_looks_at_no_more_images_than_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(untrained, "UNTRAINED_IMAGES", 10)
    data = full_size.load_imported("dtd")
    untrained.untrained(SHAPE, data, VIEWING)
    assert data.train.images.read == 10


def test_a_damaged_block_stops_the_job_with_its_name(tmp_path: Path) -> None:
    execute(jobs()[0], bench())
    blocks = sorted(tmp_path.glob("features/*/*.block"))
    blocks[0].write_bytes(blocks[0].read_bytes()[:-1])
    with pytest.raises(DataError, match=blocks[0].name):
        execute(jobs()[0], bench())
