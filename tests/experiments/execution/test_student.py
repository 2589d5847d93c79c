"""A student job: what it computes, from which views, and that nothing else matters."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from simclr_bench.data.augment import center_view, crop_and_flip
from simclr_bench.data.images import ImageSet
from simclr_bench.experiments.execution.outcome import Outcome
from simclr_bench.experiments.execution.student import VIEWS_SEED, run_student
from simclr_bench.experiments.planning.jobs import Job
from simclr_bench.networks.shapes import EncoderShape, PlainShape
from simclr_bench.networks.small_residual import Encoder, freeze, initialize, represent
from simclr_bench.training.bases import Base
from simclr_bench.training.dense_student import StudentSettings, train_dense_student
from simclr_bench.training.notebook_probe import HeadSettings, image_stream, train_head

CLASSES = 3
TEACHER = {
    "augment": ["crop", "flip"],
    "framing": "center",
    "color_strength": 0.3,
    "batch_size": 16,
    "iterations": 12,
    "learning_rate": 0.1,
    "momentum": 0.9,
    "weight_decay": 0.0,
    "head_initialization": "glorot_uniform",
    "single_pass": False,
    "class_count": None,
    "threads": 1,
}
SETTINGS = {
    "student": "vgg16",
    "learns_from": "teacher",
    "augment": ["crop", "flip"],
    "framing": "center",
    "color_strength": 0.3,
    "views": 2,
    "batch_size": 16,
    "epochs": 5,
    "learning_rate": 0.05,
    "momentum": 0.9,
    "weight_decay": 1e-4,
    "temperature": 1.0,
    "optimizer": "sgd",
    "widths": [8],
    "normalization": "native",
    "teacher": TEACHER,
    "threads": 1,
    "seed": 0,
}


def job(classes: int = CLASSES, **changes: Any) -> Job:
    return Job(
        kind="student",
        profile="embedded",
        dataset="tf_flowers",
        classes=classes,
        settings={**SETTINGS, **changes},
        inputs={"code": "c", "encoder": "e", "base": "b"},
    )


def colored(per_class: int, seed: int) -> ImageSet:
    """Images of three noisy colors."""
    labels = torch.arange(CLASSES).repeat(per_class)
    generator = torch.Generator().manual_seed(seed)
    noise = torch.rand(len(labels), 3, 40, 40, generator=generator)
    color = torch.eye(3)[labels][:, :, None, None]
    return ImageSet((255 * (0.7 * noise + 0.3 * color)).to(torch.uint8), labels, ("r", "g", "b"))


class Data:
    """A data set in memory."""

    def __init__(self) -> None:
        self.train, self.heldout = colored(16, 0), colored(10, 1)
        self.description = {"train_images": 48, "heldout_images": 30, "split": "s", "skipped": []}


class PlainBench:
    """A bench that computes everything anew and counts how often it is asked."""

    def __init__(self) -> None:
        encoder = Encoder(EncoderShape(stem=8, widths=(8, 12), strides=(2, 2)))
        initialize(encoder, torch.Generator().manual_seed(0))
        self.encoder = freeze(encoder)
        self.asked: list[str] = []
        self.kept: dict[Any, Any] = {}

    def data(self, dataset: str) -> Data:
        return Data()

    def stream(self, dataset: str, settings: dict[str, Any]) -> tuple[Tensor, Tensor, np.ndarray]:
        self.asked.append("stream")
        train, seed = self.data(dataset).train, settings["seed"]
        length = settings["iterations"] * settings["batch_size"]
        epochs, index = image_stream(len(train), length, seed, single_pass=settings["single_pass"])
        views = [
            crop_and_flip(train.images[i : i + 1], [i], seed=seed, epoch=int(epoch), size=32)
            for epoch, i in zip(epochs, index, strict=True)
        ]
        return represent(self.encoder, [torch.cat(views)]), train.labels[index], index

    def base(self, student: str) -> Base:
        return make_base(student)

    def describe(self, dataset: str) -> dict[str, Any]:
        return {"data": self.data(dataset).description}

    def fixed_features(
        self,
        dataset: str,
        name: str,
        network: Callable[[Tensor], Tensor],
        *,
        augment: Sequence[str],
        framing: str,
        color_strength: float,
        views: int,
        seed: int,
    ) -> Tensor:
        key = (dataset, name, tuple(augment), views)
        if key not in self.kept:
            self.asked.append("views")
            self.kept[key] = torch.stack(
                [represent(network, self._views(dataset, augment, v, seed)) for v in range(views)]
            )
        return self.kept[key]

    def _views(
        self, dataset: str, augment: Sequence[str], view: int, seed: int
    ) -> Iterator[Tensor]:
        images = self.data(dataset).train.images
        whole = crop_and_flip(images, range(len(images)), seed=seed, epoch=view, size=32)
        if "crop" not in augment:
            whole = center_view(images, size=32)
        return iter(whole.split(20))

    def center_features(
        self, dataset: str, split: str, name: str, network: Callable[[Tensor], Tensor]
    ) -> Tensor:
        key = (dataset, split, name)
        if key not in self.kept:
            self.asked.append(f"center {split}")
            views = center_view(getattr(self.data(dataset), split).images, size=32).split(20)
            self.kept[key] = represent(network, views)
        return self.kept[key]


def make_base(student: str) -> Base:
    plain = PlainShape(stages=((6,), (10,)))
    shape = {"vgg16": plain, "resnet50": EncoderShape(8, (8, 12), (2, 2))}[student]
    base = Base(shape)
    initialize(base, torch.Generator().manual_seed(len(student)))
    base.mean.fill_(0.5)
    base.std.fill_(0.25)
    return freeze(base)


def run(one: Job, bench: PlainBench | None = None) -> Outcome:
    return run_student(one, bench or PlainBench())


def same(one: Outcome, other: Outcome) -> bool:
    return one.details == other.details and all(
        np.array_equal(one.arrays[name], other.arrays[name]) for name in one.arrays
    )


@pytest.mark.parametrize("student", ["vgg16", "resnet50"])
@pytest.mark.parametrize("normalization", ["native", "simclr"])
def test_a_job_is_its_teacher_its_views_and_its_training(student: str, normalization: str) -> None:
    bench, base = PlainBench(), make_base(student)
    outcome = run(job(student=student, normalization=normalization, seed=4), bench)

    features, labels, _ = bench.stream("", {**TEACHER, "seed": 4})
    wanted = {name: TEACHER[name] for name in HeadSettings.__annotations__ if name != "seed"}
    head = train_head(features, labels, CLASSES, HeadSettings(**wanted, seed=4))
    data = bench.data("")
    views = [
        crop_and_flip(data.train.images, range(48), seed=VIEWS_SEED, epoch=view, size=32)
        for view in range(2)
    ]
    center = center_view(data.heldout.images, size=32)
    if normalization == "native":
        inputs, heldout_input = [(view - 0.5) / 0.25 for view in views], (center - 0.5) / 0.25
    else:
        inputs, heldout_input = views, center
    logits = torch.stack([bench.encoder(view) @ head.weight + head.bias for view in views])
    settings = {name: SETTINGS[name] for name in StudentSettings.__annotations__}
    history = train_dense_student(
        torch.stack([base.body(view) for view in inputs]),
        logits,
        data.train.labels,
        base.body(heldout_input),
        StudentSettings(**{**settings, "widths": (8,), "seed": 4}),
    )
    teacher = (bench.encoder(center) @ head.weight + head.bias).argmax(1)
    assert outcome.arrays["teacher_predicted"].tolist() == teacher.tolist()
    assert outcome.arrays["heldout_label"].tolist() == data.heldout.labels.tolist()
    assert outcome.arrays["predicted"].tolist() == history.predictions.tolist()
    assert outcome.details["loss"] == pytest.approx(history.losses, abs=1e-5)
    assert outcome.details["data"] == data.description


def test_arrays_have_the_smallest_type_that_fits() -> None:
    arrays = run(job()).arrays
    assert {name: array.dtype for name, array in arrays.items()} == dict.fromkeys(
        ("heldout_label", "teacher_predicted", "predicted"), np.dtype(np.uint8)
    )
    assert arrays["predicted"].shape == (5, 30)
    assert run(job(classes=300)).arrays["predicted"].dtype == np.uint16


def test_parameters_are_counted_by_hand() -> None:
    # Teacher and residual base: 4x4 stem, then per block two 3x3 and a 1x1, with 2 per batch norm.
    stem = 3 * 16 * 8 + 2 * 8
    first = 9 * 8 * 8 + 9 * 8 * 8 + 8 * 8 + 3 * 2 * 8
    second = 9 * 8 * 12 + 9 * 12 * 12 + 8 * 12 + 3 * 2 * 12
    counted = run(job(student="resnet50")).details["parameters"]
    assert counted == {
        "student_trainable": (12 + 1) * 8 + (8 + 1) * 3,
        "student_base": stem + first + second,
        "teacher": stem + first + second + (12 + 1) * 3,
    }
    assert run(job()).details["parameters"]["student_base"] == (27 + 1) * 6 + (54 + 1) * 10


def test_the_same_bits_twice_and_after_any_other_jobs() -> None:
    alone = run(job(seed=1))
    assert same(alone, run(job(seed=1)))
    bench = PlainBench()
    for other in (
        job(student="resnet50", seed=1),
        job(seed=2),
        job(learns_from="labels", optimizer="lars"),
        job(normalization="simclr", seed=1),
        job(views=3),
        job(augment=[]),
        job(teacher={**TEACHER, "iterations": 3}, seed=1),
    ):
        assert not same(alone, run(other, bench))
    with torch.inference_mode():
        assert same(alone, run(job(seed=1), bench))


def test_views_are_drawn_once_for_each_network() -> None:
    bench = PlainBench()
    for seed in (0, 1):
        for student in ("vgg16", "resnet50"):
            for source in ("teacher", "labels"):
                run(job(student=student, learns_from=source, seed=seed), bench)
    # Encoder and two bases.
    assert bench.asked.count("views") == bench.asked.count("center heldout") == 3


def test_the_control_has_the_same_teacher_and_another_student() -> None:
    taught, control = run(job()), run(job(learns_from="labels"))
    name = "teacher_predicted"
    assert taught.arrays[name].tolist() == control.arrays[name].tolist()
    assert taught.details["loss"] != control.details["loss"]


def test_a_student_that_diverges_says_where() -> None:
    with pytest.raises(FloatingPointError, match="epoch"):
        run(job(learning_rate=1e6, epochs=60))


def test_a_teacher_that_diverges_says_where() -> None:
    teacher = {**TEACHER, "learning_rate": 1e38, "iterations": 100}
    with pytest.raises(FloatingPointError, match="iteration"):
        run(job(teacher=teacher))
