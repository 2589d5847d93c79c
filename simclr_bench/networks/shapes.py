"""Sizes of networks: numbers only, so that a plan can hash them and a list can show them."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class EncoderShape:
    """Widths of the encoder and its projection head."""

    stem: int = 32
    widths: tuple[int, ...] = (64, 160)
    strides: tuple[int, ...] = (2, 2)
    hidden: int = 128
    projection: int = 64

    @property
    def features(self) -> int:
        """Width of the representation."""
        return self.widths[-1]


@dataclass(frozen=True)
class PlainShape:
    """Widths of the convolutions of each stage of the plain network."""

    stages: tuple[tuple[int, ...], ...] = ((24,), (48,), (96,), (160, 160))

    @property
    def features(self) -> int:
        """Width of the representation."""
        return self.stages[-1][-1]


# Blocks of each group of a residual network, by depth; those from 50 on are bottlenecks.
RESNET_BLOCKS = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
    200: (3, 24, 36, 3),
}


@dataclass(frozen=True, kw_only=True)
class Convolution:
    """One convolution of a network, and the batch norm that follows it.

    Attributes:
        name: Of the module.
        norm: Of the batch norm's module; empty where none follows.
        inputs: Channels in.
        outputs: Channels out.
        kernel: Height and width of the kernel.
    """

    name: str
    norm: str
    inputs: int
    outputs: int
    kernel: int

    @property
    def parameters(self) -> int:
        """Weights, and scale and shift of the batch norm."""
        weights = self.inputs * self.outputs * self.kernel**2
        return weights + (2 * self.outputs if self.norm else 0)


# Beyond what anybody has trained (4), and far below what a damaged file may ask memory for.
WIDEST = 8


@dataclass(frozen=True, kw_only=True)
class ResNetShape:
    """A residual network of SimCLR.

    Attributes:
        depth: 18, 34 (basic blocks), 50, 101, 152 or 200 (bottlenecks).
        width: Multiplier of all channels, at most WIDEST.
        selective_kernels: Two weighted streams in every bottleneck; stem and shortcuts of ResNet-D.
        pool: Where the stem's max-pool pads: "same" as TensorFlow's SAME does (one row and column
            at the far side of even sizes), or "symmetric" as torchvision does.
        stem: "imagenet", or "cifar" for images of at most 32 pixels: no stride, no pool.

    Raises:
        ValueError: There is no such network.

    Source: google-research/simclr, resnet.py; its basic blocks cannot have selective kernels
    (shortcut and branch would differ in size).
    """

    depth: int = 50
    width: int = 1
    selective_kernels: bool = False
    pool: str = "same"
    stem: str = "imagenet"

    def __post_init__(self) -> None:
        if self.depth not in RESNET_BLOCKS:
            raise ValueError(f"depth must be one of {[*RESNET_BLOCKS]}, got {self.depth}")
        if not isinstance(self.width, int) or not 1 <= self.width <= WIDEST:
            raise ValueError(f"width must be a whole number of 1 to {WIDEST}, got {self.width}")
        if self.selective_kernels and self.depth < 50:
            raise ValueError(f"selective kernels need depth 50 or more, got {self.depth}")
        if self.pool not in ("same", "symmetric"):
            raise ValueError(f'pool must be "same" or "symmetric", got {self.pool!r}')
        if self.stem not in ("imagenet", "cifar"):
            raise ValueError(f'stem must be "imagenet" or "cifar", got {self.stem!r}')

    @property
    def name(self) -> str:
        """As the official checkpoints are named: r50_1x_sk0."""
        return f"r{self.depth}_{self.width}x_sk{int(self.selective_kernels)}"

    @property
    def blocks(self) -> tuple[int, ...]:
        """Residual blocks of each group."""
        return RESNET_BLOCKS[self.depth]

    @property
    def expansion(self) -> int:
        """Channels that leave a block, for each channel of its 3 x 3 convolution."""
        return 1 if self.depth < 50 else 4

    @property
    def features(self) -> int:
        """Width of the representation."""
        return 512 * self.width * self.expansion

    @property
    def parameters(self) -> int:
        """Trainable parameters; moving statistics of batch norms are not counted."""
        return sum(convolution.parameters for convolution in resnet_convolutions(self))


def selective_middle(outputs: int) -> int:
    """Channels between the two 1 x 1 convolutions that weigh the streams of a selective kernel."""
    return max(outputs // 16, 32)


def resnet_convolutions(shape: ResNetShape) -> Iterator[Convolution]:
    """Every convolution of a residual network, in the order in which the official code makes them.

    In the first block of a group, which alone has a convolution in its shortcut, that one is first.
    """
    yield from _stem(shape)
    inputs = 64 * shape.width
    for group, blocks in enumerate(shape.blocks):
        width = 64 * shape.width * 2**group
        for block in range(blocks):
            yield from _block(shape, f"layer{group + 1}.{block}", inputs, width, first=block == 0)
            inputs = width * shape.expansion


def _stem(shape: ResNetShape) -> Iterator[Convolution]:
    width = 64 * shape.width
    if shape.stem == "imagenet" and shape.selective_kernels:
        yield _convolution("conv1.0", "conv1.1", 3, width // 2, 3)
        yield _convolution("conv1.3", "conv1.4", width // 2, width // 2, 3)
        yield _convolution("conv1.6", "bn1", width // 2, width, 3)
    else:
        yield _convolution("conv1", "bn1", 3, width, 7 if shape.stem == "imagenet" else 3)


def _block(
    shape: ResNetShape, name: str, inputs: int, width: int, *, first: bool
) -> Iterator[Convolution]:
    outputs = width * shape.expansion
    if first:
        yield _convolution(f"{name}.downsample.0", f"{name}.downsample.1", inputs, outputs, 1)
    if shape.expansion == 1:
        yield _convolution(f"{name}.conv1", f"{name}.bn1", inputs, width, 3)
        yield _convolution(f"{name}.conv2", f"{name}.bn2", width, width, 3)
        return
    yield _convolution(f"{name}.conv1", f"{name}.bn1", inputs, width, 1)
    if shape.selective_kernels:
        middle = selective_middle(width)
        yield _convolution(f"{name}.conv2.conv", f"{name}.conv2.bn", width, 2 * width, 3)
        yield _convolution(f"{name}.conv2.reduce", f"{name}.conv2.reduce_bn", width, middle, 1)
        yield _convolution(f"{name}.conv2.expand", "", middle, 2 * width, 1)
    else:
        yield _convolution(f"{name}.conv2", f"{name}.bn2", width, width, 3)
    yield _convolution(f"{name}.conv3", f"{name}.bn3", width, outputs, 1)


def _convolution(name: str, norm: str, inputs: int, outputs: int, kernel: int) -> Convolution:
    return Convolution(name=name, norm=norm, inputs=inputs, outputs=outputs, kernel=kernel)
