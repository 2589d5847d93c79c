"""What jobs share is what each would have computed alone, and memory is bounded."""

import numpy as np
import pytest
import torch

from simclr_bench.data.augment import center_view, training_views
from simclr_bench.experiments.execution import features as module
from simclr_bench.experiments.execution.extraction import Extractor
from simclr_bench.experiments.execution.features import Bench
from simclr_bench.networks.small_residual import represent
from simclr_bench.training.notebook_probe import image_stream
from tests.experiments.execution.tiny import (
    CLASSES,
    HEAD,
    HELDOUT,
    TRAIN,
    tiny_bench,
    tiny_data,
    tiny_encoder,
    tiny_networks,
)

N = CLASSES * TRAIN


@pytest.mark.parametrize("dataset", ["stacked", "listed"])
@pytest.mark.parametrize("augment", [[], ["crop", "flip"], ["flip", "color"]], ids="+".join)
def test_the_stream_is_that_of_one_image_at_a_time(dataset, augment):
    settings = {**HEAD, "augment": augment, "framing": "whole", "color_strength": 0.5, "seed": 3}
    features, labels, index = tiny_bench().stream(dataset, settings)
    train = tiny_data(dataset).train
    epochs, expected_index = image_stream(N, 512, 3, single_pass=False)
    assert index.tolist() == expected_index.tolist()
    assert labels.tolist() == train.labels[index].tolist()
    assert features.shape == (512, 32) and features.dtype == torch.float32
    for at in range(0, 512, 37):
        view = training_views(
            train.images[index[at]][None],
            [index[at]],
            seed=3,
            epoch=int(epochs[at]),
            size=32,
            augment=augment,
            framing="whole",
            color_strength=0.5,
        )
        alone = represent(tiny_encoder(0), [view])[0]
        torch.testing.assert_close(features[at], alone, rtol=1e-4, atol=1e-5)


def test_a_stream_of_some_classes_augments_an_image_by_its_place_in_its_set():
    # Flips and crops differ between places, so the same place must give the same features.
    everything, _, all_index = tiny_bench().stream("stacked", HEAD)
    some, labels, index = tiny_bench().stream("stacked", {**HEAD, "class_count": 3})
    assert len(set(labels.tolist())) == 3 and len(index) == 512
    assert labels.tolist() == tiny_data("stacked").train.labels[index].tolist()
    first_pass = {int(place): row for place, row in zip(all_index[:N], everything, strict=False)}
    assert sorted(index[: 3 * TRAIN]) == sorted(
        place for place in range(N) if place % CLASSES in set(labels.tolist())
    )
    for place, row in zip(index[: 3 * TRAIN], some, strict=False):
        torch.testing.assert_close(row, first_pass[int(place)], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dataset", ["stacked", "listed"])
def test_a_longer_stream_begins_with_the_shorter_one_to_the_bit(dataset):
    bench = tiny_bench()
    for iterations in (3, 8, 5):
        settings = {**HEAD, "iterations": iterations}
        shared = bench.stream(dataset, settings)
        alone = tiny_bench().stream(dataset, settings)
        assert len(shared[0]) == 64 * iterations
        for ours, theirs in zip(shared, alone, strict=True):
            assert np.array_equal(ours, theirs)


def test_a_single_pass_ends_with_the_images():
    bench = tiny_bench()
    features, labels, index = bench.stream("stacked", {**HEAD, "single_pass": True})
    assert len(features) == len(labels) == N and sorted(index) == list(range(N))
    again, _, _ = bench.stream("stacked", {**HEAD, "single_pass": True, "iterations": 1})
    assert torch.equal(again, features[:64])


@pytest.mark.parametrize(
    ("base", "change"),
    [
        ({}, {"seed": 1}),
        ({}, {"augment": ["crop"]}),
        ({}, {"class_count": 4}),
        ({"augment": ["flip"]}, {"framing": "whole"}),
        ({"augment": ["crop", "color"]}, {"color_strength": 0.5}),
    ],
)
def test_streams_of_other_settings_are_not_mixed_up(base, change):
    bench, settings = tiny_bench(), {**HEAD, **base}
    before, _, _ = bench.stream("stacked", settings)
    changed, _, _ = bench.stream("stacked", {**settings, **change})
    alone, _, _ = tiny_bench().stream("stacked", {**settings, **change})
    assert torch.equal(changed, alone) and not torch.equal(changed, before)
    assert torch.equal(bench.stream("stacked", settings)[0], before)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("dataset", ["stacked", "listed"])
def test_center_views_and_features_are_the_evaluation_views_in_order(dataset, workers):
    bench, data = tiny_bench(workers), tiny_data(dataset)
    for split, images in (("train", data.train), ("heldout", data.heldout)):
        views = bench.center_features(dataset, split, "pixels", torch.nn.Flatten())
        views = views.unflatten(1, (3, 32, 32))
        expected = torch.cat([center_view(image[None], size=32) for image in images.images])
        torch.testing.assert_close(views, expected, rtol=0, atol=1e-6)
    heldout = bench.heldout_features(dataset)
    torch.testing.assert_close(heldout, represent(tiny_encoder(0), [expected]))
    control = bench.heldout_features(dataset, "untrained")
    torch.testing.assert_close(control, represent(tiny_encoder(1), [expected]))
    assert heldout.shape == (CLASSES * HELDOUT, 32)
    assert bench.train_features(dataset).shape == (N, 32)
    assert not heldout.is_inference()  # students take gradients


@pytest.mark.parametrize("workers", [0, 1])
def test_fixed_views_cover_every_image_in_every_view(workers):
    arguments = {"augment": ["crop", "flip"], "framing": "center", "color_strength": 0.3}
    bench, train = tiny_bench(workers), tiny_data("stacked").train
    flat = bench.fixed_features(
        "stacked", "pixels", torch.nn.Flatten(), **arguments, views=3, seed=5
    )
    views = flat.unflatten(2, (3, 32, 32))
    assert len(views) == 3
    for number, view in enumerate(views):
        expected = training_views(
            train.images,
            range(N),
            seed=5,
            epoch=number,
            size=32,
            augment=["crop", "flip"],
            operation="fixed view",
        )
        torch.testing.assert_close(view, expected, rtol=0, atol=1e-6)
    assert not torch.equal(views[0], views[1])
    # Not those of any stream, whose seed may be the same.
    streams = training_views(train.images, range(N), seed=5, epoch=0, size=32, augment=["crop"])
    assert not torch.allclose(views[0].mean(dim=(1, 2, 3)), streams.mean(dim=(1, 2, 3)))


def test_features_are_computed_once_and_the_last_data_set_is_dropped(monkeypatch):
    loaded, represented = [], []
    extract = Extractor.__call__
    monkeypatch.setattr(
        Extractor, "__call__", lambda *args: represented.append(1) or extract(*args)
    )

    def load(name):
        loaded.append(name)
        return tiny_data(name)

    bench = Bench(tiny_networks(), load)
    for dataset in ("a", "a", "b", "b", "a"):
        bench.train_features(dataset)
        bench.stream(dataset, HEAD)
    # Of each data set loaded, one block of clean images and two of the stream.
    assert loaded == ["a", "b", "a"] and len(represented) == 3 * (1 + 2)
    assert len(bench._kept) == 1 and len(bench._streams) == 1


def test_only_the_last_streams_are_kept():
    bench = tiny_bench()
    for seed in range(2 * module.STREAMS):
        bench.stream("stacked", {**HEAD, "iterations": 1, "seed": seed})
    kept = list(bench._streams)
    assert len(kept) == module.STREAMS
    bench.stream("stacked", {**HEAD, "iterations": 1, "seed": module.STREAMS})  # the oldest kept
    bench.stream("stacked", {**HEAD, "iterations": 1, "seed": 99})
    assert kept[0] in bench._streams and kept[1] not in bench._streams


def test_the_number_of_threads_is_part_of_what_is_shared():
    bench, before = tiny_bench(), torch.get_num_threads()
    try:
        for threads in (1, 2, 1):
            torch.set_num_threads(threads)
            bench.stream("stacked", {**HEAD, "iterations": 1})
            bench.heldout_features("stacked")
    finally:
        torch.set_num_threads(before)
    assert len(bench._streams) == 2 and len(bench._kept) == 2


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_an_image_that_fails_stops_the_stream_with_its_error(workers):
    data = tiny_data("listed")
    data.train.images[17] = torch.zeros(2, 24, 28, dtype=torch.uint8)
    bench = Bench(tiny_networks(), lambda _: data, workers)
    with pytest.raises(RuntimeError, match=r"shape .* is invalid"):
        bench.stream("listed", HEAD)


def test_what_is_made_once_is_kept_for_one_data_set_and_number_of_threads() -> None:
    bench, before = tiny_bench(), torch.get_num_threads()
    made: list[str] = []

    def ask(dataset: str, threads: int) -> int:
        torch.set_num_threads(threads)
        bench.data(dataset)
        return bench.once("a key", lambda: made.append(dataset) or len(made))

    try:
        assert [ask("stacked", 1), ask("stacked", 1), ask("stacked", 2)] == [1, 1, 2]
        assert [ask("listed", 1), ask("stacked", 1)] == [3, 4]
        assert bench.once("another key", lambda: "b") == "b" and len(made) == 4
    finally:
        torch.set_num_threads(before)
