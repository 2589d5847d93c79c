"""Residual networks as SimCLR has them, for images of any size.

    stem      7 x 7 convolution of stride 2, batch norm, ReLU, 3 x 3 max-pool of stride 2
    layer1-4  groups of residual blocks, of stride 1, 2, 2, 2, which is on a 3 x 3 convolution
    h         global average pooling of the last group: `final_avg_pool` of the official code

With selective kernels, the 3 x 3 convolution of every bottleneck has two streams, weighted by what
their sum holds; the stem is three 3 x 3 convolutions and the shortcuts average before they project.

The first block of every group projects its shortcut, in depths 18 and 34 too, where torchvision's
first group does not. Names of modules are torchvision's where it has the module: weights of its
bottleneck networks load as they are.

Source: google-research/simclr, resnet.py; He et al. (arXiv:1512.03385). Selective kernels: Li et
al. (arXiv:1903.06586). ResNet-D: He et al. (arXiv:1812.01187).
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from simclr_bench.networks.shapes import ResNetShape, selective_middle

# Standard deviation of a unit normal that is cut off at 2: variance scaling divides by it.
TRUNCATED_STD = 0.87962566103423978


class SelectiveKernel(nn.Module):
    """A 3 x 3 convolution with two streams, and their mean weighted by channel and image.

    Args:
        inputs: Channels in.
        outputs: Channels out.
        stride: Of the convolution.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        middle = selective_middle(outputs)
        self.conv = _convolution(inputs, 2 * outputs, 3, stride)
        self.bn = nn.BatchNorm2d(2 * outputs)
        self.reduce = _convolution(outputs, middle, 1)
        self.reduce_bn = nn.BatchNorm2d(middle)
        self.expand = _convolution(middle, 2 * outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, H, W] -> [B, outputs, H / stride, W / stride], not negative"""
        streams = F.relu(self.bn(self.conv(x)), inplace=True)
        one, other = streams.mean(dim=(2, 3), keepdim=True).chunk(2, dim=1)
        logits = self.expand(F.relu(self.reduce_bn(self.reduce(one + other)), inplace=True))
        one, other = logits.chunk(2, dim=1)
        weight = torch.sigmoid(one - other)  # the softmax of two
        one, other = streams.chunk(2, dim=1)
        return one * weight + other * (1 - weight)


class Shortcut(nn.Sequential):
    """The projection beside the first block of a group: 1 x 1 convolution and batch norm.

    Args:
        inputs: Channels in.
        outputs: Channels out.
        stride: Of the block.
        average: Whether 2 x 2 averages take the place of the convolution's stride.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, *, average: bool) -> None:
        convolution = _convolution(inputs, outputs, 1, 1 if average else stride)
        super().__init__(convolution, nn.BatchNorm2d(outputs))
        self.stride = stride
        self.average = average

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, H, W] -> [B, outputs, H / stride, W / stride]"""
        if self.average:
            x = average_pool(x, self.stride)
        return super().forward(x)


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut.

    Args:
        inputs: Channels in.
        width: Channels out.
        stride: Of the first convolution.
        first: Whether it opens a group, so that the shortcut projects.
    """

    def __init__(self, inputs: int, width: int, stride: int, *, first: bool) -> None:
        super().__init__()
        self.conv1 = _convolution(inputs, width, 3, stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = _convolution(width, width, 3)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = Shortcut(inputs, width, stride, average=False) if first else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, H, W] -> [B, width, H / stride, W / stride]"""
        out = F.relu(self.bn1(self.conv1(x)), inplace=True)
        out = self.bn2(self.conv2(out))
        return F.relu(out + self.downsample(x), inplace=True)


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3 and 1 x 1 convolutions beside a shortcut.

    Args:
        inputs: Channels in.
        width: Channels of the 3 x 3 convolution; four times as many come out.
        stride: Of the 3 x 3 convolution.
        first: Whether it opens a group, so that the shortcut projects.
        selective: Whether the 3 x 3 convolution has two streams.
    """

    def __init__(
        self, inputs: int, width: int, stride: int, *, first: bool, selective: bool
    ) -> None:
        super().__init__()
        self.conv1 = _convolution(inputs, width, 1)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2: nn.Module
        self.bn2: nn.Module
        if selective:
            self.conv2 = SelectiveKernel(width, width, stride)
            self.bn2 = nn.Identity()  # and the ReLU that follows finds nothing negative
        else:
            self.conv2 = _convolution(width, width, 3, stride)
            self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = _convolution(width, 4 * width, 1)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.downsample = (
            Shortcut(inputs, 4 * width, stride, average=selective) if first else nn.Identity()
        )

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, H, W] -> [B, 4 width, H / stride, W / stride]"""
        out = F.relu(self.bn1(self.conv1(x)), inplace=True)
        out = F.relu(self.bn2(self.conv2(out)), inplace=True)
        out = self.bn3(self.conv3(out))
        return F.relu(out + self.downsample(x), inplace=True)


class ResNet(nn.Module):
    """Images to representations h.

    Args:
        shape: Depth, width and variant.
    """

    def __init__(self, shape: ResNetShape) -> None:
        super().__init__()
        self.shape = shape
        self.conv1 = _stem(shape)
        self.bn1 = nn.BatchNorm2d(64 * shape.width)
        self.layer1, self.layer2, self.layer3, self.layer4 = (_group(shape, g) for g in range(4))
        # The layout in which convolutions run without reordering their operands.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @property
    def features(self) -> int:
        """Width of the representation."""
        return self.shape.features

    def forward(self, images: Tensor) -> Tensor:
        """float images in [0, 1], [B, 3, H, W] -> representations [B, features]"""
        x = images.contiguous(memory_format=torch.channels_last)
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        if self.shape.stem == "imagenet":
            x = max_pool(x, self.shape.pool)
        for group in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = group(x)
        return x.mean(dim=(2, 3))


def max_pool(x: Tensor, pool: str) -> Tensor:
    """3 x 3 maxima of stride 2.

    Args:
        x: What is pooled, [B, C, H, W].
        pool: "same" pads even sizes by (0, 1) and odd ones by (1, 1), as TensorFlow's SAME does;
            "symmetric" pads by (1, 1).

    Returns:
        [B, C, ceil(H / 2), ceil(W / 2)]
    """
    if pool == "symmetric":
        return F.max_pool2d(x, 3, 2, padding=1)
    # Rounded up, the last window of an even size reaches over the far edge, by one.
    padding = (x.shape[2] % 2, x.shape[3] % 2)
    return F.max_pool2d(x, 3, 2, padding=padding, ceil_mode=True)


def average_pool(x: Tensor, stride: int) -> Tensor:
    """2 x 2 means as in the shortcuts of the official selective-kernel networks.

    Args:
        x: What is pooled, [B, C, H, W].
        stride: 1: windows that reach over the far edge average what is inside, as TensorFlow's SAME
            does. 2: what they find there counts as zero.

    Returns:
        [B, C, ceil(H / stride), ceil(W / stride)]
    """
    if stride == 1:
        # The mean of (a, b, a, b) is that of (a, b): repeating the edge leaves the outside out.
        return F.avg_pool2d(F.pad(x, (0, 1, 0, 1), mode="replicate"), 2, 1)
    return F.avg_pool2d(x, 2, 2, ceil_mode=True, divisor_override=4)


def initialize(network: nn.Module, generator: torch.Generator) -> None:
    """Draws weights by the laws of the official code, in place.

        convolutions    normal of variance 1 / fan_in, cut off at twice its deviation before the cut
        linear layers   normal of standard deviation 0.01, biases zero
        batch norms     scale 1, but 0 in the last of each residual branch; shift 0

    Args:
        network: A ResNet, a ProjectionHead, a linear layer, or any module made of these.
        generator: Source of the draws, on the device of the weights.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            std = 1 / math.sqrt(module.weight[0].numel()) / TRUNCATED_STD
            nn.init.trunc_normal_(
                module.weight, std=std, a=-2 * std, b=2 * std, generator=generator
            )
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.01, generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.reset_running_stats()
            nn.init.ones_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for module in network.modules():
        if isinstance(module, Bottleneck):
            nn.init.zeros_(module.bn3.weight)
        elif isinstance(module, BasicBlock):
            nn.init.zeros_(module.bn2.weight)


def _convolution(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    """A convolution without bias that pads by half its kernel on both sides, at any stride."""
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)


def _stem(shape: ResNetShape) -> nn.Module:
    width = 64 * shape.width
    if shape.stem == "cifar":
        return _convolution(3, width, 3)
    if not shape.selective_kernels:
        return _convolution(3, width, 7, 2)
    return nn.Sequential(
        _convolution(3, width // 2, 3, 2),
        nn.BatchNorm2d(width // 2),
        nn.ReLU(inplace=True),
        _convolution(width // 2, width // 2, 3),
        nn.BatchNorm2d(width // 2),
        nn.ReLU(inplace=True),
        _convolution(width // 2, width, 3),
    )


def _group(shape: ResNetShape, group: int) -> nn.Sequential:
    width = 64 * shape.width * 2**group
    inputs = 64 * shape.width if group == 0 else width // 2 * shape.expansion
    blocks: list[nn.Module] = []
    for index in range(shape.blocks[group]):
        first = index == 0
        stride = 2 if first and group > 0 else 1
        if shape.expansion == 1:
            blocks.append(BasicBlock(inputs, width, stride, first=first))
        else:
            selective = shape.selective_kernels
            blocks.append(Bottleneck(inputs, width, stride, first=first, selective=selective))
        inputs = width * shape.expansion
    return nn.Sequential(*blocks)
