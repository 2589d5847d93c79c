"""The projection head of SimCLR: from representations h to what the contrastive loss compares.

    layers but the last   linear without bias, as wide as h; batch norm; ReLU
    last layer            linear without bias; batch norm without shift

SimCLRv2 has three layers and keeps the first for fine-tuning with few labels; SimCLR had two.

Source: google-research/simclr, model_util.py; SimCLRv2 (arXiv:2006.10029), section 3.
"""

import torch.nn.functional as F
from torch import Tensor, nn


class ProjectionHead(nn.Module):
    """Representations to projections.

    Args:
        features: Width of h, and of every layer but the last.
        layers: How many; 1 is the linear head.
        output: Width of the projection.

    Raises:
        ValueError: No layer.
    """

    def __init__(self, features: int, *, layers: int = 3, output: int = 128) -> None:
        super().__init__()
        if layers < 1:
            raise ValueError(f"a projection head needs at least 1 layer, got {layers}")
        widths = [features] * (layers - 1) + [output]
        self.dense = nn.ModuleList(nn.Linear(features, width, bias=False) for width in widths)
        self.norm = nn.ModuleList(nn.BatchNorm1d(width) for width in widths)
        self.norm[-1].register_parameter("bias", None)

    def forward(self, h: Tensor, until: int | None = None) -> Tensor:
        """Applies the first layers of the head.

        Args:
            h: Representations, [B, features].
            until: How many layers, with the ReLU after each but the last: 0 returns h, 1 what
                fine-tuning from the middle layer reads. None: all.

        Returns:
            [B, output], or [B, features] where the last layer is left out.

        Raises:
            ValueError: There are not as many layers.
        """
        layers = len(self.dense)
        until = layers if until is None else until
        if not 0 <= until <= layers:
            raise ValueError(f"ProjectionHead: until must be 0 to {layers}, got {until}")
        for index in range(until):
            h = self.norm[index](self.dense[index](h))
            if index < layers - 1:
                h = F.relu(h, inplace=True)
        return h
