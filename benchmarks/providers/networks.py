"""Who runs networks: features of a batch, by ours, torchvision's, and ours compiled.

Views lie on the device: reading and augmenting images is not in it. Batches and networks are kept
channels-last by everybody.
"""

import copy
import functools
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmarks.grid.cells import ImageCell
from benchmarks.providers.augmentation import our_views
from benchmarks.providers.provider import Provider
from simclr_bench.experiments.execution.extraction import Extractor
from simclr_bench.networks.resnet import ResNet, initialize
from simclr_bench.training.full_size.recipes import parse_network

# float64 is slow, and no image knows of another.
COMPARED = 2


@functools.lru_cache(maxsize=1)
def views_in(cell: ImageCell) -> Tensor:
    """Seeded noise, the same for every provider of a cell: two views of each image to train on."""
    count = 2 * cell.images if cell.work == "train" else cell.images
    generator = torch.Generator(cell.device).manual_seed(0)
    size = count, 3, cell.side, cell.side
    views = torch.rand(size, generator=generator, device=cell.device)
    return views.to(memory_format=torch.channels_last)


def arithmetic(cell: ImageCell) -> torch.autocast:
    """In which a network runs: mixed precision for bfloat16."""
    return torch.autocast(cell.device, torch.bfloat16, enabled=cell.dtype == "bfloat16")


@dataclass(frozen=True)
class Extraction:
    """Features of a batch: what is timed, and how exact they are.

    Attributes:
        network: In evaluation mode.
        views: What it sees. [B, 3, S, S]
        features: From views to its features on the CPU, float32. [B, F]
    """

    network: nn.Module
    views: Tensor
    features: Callable[[Tensor], Tensor]

    def __call__(self) -> Tensor:
        return self.features(self.views)

    def error(self) -> float:
        """Relative by norms, against the same network in float64, over the first images."""
        # All of them, as they are timed: another size would be compiled anew.
        found = self()[:COMPARED].double()
        with torch.inference_mode():
            exact = copy.deepcopy(self.network).double()(self.views[:COMPARED].double()).cpu()
            return float((found - exact).norm() / exact.norm())


def our_network(cell: ImageCell) -> ResNet:
    """The network of a cell; up to 32 pixels with the stem that has no stride, as in training."""
    network = ResNet(parse_network(cell.network, cell.side))
    initialize(network, torch.Generator().manual_seed(0))
    for module in network.modules():
        # A branch begins at zero, and would have no error.
        if isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)
    return network.to(cell.device).eval()


def torchvision_network(cell: ImageCell) -> nn.Module:
    """The same from torchvision: same depth, same stem."""
    from torchvision import models

    shape = parse_network(cell.network, cell.side)
    network: nn.Module = getattr(models, f"resnet{shape.depth}")()
    if shape.stem == "cifar":
        network.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
        network.maxpool = nn.Identity()
    network.fc = nn.Identity()
    # The faster layout for it too, at 32 pixels by a third.
    return network.to(cell.device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]


def _extractor(cell: ImageCell) -> Extractor:
    return Extractor(device=cell.device, precision=cell.dtype)


def our_features(cell: ImageCell) -> Extraction:
    network = our_network(cell)
    return Extraction(network, views_in(cell), functools.partial(_extractor(cell), network))


def our_compiled_features(cell: ImageCell) -> Extraction:
    network = our_network(cell)
    compiled = torch.compile(network, dynamic=False, fullgraph=True)
    return Extraction(network, views_in(cell), functools.partial(_extractor(cell), compiled))


def torchvision_features(cell: ImageCell) -> Extraction:
    network = torchvision_network(cell)

    def features(views: Tensor) -> Tensor:
        with torch.inference_mode(), arithmetic(cell):
            found: Tensor = network(views)
            return found.float().cpu()

    return Extraction(network, views_in(cell), features)


PROVIDERS = (
    Provider(
        "ours",
        {"augment": our_views, "extract": our_features},
        package="simclr-bench",
        module="simclr_bench",
    ),
    Provider("ours-compiled", {"extract": our_compiled_features}, compiled=True),
    Provider(
        "torchvision",
        {"extract": torchvision_features},
        package="torchvision",
        module="torchvision.models",
        differs="weights of its own; in r18 a shortcut fewer, 0.8 % of the operations",
    ),
)
