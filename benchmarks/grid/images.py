"""The suites of what surrounds a loss: augmentation, features, whole training steps.

    augment    two views of each image, from decoded bytes in memory to floats in [0, 1]; on one
               core, which is what a worker of a data loader has
    extract    features of views that lie on the device
    train      a step on views that lie there: network, projection head, loss, gradients, optimizer

In a training step the providers are those of NT-Xent, all in the same network; `network-only` has
next to no loss, so that what another takes beyond it is the loss.
"""

from dataclasses import dataclass

from benchmarks.grid.cells import ImageCell
from benchmarks.grid.suites import Suite

# Pixels up to which SimCLR has CIFAR-10's strength and no blur.
SMALL = 32


@dataclass(frozen=True)
class Views:
    """How views are drawn; every provider of a cell is given the same.

    Attributes:
        strength: Of the color jitter.
        blur: Whether half of the views are blurred.
        kernel: Our kernel of the resize, a key of `data.resample.KERNELS`.
        smallest: The smallest crop, as a fraction of the image's area.
    """

    strength: float
    blur: bool
    kernel: str
    smallest: float = 0.08

    @property
    def jitter(self) -> tuple[float, float, float, float]:
        """Of brightness, contrast, saturation and hue, as torchvision takes it."""
        return 0.8 * self.strength, 0.8 * self.strength, 0.8 * self.strength, 0.2 * self.strength


def views_of(cell: ImageCell) -> Views:
    """Those of a cell's size; the kernels are what our trainings take for it.

    Source: SimCLR (arXiv:2002.05709), Appendices A and B.9.
    """
    if cell.side <= SMALL:
        return Views(0.5, blur=False, kernel="antialiased")
    return Views(1.0, blur=True, kernel="half_pixel")


def augment(images: int, source: int, side: int, device: str = "cpu") -> ImageCell:
    return ImageCell("augment", images, side, source, threads=1, device=device)


def extract(images: int, side: int, network: str) -> ImageCell:
    return ImageCell("extract", images, side, network=network)


def train(images: int, network: str) -> ImageCell:
    return ImageCell("train", images, 32, network=network)


def full_size(work: str) -> tuple[ImageCell, ...]:
    """ResNet-50 on a GPU."""
    return tuple(
        ImageCell(work, batch, 224, network="r50", dtype="bfloat16", device="cuda")
        for batch in (256, 512, 1024, 2048)
    )


AUGMENTERS = ("ours", "torchvision-image", "torchvision-batch", "kornia", "lightly-transform")
EXTRACTORS = ("ours", "torchvision", "ours-compiled")
LOSSES = (
    "fused",
    "eager",
    "lightly",
    "pytorch-metric-learning-supcon",
    "supcontrast-formula",
    "network-only",
)

# "small" is what the embedded profile trains, at its batch and at four times that. In ResNet-18 no
# loss of 64 rows shows; beside an MLP of three layers, at 4096 rows, every loss does.
TRAINING = (train(128, "small"), train(512, "small"), train(32, "r18"), train(2048, "mlp"))

RACES = (
    Suite("quick", (augment(64, 48, 32),), AUGMENTERS, rounds=9, patience_s=1.0),
    Suite("quick", (extract(16, 32, "r18"),), EXTRACTORS[:2], rounds=9, patience_s=1.0),
    Suite(
        "quick",
        (train(128, "small"),),
        ("fused", "eager", "lightly", "network-only"),
        rounds=9,
        patience_s=1.0,
    ),
    Suite("standard", (augment(256, 48, 32), augment(32, 256, 224)), AUGMENTERS, rounds=9),
    Suite("standard", (extract(128, 32, "r18"), extract(16, 224, "r50")), EXTRACTORS, rounds=7),
    Suite("standard", TRAINING, LOSSES, rounds=9),
    # A step of 512 images takes half a minute on two cores.
    Suite(
        "sweep",
        (train(128, "r18"), train(512, "r18")),
        ("fused", "eager", "network-only"),
        rounds=7,
    ),
)

CUDA_RACES = (
    Suite("gpu_images", full_size("extract"), EXTRACTORS, patience_s=0.0),
    Suite(
        "gpu_images",
        full_size("train"),
        (*LOSSES, "compile", "memeff", "lightly-loop"),
        patience_s=0.0,
    ),
    Suite(
        "gpu_images",
        (augment(4096, 48, 32, "cuda"), augment(256, 256, 224, "cuda")),
        AUGMENTERS,
        patience_s=0.0,
    ),
)
