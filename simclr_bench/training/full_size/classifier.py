"""An encoder with a classifier: what fine-tuning and distillation train, and how it is scored."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import binomtest
from torch import Tensor, nn

from simclr_bench.data.augment import center_view, crop_and_flip
from simclr_bench.data.image_files import ImageFiles
from simclr_bench.networks.projection import ProjectionHead
from simclr_bench.networks.resnet import ResNet
from simclr_bench.storage.files import write_atomically
from simclr_bench.training.engine.batches import Batch, moved

RESULT = "result.json"
AT_ONCE = 64  # images


class Classifier(nn.Module):
    """Views to logits: an encoder, the first layers of a projection head, a linear layer.

    Args:
        encoder: With or without weights.
        projection: The head that it was trained with, or None.
        until: How many of its layers are kept in use; the others stay as they are.
        classes: How many.
        head_only: Whether the linear layer alone is trained: all else stays as in evaluation.
    """

    def __init__(
        self,
        encoder: ResNet,
        projection: ProjectionHead | None,
        *,
        until: int,
        classes: int,
        head_only: bool = False,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.projection = projection
        self.classifier = nn.Linear(encoder.features, classes)
        self._until, self._head_only = until, head_only
        self.encoder.requires_grad_(not head_only)
        if projection is not None:
            projection.requires_grad_(False)
            for index in range(0 if head_only else until):
                projection.dense[index].requires_grad_(True)
                projection.norm[index].requires_grad_(True)

    def train(self, mode: bool = True) -> "Classifier":
        """Training mode for what is trained: the batch norms of a frozen part are not."""
        super().train(mode)
        if self._head_only:
            self.encoder.eval()
            if self.projection is not None:
                self.projection.eval()
        return self

    def forward(self, views: Tensor) -> Tensor:
        """float32 views in [0, 1], [B, 3, S, S] -> logits [B, classes]"""
        h = self.encoder(views)
        if self.projection is not None:
            h = self.projection(h, until=self._until)
        logits: Tensor = self.classifier(h)
        return logits


def augmented(batch: Batch, *, seed: int, size: int, kernel: str, device: torch.device) -> Tensor:
    """A batch's training views, crop and flip, in float32 whatever the network runs in.

    Args:
        batch: The images, and the addresses of their draws, which tell passes apart.
        seed: Of the draws.
        size: Side of the views, pixels.
        kernel: By which crops are resized.
        device: Where the images are.

    Returns:
        [B, 3, size, size]
    """
    # Autocast would round the products that resize.
    with torch.no_grad(), torch.autocast(device.type, enabled=False):
        return crop_and_flip(
            batch.images, batch.draws, seed=seed, epoch=0, size=size, kernel=kernel
        )


@torch.no_grad()
def predict(
    network: nn.Module,
    images: ImageFiles,
    *,
    size: int,
    kernel: str,
    workers: int,
    device: torch.device,
) -> NDArray[np.int64]:
    """Top-1 classes of the central views of images, in evaluation mode.

    Args:
        network: Gives logits.
        images: What to classify.
        size: Side of the views, pixels.
        kernel: By which they are resized.
        workers: Threads that read.
        device: Where the network is.

    Returns:
        [n]
    """
    network.eval()
    found = []
    with ThreadPoolExecutor(max(1, workers)) as pool:
        for start in range(0, len(images), AT_ONCE):
            numbers = range(start, min(start + AT_ONCE, len(images)))
            pixels = moved(list(pool.map(images.read, numbers)), device)
            views = center_view(pixels, size=size, kernel=kernel)
            found.append(network(views).argmax(dim=1).cpu())
    return torch.cat(found).numpy()


def write_result(
    out: Path,
    images: ImageFiles,
    predicted: NDArray[np.int64],
    labels: NDArray[np.int64],
    classes: tuple[str, ...],
) -> None:
    """Writes DIR/result.json: an accuracy with its n and 95 % interval, and every prediction.

    Raises:
        DataError: The disk refuses.
    """
    correct, n = int((predicted == labels).sum()), len(labels)
    interval = binomtest(correct, n).proportion_ci(0.95, "exact")
    result = {
        "accuracy": correct / n,
        "correct": correct,
        "n": n,
        "interval": {"level": 0.95, "method": "Clopper-Pearson", "ends": list(interval)},
        "classes": list(classes),
        "predictions": [
            {"file": images.name(path), "label": classes[label], "predicted": classes[top]}
            for path, label, top in zip(images.files, labels, predicted, strict=True)
        ],
    }
    write_atomically(out / RESULT, (json.dumps(result, indent=1) + "\n").encode())
