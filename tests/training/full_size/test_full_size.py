"""What is particular to pretraining, fine-tuning and distillation; the engine has its own tests."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torchvision.io import write_png

from simclr_bench.data.augment import crop_and_flip, simclr_views
from simclr_bench.data.image_files import ImageFiles, list_images
from simclr_bench.errors import DataError, UsageError
from simclr_bench.losses import nt_xent
from simclr_bench.networks.projection import ProjectionHead
from simclr_bench.networks.resnet import ResNet
from simclr_bench.networks.shapes import ResNetShape
from simclr_bench.training.engine.batches import Batch
from simclr_bench.training.full_size.classifier import (
    Classifier,
    augmented,
    predict,
    write_result,
)
from simclr_bench.training.full_size.distillation import distillation
from simclr_bench.training.full_size.finetuning import finetuning
from simclr_bench.training.full_size.labeled import split_labeled
from simclr_bench.training.full_size.pretraining import pretraining
from simclr_bench.training.full_size.recipes import (
    DistillRecipe,
    FinetuneRecipe,
    SimclrRecipe,
    parse_network,
)
from simclr_bench.training.full_size.run import check_batch
from simclr_bench.weights.build import random_encoder
from tests.training.engine.tiny import ALONE, RECIPE

SHAPE = ResNetShape(depth=18, stem="cifar")
SIMCLR = SimclrRecipe(
    shape=SHAPE,
    image_size=8,
    temperature=0.2,
    projection_layers=2,
    strength=0.5,
    blur=False,
    kernel="half_pixel",
    optimization=RECIPE,
)


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of ten images each, one dark and one bright."""
    folder = tmp_path_factory.mktemp("classes")
    generator = torch.Generator().manual_seed(0)
    for name, base in (("bright", 200), ("dark", 20)):
        (folder / name).mkdir()
        for number in range(10):
            noise = torch.randint(0, 40, (3, 12, 10 + number % 3), generator=generator)
            write_png((base + noise).to(torch.uint8), str(folder / name / f"{number}.png"))
    return folder


def batch_of(images: ImageFiles, numbers: list[int], step: int = 0) -> Batch:
    at = np.array(numbers)
    pixels = [images.read(number) for number in numbers]
    return Batch(step=step, images=pixels, numbers=at, draws=at + len(images))


class Flat(nn.Module):
    """Projections or logits by one fixed product, so that losses can be followed by hand."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.weight = torch.randn(3 * 8 * 8, outputs, generator=generator)

    def forward(self, views: torch.Tensor) -> torch.Tensor:
        return views.flatten(1) @ self.weight


def test_pretraining_compares_two_views_whose_draws_the_pass_and_the_image_address(
    classes: Path,
) -> None:
    images = list_images(classes)
    batch = batch_of(images, [3, 17, 4], step=5)
    for recipe in (SIMCLR, replace(SIMCLR, image_size=40, blur=True)):
        work = pretraining(recipe, images, ALONE, {})
        first, second = simclr_views(
            batch.images,
            [23, 37, 24],
            seed=RECIPE.seed,
            epoch=0,
            size=recipe.image_size,
            strength=0.5,
            kernel="half_pixel",
            blur=recipe.blur,
            step=5,
        )
        flat = lambda views: views.flatten(1)[:, :50]  # noqa: E731
        got = work.loss(flat, batch)  # type: ignore[arg-type]
        torch.testing.assert_close(got, nt_xent(flat(first), flat(second), 0.2, impl="reference"))
        assert work.loss_weight == 2.0


def test_the_initial_weights_are_the_seeds_and_the_identity_holds_the_recipe(classes: Path) -> None:
    images = list_images(classes)
    one, same = (pretraining(SIMCLR, images, ALONE, {"code": "x"}) for _ in range(2))
    other_recipe = replace(SIMCLR, optimization=replace(RECIPE, seed=9))
    other = pretraining(other_recipe, images, ALONE, {"code": "x"})
    name = "encoder.layer1.0.conv1.weight"
    assert torch.equal(one.network.get_parameter(name), same.network.get_parameter(name))
    assert not torch.equal(one.network.get_parameter(name), other.network.get_parameter(name))
    assert one.identity == same.identity != other.identity
    assert json.loads(json.dumps(one.identity))["recipe"]["shape"]["depth"] == 18


def test_names_of_networks() -> None:
    assert parse_network("r50_2x_sk1", 224) == ResNetShape(width=2, selective_kernels=True)
    assert parse_network("r18", 32) == SHAPE
    for name in ("vgg16", "r51", "r50_0x", "r18_1x_sk1", "r50_1x_sk2"):
        with pytest.raises(UsageError, match=f"--network {name}"):
            parse_network(name, 224)


def test_a_split_is_by_class_and_a_file_outside_a_class_is_in_neither_part(classes: Path) -> None:
    stray = classes / "readme.txt"
    stray.write_text("no class")
    try:
        images = split_labeled(classes, list_images(classes), heldout_fraction=0.2, split_seed=0)
    finally:
        stray.unlink()
    assert images.classes == ("bright", "dark")
    assert np.bincount(images.heldout_labels).tolist() == [2, 2]
    assert np.bincount(images.train_labels).tolist() == [8, 8]
    assert not set(images.train.files) & set(images.heldout.files)
    for part, labels in (
        (images.train, images.train_labels),
        (images.heldout, images.heldout_labels),
    ):
        for number, label in enumerate(labels):
            assert (part.read(number).float().mean() > 128) == (label == 0)
    with pytest.raises(DataError, match="no class folders"):
        split_labeled(
            classes / "dark", list_images(classes / "dark"), heldout_fraction=0.2, split_seed=0
        )


@pytest.mark.parametrize(("from_layer", "head_only"), [(0, False), (1, False), (1, True)])
def test_fine_tuning_trains_what_it_should_with_the_labels_of_the_images(
    classes: Path, from_layer: int, head_only: bool
) -> None:
    images = split_labeled(classes, list_images(classes), heldout_fraction=0.2, split_seed=0)
    recipe = FinetuneRecipe(
        image_size=8,
        from_layer=from_layer,
        head_only=head_only,
        kernel="half_pixel",
        optimization=RECIPE,
    )
    start = random_encoder(SHAPE, 0)
    head = ProjectionHead(512, layers=2)
    work = finetuning(recipe, replace(start, projection=head), images, ALONE, 0, {})
    batch = batch_of(images.train, [1, 14, 3])
    views = crop_and_flip(
        batch.images, batch.draws, seed=RECIPE.seed, epoch=0, size=8, kernel="half_pixel"
    )
    labels = torch.from_numpy(images.train_labels[[1, 14, 3]])
    torch.testing.assert_close(work.loss(Flat(2), batch), F.cross_entropy(Flat(2)(views), labels))
    network = work.network.train()
    before = network.encoder.bn1.running_mean.clone()
    work.loss(network, batch).backward()
    moved = not torch.equal(network.encoder.bn1.running_mean, before)
    assert moved == (not head_only)
    trained = {name for name, p in network.named_parameters() if p.grad is not None}
    assert {"classifier.weight", "classifier.bias"} <= trained
    assert ("encoder.conv1.weight" in trained) == (not head_only)
    assert ("projection.dense.0.weight" in trained) == (from_layer == 1 and not head_only)
    assert "projection.dense.1.weight" not in trained
    with pytest.raises(UsageError, match=r"--from-projection-layer 1: .* head of 0 layers"):
        finetuning(replace(recipe, from_layer=1), start, images, ALONE, 0, {})


def test_a_student_learns_the_teachers_classes_and_labels_by_their_weight(classes: Path) -> None:
    images = list_images(classes)
    labels = np.repeat([0, 1], 10)
    teacher = replace(random_encoder(SHAPE, 0), classifier=nn.Linear(512, 3))
    recipe = DistillRecipe(
        shape=SHAPE,
        image_size=8,
        temperature=2.0,
        hard_weight=0.25,
        kernel="half_pixel",
        optimization=RECIPE,
    )
    batch = batch_of(images, [2, 12])
    views = crop_and_flip(
        batch.images, batch.draws, seed=RECIPE.seed, epoch=0, size=8, kernel="half_pixel"
    )
    student = Flat(3)(views)
    with torch.no_grad():
        taught = teacher.classifier(teacher.network(views))  # type: ignore[misc]
    soft = -4 * ((taught / 2).softmax(1) * (student / 2).log_softmax(1)).sum(1).mean()
    hard = F.cross_entropy(student, torch.tensor([0, 1]))
    mixed = distillation(recipe, teacher, images, (labels, ("a", "b", "c")), ALONE, {})
    torch.testing.assert_close(mixed.loss(Flat(3), batch), 0.75 * soft + 0.25 * hard)
    without = distillation(replace(recipe, hard_weight=0.0), teacher, images, None, ALONE, {})
    torch.testing.assert_close(without.loss(Flat(3), batch), soft)
    assert without.network.get_parameter("classifier.weight").shape == (3, 512)
    with pytest.raises(UsageError, match="has no classifier"):
        distillation(recipe, random_encoder(SHAPE, 0), images, None, ALONE, {})
    # Fewer folders than classes are refused too: nobody knows which ones they are.
    for names in (("a", "b"), ("a", "b", "c", "d")):
        told = f"{len(names)} class folders, and the teacher knows 3"
        with pytest.raises(UsageError, match=told):
            distillation(recipe, teacher, images, (labels, names), ALONE, {})


@pytest.mark.parametrize("kernel", ["half_pixel", "antialiased"])
def test_autocast_does_not_round_the_views(classes: Path, kernel: str) -> None:
    images = list_images(classes)
    batch = batch_of(images, [2, 12])
    wanted = crop_and_flip(batch.images, batch.draws, seed=1, epoch=0, size=8, kernel=kernel)
    with torch.autocast("cpu", torch.bfloat16):
        got = augmented(batch, seed=1, size=8, kernel=kernel, device=torch.device("cpu"))
    assert torch.equal(got, wanted)


def test_a_batch_that_batch_norm_or_the_processes_cannot_share_is_refused(classes: Path) -> None:
    two = replace(ALONE, size=2)
    for size, world, told in (
        (1, ALONE, "--batch-size 1: give 2 images or more"),
        (6, ALONE, "--batch-size 6: there are 5 images"),
        (5, two, "--batch-size 5: .* as many for each"),
        (2, two, "--batch-size 2: give 2 images or more for each process, .* processes: 2"),
    ):
        with pytest.raises(UsageError, match=told):
            check_batch(replace(RECIPE, batch_size=size), 5, world)
    with pytest.raises(UsageError, match=r"too few images to train on \(1\)"):
        check_batch(replace(RECIPE, batch_size=1), 1, ALONE)
    check_batch(replace(RECIPE, batch_size=5), 5, ALONE)
    check_batch(replace(RECIPE, batch_size=4), 5, two)


def test_an_accuracy_comes_with_its_count_its_interval_and_every_prediction(
    classes: Path, tmp_path: Path
) -> None:
    images = list_images(classes)

    class Bright(nn.Module):
        def forward(self, views: torch.Tensor) -> torch.Tensor:
            mean = views.mean(dim=(1, 2, 3))
            return torch.stack([mean, 0.5 - 0 * mean], dim=1)

    device = torch.device("cpu")
    found = [
        predict(Bright(), images, size=8, kernel="half_pixel", workers=n, device=device)
        for n in (0, 3)
    ]
    assert found[0].tolist() == found[1].tolist() == [0] * 10 + [1] * 10
    labels = np.repeat([0, 1], 10)
    labels[0] = 1
    write_result(tmp_path, images, found[0], labels, ("bright", "dark"))
    result = json.loads((tmp_path / "result.json").read_text())
    assert (result["correct"], result["n"], result["accuracy"]) == (19, 20, 0.95)
    low, high = result["interval"]["ends"]
    assert low == pytest.approx(0.7513, abs=1e-4) and high == pytest.approx(0.9987, abs=1e-4)
    wrong = [p for p in result["predictions"] if p["label"] != p["predicted"]]
    assert wrong == [{"file": "bright/0.png", "label": "dark", "predicted": "bright"}]


def test_a_frozen_part_stays_in_evaluation_mode() -> None:
    network = Classifier(ResNet(SHAPE), None, until=0, classes=2, head_only=True).train()
    assert not network.encoder.training and network.classifier.training
