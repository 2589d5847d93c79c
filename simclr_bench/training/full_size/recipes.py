"""Every choice behind a training of a full-size network: numbers and words only.

The command's defaults are those of the official run.py (TF1) where it has them: LARS at 0.3,
linear, 10 epochs of warm-up, weight decay 1e-4, 100 epochs of batches of 512, temperature 0.1,
three projection layers, strength 1, blur but for images of at most 32 pixels. Its TF2 sibling
differs in weight decay (1e-6, the SimCLR paper's). The kernel that resizes is TF2's, with
half-pixel centres.

Source: google-research/simclr, run.py and README.md.
"""

import re
from dataclasses import dataclass

from simclr_bench.errors import UsageError
from simclr_bench.networks.shapes import ResNetShape
from simclr_bench.training.engine.recipe import Optimization

SMALL = 32  # pixels, up to which a network has the stem of CIFAR-10 and views are not blurred

NETWORK = re.compile(r"r(\d+)(?:_(\d+)x)?(?:_sk([01]))?")


@dataclass(frozen=True, kw_only=True)
class SimclrRecipe:
    """Every choice behind a pretraining with NT-Xent.

    Attributes:
        shape: The network.
        image_size: Side of the views, pixels.
        temperature: Of NT-Xent.
        projection_layers: Of the projection head, whose output has 128 numbers.
        strength: Of the color jitter.
        blur: Whether half of the views are blurred.
        kernel: By which crops are resized.
        optimization: How it is trained.
    """

    shape: ResNetShape
    image_size: int
    temperature: float
    projection_layers: int
    strength: float
    blur: bool
    kernel: str
    optimization: Optimization


@dataclass(frozen=True, kw_only=True)
class FinetuneRecipe:
    """Every choice behind a fine-tuning, given the weights it starts from.

    Attributes:
        image_size: Side of the views, pixels.
        from_layer: Layers of the projection head that are kept below the classifier.
        head_only: Whether the classifier alone is trained.
        kernel: By which crops are resized.
        optimization: How it is trained.
    """

    image_size: int
    from_layer: int
    head_only: bool
    kernel: str
    optimization: Optimization


@dataclass(frozen=True, kw_only=True)
class DistillRecipe:
    """Every choice behind a distillation, given the teacher.

    Attributes:
        shape: The student.
        image_size: Side of the views, pixels.
        temperature: T.
        hard_weight: Share of the true labels' cross-entropy in the loss, in [0, 1].
        kernel: By which crops are resized.
        optimization: How it is trained.
    """

    shape: ResNetShape
    image_size: int
    temperature: float
    hard_weight: float
    kernel: str
    optimization: Optimization


def parse_network(name: str, image_size: int, option: str = "--network") -> ResNetShape:
    """The network of a name as the official checkpoints have it: r50_1x_sk0, or r18 for short.

    Args:
        name: Depth, width and selective kernels; the latter two may be left out.
        image_size: Up to 32 pixels the stem is that of CIFAR-10, as in the official code.
        option: Where the name came from.

    Raises:
        UsageError: There is no such network.
    """
    parts = NETWORK.fullmatch(name)
    if parts is None:
        raise UsageError(
            f"{option} {name}: is no network; name depth, width and selective kernels, such as"
            " r50_1x_sk0, or the depth alone, such as r18"
        )
    depth, width, selective = parts.groups()
    try:
        return ResNetShape(
            depth=int(depth),
            width=int(width or 1),
            selective_kernels=selective == "1",
            stem="cifar" if image_size <= SMALL else "imagenet",
        )
    except ValueError as error:
        raise UsageError(f"{option} {name}: {error}") from error
