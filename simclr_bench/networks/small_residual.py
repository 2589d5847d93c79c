"""A small residual encoder for 32-pixel images, and SimCLR's projection head.

    stem      4 x 4 convolution of stride 2, batch norm, ReLU: 32 -> 16 pixels
    blocks    two 3 x 3 convolutions and a shortcut each, 16 -> 8 -> 4 pixels
    h         global average pooling of the last block: the representation the probes read
    z         Linear, batch norm, ReLU, Linear on h: what NT-Xent sees, dropped after pretraining

The stem halves the resolution at once: on a CPU the full-resolution layers would cost more than all
the others together.

Source: He et al. (arXiv:1512.03385); SimCLR (arXiv:2002.05709), section 4.2, for the head.
"""

import copy
from collections.abc import Callable, Iterable
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from simclr_bench.networks.shapes import EncoderShape

IMAGE_SIZE = 32

Network = TypeVar("Network", bound=nn.Module)


class ConvNorm(nn.Module):
    """A convolution without bias, then batch norm; one convolution once `fold` has run."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, padding: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
        self.norm: nn.BatchNorm2d | nn.Identity = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, H, W] -> [B, outputs, H / stride, W / stride]"""
        return self.norm(self.convolution(x))

    def fold(self) -> None:
        """Absorb the batch norm, in evaluation mode, into the convolution."""
        if isinstance(self.norm, nn.BatchNorm2d):
            self.convolution = fuse_conv_bn_eval(self.convolution, self.norm)
            self.norm = nn.Identity()


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = ConvNorm(inputs, outputs, 3, stride, 1)
        self.second = ConvNorm(outputs, outputs, 3, 1, 1)
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same else ConvNorm(inputs, outputs, 1, stride, 0)

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, H, W] -> [B, outputs, H / stride, W / stride]"""
        out = self.second(F.relu(self.first(x), inplace=True))
        return F.relu(out + self.shortcut(x), inplace=True)


class Encoder(nn.Module):
    """Images to representations h.

    Args:
        shape: Widths and strides.
    """

    def __init__(self, shape: EncoderShape) -> None:
        super().__init__()
        self.shape = shape
        self.stem = ConvNorm(3, shape.stem, 4, 2, 1)
        inputs = (shape.stem, *shape.widths[:-1])
        blocks = zip(inputs, shape.widths, shape.strides, strict=True)
        self.blocks = nn.Sequential(*(ResidualBlock(*block) for block in blocks))

    def forward(self, images: Tensor) -> Tensor:
        """float32 images in [0, 1], [B, 3, 32, 32] -> representations [B, features]"""
        x = images.contiguous(memory_format=torch.channels_last)
        x = self.blocks(F.relu(self.stem(x), inplace=True))
        return x.mean(dim=(2, 3))


class ProjectionHead(nn.Module):
    """Representations h to projections z.

    Args:
        shape: Widths.
    """

    def __init__(self, shape: EncoderShape) -> None:
        super().__init__()
        self.hidden = nn.Linear(shape.features, shape.hidden, bias=False)
        self.norm = nn.BatchNorm1d(shape.hidden)
        self.out = nn.Linear(shape.hidden, shape.projection, bias=False)

    def forward(self, h: Tensor) -> Tensor:
        """[B, features] -> [B, projection]"""
        return self.out(F.relu(self.norm(self.hidden(h))))


def initialize(module: nn.Module, generator: torch.Generator) -> None:
    """He initialization of every convolution and linear layer, biases zero, in place.

    Args:
        module: The network.
        generator: Source of the draws.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    _use_channels_last(module)


def freeze(encoder: Network) -> Network:
    """A copy for inference: evaluation mode, batch norms folded into convolutions, no gradients.

    Args:
        encoder: Trained or initialized network; not modified.

    Returns:
        A network with the same outputs up to rounding.
    """
    frozen = copy.deepcopy(encoder).eval().requires_grad_(False)
    for layer in frozen.modules():
        if isinstance(layer, ConvNorm):
            layer.fold()
    _use_channels_last(frozen)
    return frozen


def parameter_count(network: nn.Module) -> int:
    """Parameters of a network as it was trained: of folded batch norms too.

    Args:
        network: Of any kind, folded or not.
    """
    # A folded batch norm left a bias, and had a scale beside it.
    scales = sum(
        layer.convolution.bias.numel()
        for layer in network.modules()
        if isinstance(layer, ConvNorm) and layer.convolution.bias is not None
    )
    return scales + sum(parameter.numel() for parameter in network.parameters())


def represent(frozen: Callable[[Tensor], Tensor], batches: Iterable[Tensor]) -> Tensor:
    """Representations of a stream of views.

    Args:
        frozen: What `freeze` returned.
        batches: float32 views in [0, 1]. [B, 3, 32, 32] each

    Returns:
        Representations in the order of the views. [n, features]
    """
    with torch.inference_mode():
        rows = [frozen(views) for views in batches]
    return torch.cat(rows).clone()


def _use_channels_last(module: nn.Module) -> None:
    # The layout in which the CPU convolutions run without reordering their operands.
    for parameter in module.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
