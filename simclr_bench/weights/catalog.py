"""Published weights: where they are, what they hold, and what is known of them before a download.

    simclrv2/<category>/<architecture>   Google's 65 TensorFlow checkpoints of SimCLRv2
    simclrv1/r50_<width>x                Google's three of SimCLR, self-supervised
    simclrv1/<category>/r50_<width>x     and six that are fine-tuned
    torchvision/<network>                the bases that students stand on

Google's buckets list no hash: what the first download brings is recorded and pinned
(`library.py`). The name of torchvision's files ends with the first 8 digits of their SHA-256.

Nothing here imports torch.

Source: google-research/simclr, README.md, for top-1 (v2: "F-T (1%)" to "Linear", "Supervised";
v1: its table, and tf2/colabs/imagenet_results.ipynb for the fine-tuned ones). Steps of v2:
Separius/SimCLRv2-Pytorch, download.py; of v1: Cyrilvallez/Image-manipulation-detection,
hashing/SimCLRv1/download.py. `steps_of` derives the same numbers from the recipes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from simclr_bench.networks.shapes import ResNetShape

BUCKET = "https://storage.googleapis.com/simclr-checkpoints"
TORCHVISION = "https://download.pytorch.org/models"

# Hosts from which a file counts as its publisher's own.
CANONICAL_HOSTS = ("storage.googleapis.com", "download.pytorch.org")

LICENCE_SIMCLR = (
    "google-research/simclr, which publishes them, is under Apache-2.0; trained on ImageNet, whose"
    " terms allow non-commercial research"
)
LICENCE_TORCHVISION = (
    "torchvision is under BSD-3-Clause; its weights may have terms of their own, derived from"
    " ImageNet's, which allow non-commercial research"
)

Normalization = Literal["unit", "imagenet"]


@dataclass(frozen=True, kw_only=True)
class WeightsFile:
    """A file to download.

    Attributes:
        name: Of the file.
        url: Canonical, over https.
        sha256: Known beforehand, or None.
        size: In bytes, or None.
    """

    name: str
    url: str
    sha256: str | None = None
    size: int | None = None


@dataclass(frozen=True, kw_only=True)
class WeightsEntry:
    """Weights that somebody publishes.

    Attributes:
        name: In this program.
        title: In words.
        shape: Of the network: a residual one, or torchvision's VGG16.
        format: "tensorflow": a checkpoint, converted by a Python that has TensorFlow;
            "torchvision": a state dict.
        files: All that are needed.
        step: The checkpoint's global step, or None.
        normalization: What the network wants of images in [0, 1]: nothing ("unit"), or ImageNet's
            mean and deviation taken out ("imagenet").
        classifier_after: Layers of the projection head between h and the ImageNet classifier.
        top1: Published ImageNet top-1, a fraction, or None.
        parameters: Trainable, of the encoder and the 1000-way classifier.
        licence: In words.
    """

    name: str
    title: str
    shape: ResNetShape | Literal["vgg16"]
    format: Literal["tensorflow", "torchvision"]
    files: tuple[WeightsFile, ...]
    step: int | None = None
    normalization: Normalization = "unit"
    classifier_after: int = 0
    top1: float | None
    parameters: int
    licence: str

    @property
    def architecture(self) -> str:
        """The network in one word."""
        return self.shape if isinstance(self.shape, str) else self.shape.name

    @property
    def size(self) -> int | None:
        """Bytes to download, if known."""
        sizes = [file.size for file in self.files]
        return None if None in sizes else sum(size for size in sizes if size)

    @property
    def url(self) -> str:
        """One address for the whole: of the only file, or of the checkpoint's prefix."""
        return self.files[0].url.removesuffix(".index")


def steps_of(examples: int, epochs: int, batch: int) -> int:
    """Steps of a run of the official code, the first step included."""
    return examples * epochs // batch + 1


# ILSVRC-2012's training images, and the subsets of imagenet_subsets/{1,10}percent.txt.
IMAGENET, ONE_PERCENT, TEN_PERCENT = 1_281_167, 12_811, 128_116

# Category -> (words, global step, layers of the head before the classifier).
CATEGORIES_V2 = {
    "finetuned_1pct": ("fine-tuned on 1 % of the labels", steps_of(ONE_PERCENT, 60, 1024), 1),
    "finetuned_10pct": ("fine-tuned on 10 % of the labels", steps_of(TEN_PERCENT, 30, 1024), 1),
    "finetuned_100pct": ("fine-tuned on all labels", steps_of(IMAGENET, 30, 1024), 0),
    "pretrained": ("self-supervised, with a linear classifier", steps_of(IMAGENET, 800, 4096), 0),
    "supervised": ("trained with labels", steps_of(IMAGENET, 90, 4096), 0),
}

# (depth, width, selective kernels) -> top-1 in %, in the order of CATEGORIES_V2.
TOP1_V2 = {
    (50, 1, False): (57.9, 68.4, 76.3, 71.7, 76.6),
    (50, 1, True): (64.5, 72.1, 78.7, 74.6, 78.5),
    (50, 2, False): (66.3, 73.9, 79.1, 75.6, 77.8),
    (50, 2, True): (70.6, 77.0, 81.3, 77.7, 79.3),
    (101, 1, False): (62.1, 71.4, 78.2, 73.6, 78.0),
    (101, 1, True): (68.3, 75.1, 80.6, 76.3, 79.6),
    (101, 2, False): (69.1, 75.8, 80.7, 77.0, 78.9),
    (101, 2, True): (73.2, 78.8, 82.4, 79.0, 80.1),
    (152, 1, False): (64.0, 73.0, 79.3, 74.5, 78.3),
    (152, 1, True): (70.0, 76.5, 81.3, 77.2, 79.9),
    (152, 2, False): (70.2, 76.6, 81.1, 77.4, 79.1),
    (152, 2, True): (74.2, 79.4, 82.9, 79.4, 80.4),
    (152, 3, True): (74.9, 80.1, 83.1, 79.8, 80.5),
}

# Category -> (words, {width: (examples, epochs, batch, top-1 in %)}).
CATEGORIES_V1 = {
    "pretrain": (
        "self-supervised, with a linear classifier",
        {
            1: (IMAGENET, 90, 512, 69.1),
            2: (IMAGENET, 90, 512, 74.2),
            4: (IMAGENET, 90, 512, 76.6),
        },
    ),
    "finetune_10pct": (
        "fine-tuned on 10 % of the labels",
        {
            1: (TEN_PERCENT, 30, 4096, 65.8),
            2: (TEN_PERCENT, 30, 4096, 71.6),
            4: (TEN_PERCENT, 30, 8192, 74.5),
        },
    ),
    "finetune_100pct": (
        "fine-tuned on all labels",
        {
            1: (IMAGENET, 30, 4096, 75.6),
            2: (IMAGENET, 30, 2048, 79.2),
            4: (IMAGENET, 30, 8192, 80.8),
        },
    ),
}


def _checkpoint_files(folder: str, step: int) -> tuple[WeightsFile, ...]:
    names = (f"model.ckpt-{step}.index", f"model.ckpt-{step}.data-00000-of-00001")
    return tuple(WeightsFile(name=name, url=f"{BUCKET}/{folder}/{name}") for name in names)


def _with_classifier(shape: ResNetShape) -> int:
    return shape.parameters + 1000 * (shape.features + 1)


def _simclrv2() -> Iterator[WeightsEntry]:
    for index, (category, (words, step, after)) in enumerate(CATEGORIES_V2.items()):
        for (depth, width, selective), top1 in TOP1_V2.items():
            shape = ResNetShape(depth=depth, width=width, selective_kernels=selective)
            folder = f"simclrv2/{category}/{shape.name}"
            yield WeightsEntry(
                name=folder,
                title=f"SimCLRv2, {words}",
                shape=shape,
                format="tensorflow",
                files=_checkpoint_files(folder, step),
                step=step,
                classifier_after=after,
                top1=round(top1[index] / 100, 3),
                parameters=_with_classifier(shape),
                licence=LICENCE_SIMCLR,
            )


def _simclrv1() -> Iterator[WeightsEntry]:
    for category, (words, widths) in CATEGORIES_V1.items():
        for width, (examples, epochs, batch, top1) in widths.items():
            shape = ResNetShape(width=width)
            step = steps_of(examples, epochs, batch)
            folder = "simclrv1" if category == "pretrain" else f"simclrv1/{category}"
            yield WeightsEntry(
                name=f"{folder}/r50_{width}x",
                title=f"SimCLR, {words}",
                shape=shape,
                format="tensorflow",
                files=_checkpoint_files(f"simclrv1/{category}/{width}x", step),
                step=step,
                top1=round(top1 / 100, 3),
                parameters=_with_classifier(shape),
                licence=LICENCE_SIMCLR,
            )


def _torchvision() -> Iterator[WeightsEntry]:
    # URL, top-1 and parameters: torchvision 0.26, models/{vgg,resnet}.py. Sizes and whole hashes
    # are those that many who downloaded the files state; each begins as the file's name says.
    residual = ResNetShape(pool="symmetric")
    for name, title, shape, file, sha256, size, top1, parameters in (
        (
            "vgg16",
            "torchvision's VGG16, IMAGENET1K_V1",
            "vgg16",
            "vgg16-397923af.pth",
            "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
            553_433_881,
            0.71592,
            138_357_544,
        ),
        (
            "resnet50-v1",
            "torchvision's ResNet50, IMAGENET1K_V1",
            residual,
            "resnet50-0676ba61.pth",
            "0676ba61b6795bbe1773cffd859882e5e297624d384b6993f7c9e683e722fb8a",
            102_530_333,
            0.76130,
            25_557_032,
        ),
        (
            "resnet50-v2",
            "torchvision's ResNet50, IMAGENET1K_V2",
            residual,
            "resnet50-11ad3fa6.pth",
            "11ad3fa62ca79e40addfd354a8ec4b7c75143b3038b8d2a807fbc68deab379ca",
            102_540_417,
            0.80858,
            25_557_032,
        ),
    ):
        yield WeightsEntry(
            name=f"torchvision/{name}",
            title=title,
            shape=shape if isinstance(shape, ResNetShape) else "vgg16",
            format="torchvision",
            files=(WeightsFile(name=file, url=f"{TORCHVISION}/{file}", sha256=sha256, size=size),),
            normalization="imagenet",
            top1=top1,
            parameters=parameters,
            licence=LICENCE_TORCHVISION,
        )


WEIGHTS: dict[str, WeightsEntry] = {
    entry.name: entry for entry in (*_simclrv2(), *_simclrv1(), *_torchvision())
}

# The networks of the checkpoints, by their names.
SHAPES: dict[str, ResNetShape] = {
    entry.shape.name: entry.shape
    for entry in WEIGHTS.values()
    if isinstance(entry.shape, ResNetShape) and entry.format == "tensorflow"
}
