"""A small plain network for 32-pixel images, in the style of VGG: no shortcuts, no batch norm.

    stage    3 x 3 convolutions with bias and ReLU, then a 2 x 2 max-pool
    h        global average pooling of the last stage

About as many layers, multiplications and parameters as the residual encoder, and as many features,
so that a comparison of the two is one of architectures.

Source: Simonyan and Zisserman (arXiv:1409.1556).
"""

import torch
from torch import Tensor, nn

from simclr_bench.networks.shapes import PlainShape


class PlainNetwork(nn.Module):
    """Images to representations h.

    Args:
        shape: Widths.
    """

    def __init__(self, shape: PlainShape) -> None:
        super().__init__()
        self.shape = shape
        layers: list[nn.Module] = []
        inputs = 3
        for widths in shape.stages:
            for width in widths:
                layers += [nn.Conv2d(inputs, width, 3, padding=1), nn.ReLU(inplace=True)]
                inputs = width
            layers.append(nn.MaxPool2d(2))
        self.layers = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        """float32 images, [B, 3, 32, 32] -> representations [B, features]"""
        x: Tensor = self.layers(images.contiguous(memory_format=torch.channels_last))
        return x.mean(dim=(2, 3))
