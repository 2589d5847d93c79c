"""What a bench works on: a data set's images, and frozen networks with what runs them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from simclr_bench.data.images import ImageSet
from simclr_bench.experiments.execution.extraction import Extractor, Viewing
from simclr_bench.networks.small_residual import IMAGE_SIZE

SMALL_VIEWS = Viewing(size=IMAGE_SIZE, kernel="antialiased", block=320)


@dataclass(frozen=True)
class LoadedData:
    """A data set, and what its records must say about it.

    Attributes:
        train, heldout: Its images.
        description: For records.
        pixels: Hash of its images, if features of them are to be kept on disk.
    """

    train: ImageSet
    heldout: ImageSet
    description: dict[str, Any]
    pixels: str = ""


@dataclass(frozen=True, kw_only=True)
class Networks:
    """The frozen networks of a bench, and how their features are obtained.

    Attributes:
        encoder: The encoder.
        untrained: Makes the control for a data set: the same network, not trained.
        base: Gets a student's base by its name; called with views and the normalization.
        hashes: "pretrained", "untrained" and each base -> hash of all that determines the network.
            Features of those that are named are kept on disk.
        viewing: How images are shown.
        extractor: Runs the networks.
        code: Hash of the code that makes features, for those on disk.
    """

    encoder: nn.Module
    untrained: Callable[[LoadedData], nn.Module]
    base: Callable[[str], nn.Module]
    hashes: Mapping[str, str] = field(default_factory=dict)
    viewing: Viewing = SMALL_VIEWS
    extractor: Extractor = field(default_factory=Extractor)
    code: str = ""
