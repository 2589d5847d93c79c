"""A head job's predictions: what they are of, and what they do not depend on."""

import numpy as np
import pytest
import torch

from simclr_bench.data.augment import crop_and_flip
from simclr_bench.experiments.execution.head import run_head
from simclr_bench.experiments.metrics import metrics_of
from simclr_bench.networks.small_residual import represent
from simclr_bench.training.notebook_probe import (
    HeadSettings,
    image_stream,
    predict,
    train_head,
)
from tests.experiments.execution.tiny import (
    CLASSES,
    HEAD,
    HELDOUT,
    TRAIN,
    job,
    tiny_bench,
    tiny_data,
    tiny_encoder,
)

N, M = CLASSES * TRAIN, CLASSES * HELDOUT


def same(ours, theirs) -> bool:
    assert ours.arrays.keys() == theirs.arrays.keys()
    return ours.details == theirs.details and all(
        np.array_equal(array, theirs.arrays[name]) and array.dtype == theirs.arrays[name].dtype
        for name, array in ours.arrays.items()
    )


def test_arrays_and_details_are_those_of_the_contract():
    outcome = run_head(job("head"), tiny_bench())
    shapes = {name: array.shape for name, array in outcome.arrays.items()}
    assert shapes == {
        "batch_sizes": (8,),
        "batch_predicted": (512,),
        "batch_label": (512,),
        "heldout_predicted": (M,),
        "heldout_label": (M,),
        "train_predicted": (N,),
        "train_label": (N,),
    }
    assert {array.dtype for array in outcome.arrays.values()} == {np.dtype(np.uint8)}
    assert outcome.arrays["batch_sizes"].tolist() == [64] * 8
    assert outcome.details.keys() == {"data", "loss"} and len(outcome.details["loss"]) == 8
    assert outcome.details["data"] == tiny_data("stacked").description
    data = tiny_data("stacked")
    assert outcome.arrays["heldout_label"].tolist() == data.heldout.labels.tolist()
    assert outcome.arrays["train_label"].tolist() == data.train.labels.tolist()


def test_predictions_are_those_of_the_loop_done_by_hand():
    outcome, train = run_head(job("head", seed=2), tiny_bench()), tiny_data("stacked").train
    epochs, index = image_stream(N, 512, 2, single_pass=False)
    views = [
        crop_and_flip(train.images[[place]], [place], seed=2, epoch=int(epoch), size=32)
        for epoch, place in zip(epochs, index, strict=True)
    ]
    settings = HeadSettings(
        batch_size=64, iterations=8, learning_rate=0.1, momentum=0.9, weight_decay=0.0, seed=2
    )
    features, labels = represent(tiny_encoder(0), views), train.labels[index]
    head = train_head(features, labels, CLASSES, settings)
    metrics = metrics_of("head", outcome.arrays)
    # Single images and blocks round differently: a tie may fall the other way, no more.
    ours = outcome.arrays["batch_predicted"]
    assert (ours == head.predicted.numpy()).mean() > 0.99
    assert np.abs(np.subtract(metrics["batches"]["correct"], head.correct)).max() <= 1
    assert outcome.details["loss"] == pytest.approx(head.losses, abs=1e-4)
    heldout = tiny_bench().heldout_features("stacked")
    right = int((predict(head, heldout) == tiny_data("stacked").heldout.labels).sum())
    assert abs(metrics["heldout"]["correct"] - right) <= 1


def test_the_head_learns_and_progressive_accuracy_lags_behind():
    metrics = metrics_of("head", run_head(job("head", iterations=60), tiny_bench()).arrays)
    assert metrics["heldout"]["value"] > 2 / CLASSES
    assert metrics["train_pass"]["value"] > metrics["progressive"]["value"] > 1 / CLASSES
    assert sum(metrics["batches"]["correct"]) == metrics["progressive"]["correct"]
    assert metrics["as_published"]["correct"] == metrics["batches"]["correct"][-1]


JOBS = [
    job("head", "listed"),
    job("head", batch_size=32),
    job("head", iterations=20),
    job("head", augment=[], framing="whole"),
    job("head", augment=["crop", "flip", "color"]),
    job("head", class_count=3),
    job("head", single_pass=True),
    job("head", seed=4),
]


def test_a_job_gives_the_same_bits_alone_and_after_others():
    wanted = [job("head"), *JOBS]
    alone = [run_head(each, tiny_bench()) for each in wanted]
    bench = tiny_bench()
    for order in (range(len(wanted)), reversed(range(len(wanted)))):
        for number in order:
            assert same(run_head(wanted[number], bench), alone[number]), wanted[number].settings


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("number", [0, 4, 5])
def test_workers_change_no_bit(workers, number):
    each = JOBS[number]
    assert same(run_head(each, tiny_bench(workers)), run_head(each, tiny_bench()))


@pytest.mark.parametrize("batch_size", [32, 64])
def test_both_batch_sizes_read_one_stream(batch_size):
    outcome = run_head(
        job("head", batch_size=batch_size, iterations=256 // batch_size), tiny_bench()
    )
    first = run_head(job("head"), tiny_bench())
    assert np.array_equal(outcome.arrays["batch_label"], first.arrays["batch_label"][:256])


def test_a_single_pass_ends_with_a_short_batch():
    outcome = run_head(job("head", single_pass=True), tiny_bench())
    assert outcome.arrays["batch_sizes"].tolist() == [64, 64, 64, 18]
    assert len(outcome.arrays["batch_predicted"]) == N == 210
    assert len(outcome.details["loss"]) == 4
    assert metrics_of("head", outcome.arrays)["as_published"]["n"] == 18


def test_fewer_classes_keep_their_numbers_and_are_nested():
    outcomes = {
        count: run_head(job("head", class_count=count, seed=5), tiny_bench())
        for count in (2, 4, CLASSES)
    }
    classes = {}
    for count, outcome in outcomes.items():
        found = set(outcome.arrays["heldout_label"].tolist())
        assert len(found) == count
        assert set(outcome.arrays["batch_label"].tolist()) == found
        assert set(outcome.arrays["train_label"].tolist()) == found
        for name in ("batch", "heldout", "train"):
            assert set(outcome.arrays[f"{name}_predicted"].tolist()) <= found
        assert len(outcome.arrays["heldout_label"]) == count * HELDOUT
        assert len(outcome.arrays["train_label"]) == count * TRAIN
        assert len(outcome.arrays["batch_label"]) == 512
        classes[count] = found
    assert classes[2] < classes[4] < classes[CLASSES] == set(range(CLASSES))
    assert classes[2] != {0, 1} and metrics_of("head", outcomes[2].arrays)["heldout"]["n"] == 18


def test_fewer_classes_are_a_head_on_their_images_alone():
    bench, data = tiny_bench(), tiny_data("stacked")
    changes = {"class_count": 3, "seed": 1, "iterations": 30}
    outcome = run_head(job("head", **changes), bench)
    features, labels, _ = bench.stream("stacked", {**HEAD, **changes})
    found = sorted(set(labels.tolist()))
    ranks = torch.tensor([found.index(label) for label in labels])
    settings = HeadSettings(
        batch_size=64, iterations=30, learning_rate=0.1, momentum=0.9, weight_decay=0.0, seed=1
    )
    head = train_head(features, ranks, 3, settings)
    numbers = torch.tensor(found)
    for name, images, known in (
        ("heldout", data.heldout, bench.heldout_features("stacked")),
        ("train", data.train, bench.train_features("stacked")),
    ):
        own = np.isin(images.labels.numpy(), found)
        expected = numbers[predict(head, known[own])]
        assert outcome.arrays[f"{name}_predicted"].tolist() == expected.tolist()
        assert len(set(expected.tolist())) == 3
        assert outcome.arrays[f"{name}_label"].tolist() == images.labels[own].tolist()
    assert outcome.arrays["batch_predicted"].tolist() == numbers[head.predicted].tolist()


def test_all_classes_drawn_are_all_classes():
    drawn = run_head(job("head", class_count=CLASSES), tiny_bench())
    assert same(drawn, run_head(job("head"), tiny_bench()))


def test_a_head_that_diverges_says_so():
    with pytest.raises(FloatingPointError, match=r"the loss became .* at iteration"):
        run_head(job("head", learning_rate=1e38), tiny_bench())


def test_another_initialization_is_refused():
    with pytest.raises(ValueError, match="head_initialization must be glorot_uniform, got zeros"):
        run_head(job("head", head_initialization="zeros"), tiny_bench())


def test_torch_gradients_are_left_as_they_were():
    assert torch.is_grad_enabled() and not torch.is_inference_mode_enabled()
    run_head(job("head"), tiny_bench())
    assert torch.is_grad_enabled() and not torch.is_inference_mode_enabled()
