"""What is published: against the tables of the publishers, and torchvision's own."""

import re
from urllib.parse import urlsplit

import pytest
import torchvision

from simclr_bench.networks.shapes import ResNetShape
from simclr_bench.weights.catalog import CANONICAL_HOSTS, WEIGHTS, steps_of

# Parameters with the 1000-way classifier, counted on the official code's variables.
PARAMETERS = {
    "r50_1x_sk0": 25_557_032,
    "r50_1x_sk1": 37_264_584,
    "r50_2x_sk0": 98_004_072,
    "r50_2x_sk1": 144_403_048,
    "r101_1x_sk0": 44_549_160,
    "r101_1x_sk1": 66_711_304,
    "r101_2x_sk0": 173_868_136,
    "r101_2x_sk1": 261_229_224,
    "r152_1x_sk0": 60_192_808,
    "r152_1x_sk1": 90_989_896,
    "r152_2x_sk0": 236_350_568,
    "r152_2x_sk1": 357_495_528,
    "r152_3x_sk1": 800_849_160,
}


def test_all_of_simclrv2_are_there_with_their_sizes() -> None:
    published = {name: e for name, e in WEIGHTS.items() if name.startswith("simclrv2/")}
    assert len(published) == 5 * 13
    for name, entry in published.items():
        category, architecture = name.split("/")[1:]
        assert entry.parameters == PARAMETERS[architecture], name
        assert entry.architecture == architecture
        assert entry.classifier_after == (category in ("finetuned_1pct", "finetuned_10pct"))
        assert entry.normalization == "unit"


# Steps that a public downloader names: Separius/SimCLRv2-Pytorch, download.py.
@pytest.mark.parametrize(
    ("category", "step", "top1"),
    [
        ("finetuned_1pct", 751, 0.579),
        ("finetuned_10pct", 3754, 0.684),
        ("finetuned_100pct", 37535, 0.763),
        ("pretrained", 250228, 0.717),
        ("supervised", 28151, 0.766),
    ],
)
def test_checkpoints_are_addressed_by_their_step(category: str, step: int, top1: float) -> None:
    entry = WEIGHTS[f"simclrv2/{category}/r50_1x_sk0"]
    folder = f"https://storage.googleapis.com/simclr-checkpoints/simclrv2/{category}/r50_1x_sk0"
    assert entry.step == step and entry.top1 == top1
    assert entry.url == f"{folder}/model.ckpt-{step}"
    assert [file.url for file in entry.files] == [
        f"{folder}/model.ckpt-{step}.index",
        f"{folder}/model.ckpt-{step}.data-00000-of-00001",
    ]


def test_the_largest_has_the_last_row_of_the_table() -> None:
    entry = WEIGHTS["simclrv2/finetuned_100pct/r152_3x_sk1"]
    assert entry.top1 == 0.831
    assert entry.shape == ResNetShape(depth=152, width=3, selective_kernels=True)


# Steps that a public downloader names: Cyrilvallez/Image-manipulation-detection.
@pytest.mark.parametrize(
    ("name", "folder", "step"),
    [
        ("simclrv1/r50_1x", "pretrain/1x", 225206),
        ("simclrv1/r50_4x", "pretrain/4x", 225206),
        ("simclrv1/finetune_100pct/r50_1x", "finetune_100pct/1x", 9384),
        ("simclrv1/finetune_100pct/r50_2x", "finetune_100pct/2x", 18768),
        ("simclrv1/finetune_100pct/r50_4x", "finetune_100pct/4x", 4692),
        ("simclrv1/finetune_10pct/r50_1x", "finetune_10pct/1x", 939),
        ("simclrv1/finetune_10pct/r50_4x", "finetune_10pct/4x", 470),
    ],
)
def test_simclr_of_the_first_version(name: str, folder: str, step: int) -> None:
    bucket = "https://storage.googleapis.com/simclr-checkpoints/simclrv1"
    assert WEIGHTS[name].step == step
    assert WEIGHTS[name].url == f"{bucket}/{folder}/model.ckpt-{step}"


def test_steps_count_the_first() -> None:
    assert steps_of(examples=10, epochs=2, batch=4) == 6


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("vgg16", torchvision.models.VGG16_Weights.IMAGENET1K_V1),
        ("resnet50-v1", torchvision.models.ResNet50_Weights.IMAGENET1K_V1),
        ("resnet50-v2", torchvision.models.ResNet50_Weights.IMAGENET1K_V2),
    ],
)
def test_torchvisions_are_what_torchvision_says(
    name: str, weights: torchvision.models.WeightsEnum
) -> None:
    entry = WEIGHTS[f"torchvision/{name}"]
    (file,) = entry.files
    assert file.url == weights.url
    assert entry.parameters == weights.meta["num_params"]
    assert entry.top1 is not None
    assert 100 * entry.top1 == pytest.approx(weights.meta["_metrics"]["ImageNet-1K"]["acc@1"])
    assert file.size is not None
    assert file.size / 2**20 == pytest.approx(weights.meta["_file_size"], abs=6e-4)
    # torch.hub's convention: the name ends with the first digits of the SHA-256.
    prefix = re.search(r"-([0-9a-f]{8})\.pth$", file.name)
    assert prefix and file.sha256 is not None and len(file.sha256) == 64
    assert file.sha256.startswith(prefix[1])
    assert entry.normalization == "imagenet"


def test_every_file_comes_from_its_publisher_over_https() -> None:
    for entry in WEIGHTS.values():
        assert entry.licence and entry.title and 0.4 < (entry.top1 or 0) < 0.9
        for file in entry.files:
            parts = urlsplit(file.url)
            assert parts.scheme == "https" and parts.hostname in CANONICAL_HOSTS
            assert parts.path.endswith(f"/{file.name}")
