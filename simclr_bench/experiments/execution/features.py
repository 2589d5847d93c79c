"""What successive jobs share: the networks, one data set's images, and features of both.

Every feature is a pure function of the data set and of the settings that it is asked for with, so
that a job's numbers are the same alone, after other jobs, and for any number of workers.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from simclr_bench.data.augment import center_view, training_views
from simclr_bench.experiments.execution.blocks import block_features, joined
from simclr_bench.experiments.execution.extraction import Network, machine
from simclr_bench.experiments.execution.inputs import LoadedData, Networks
from simclr_bench.experiments.execution.kept import Block
from simclr_bench.experiments.execution.stream import STREAM_SETTINGS, FeatureStream, pick

Made = TypeVar("Made")

# Streams kept: jobs that share one are neighbors in the running order, or nearly.
STREAMS = 4


class Bench:
    """The images and features of one data set at a time, against frozen networks."""

    def __init__(
        self, networks: Networks, load: Callable[[str], LoadedData], workers: int = 0
    ) -> None:
        """
        Args:
            networks: The networks.
            load: Gets a data set by name.
            workers: Background threads that prepare views while a network runs; 0 for none.
        """
        self._networks = networks
        self._load = load
        self._workers = workers
        self._dataset: str | None = None
        self._data: LoadedData
        self._bases: dict[str, nn.Module] = {}
        self._kept: dict[Hashable, Any] = {}
        self._streams: OrderedDict[str, FeatureStream] = OrderedDict()
        self._least: int | None = None  # images that ran at a time

    @property
    def encoder(self) -> nn.Module:
        """The encoder, frozen."""
        return self._networks.encoder

    def base(self, student: str) -> nn.Module:
        """A student's base, frozen; called with views and the normalization."""
        if student not in self._bases:
            self._bases[student] = self._networks.base(student)
        return self._bases[student]

    def data(self, dataset: str) -> LoadedData:
        """A data set's images; those of the one before, and their features, are dropped."""
        if dataset != self._dataset:
            self._kept.clear()
            self._streams.clear()
            self._least = None
            self._data, self._dataset = self._load(dataset), dataset
        return self._data

    def describe(self, dataset: str) -> dict[str, Any]:
        """What a record says of the data set, and of how features that are kept were made."""
        described: dict[str, Any] = {"data": self.data(dataset).description}
        if not self._networks.hashes:
            return described
        made: dict[str, Any] = {
            "size": self._networks.viewing.size,
            "kernel": self._networks.viewing.kernel,
            "precision": self._networks.extractor.precision,
            "at_a_time": self._least,
        }
        if made["precision"] != "float32":
            made["relative_error"] = self.once("error", self._error)
        return described | {"features": made}

    def train_features(self, dataset: str, weights: str = "pretrained") -> Tensor:
        """Features of the evaluation view of every training image. [n, F]

        Args:
            dataset: Name of the data set.
            weights: Of the encoder: "pretrained" or "untrained".
        """
        return self._clean_features(dataset, "train", weights)

    def heldout_features(self, dataset: str, weights: str = "pretrained") -> Tensor:
        """Features of the evaluation view of every held-out image. [n, F]

        Args:
            dataset: Name of the data set.
            weights: Of the encoder: "pretrained" or "untrained".
        """
        return self._clean_features(dataset, "heldout", weights)

    def stream(
        self, dataset: str, settings: dict[str, Any]
    ) -> tuple[Tensor, Tensor, NDArray[np.int64]]:
        """The stream of augmented training images that a head's batches are cut from.

        Args:
            dataset: Name of the data set.
            settings: The head's, its seed included.

        Returns:
            Features, labels in the data set, and positions in its training images, of
            `iterations` batches or of a shorter single pass. [T, F], [T] and [T]
        """
        train = self.data(dataset).train
        chosen = {name: settings[name] for name in STREAM_SETTINGS}
        key = repr((list(chosen.values()), torch.get_num_threads()))
        if key not in self._streams:

            def extract(parts: Mapping[int, Any], views: Callable[[Any], Tensor]) -> list[Block]:
                return self._blocks("pretrained", self.encoder, {"stream": chosen}, parts, views)

            viewing = self._networks.viewing
            self._streams[key] = FeatureStream(extract, train, settings, viewing)
        self._streams.move_to_end(key)
        # Of those on disk one is enough: a whole pass over a large set is half a gigabyte.
        while len(self._streams) > (1 if self._networks.hashes else STREAMS):
            self._streams.popitem(last=False)
        return self._streams[key].take(settings["iterations"] * settings["batch_size"])

    def fixed_features(
        self,
        dataset: str,
        name: str,
        network: Network,
        *,
        augment: Sequence[str],
        framing: str,
        color_strength: float,
        views: int,
        seed: int,
    ) -> Tensor:
        """A network's features of a fixed set of augmented views of every training image.

        Args:
            dataset: Name of the data set.
            name: What tells the network from the others of this bench.
            network: Frozen.
            augment: Which of crop, flip and color are on.
            framing: What a view without a crop shows: "center" or "whole".
            color_strength: Jitter strength s.
            views: Views of each image.
            seed: Draws them, independently of every stream.

        Returns:
            Features, in the order of the training images. [views, n, F]
        """
        train, viewing = self.data(dataset).train, self._networks.viewing
        drawn = {
            "augment": list(augment),
            "framing": framing,
            "color_strength": color_strength,
            "seed": seed,
        }

        def of(view: int) -> Tensor:
            def shown(index: NDArray[np.int64]) -> Tensor:
                return training_views(
                    pick(train, index, viewing.device),
                    index,
                    seed=seed,
                    epoch=view,
                    size=viewing.size,
                    kernel=viewing.kernel,
                    augment=augment,
                    framing=framing,
                    color_strength=color_strength,
                    operation="fixed view",
                )

            what = {"fixed view": {**drawn, "view": view}}
            return joined(self._blocks(name, network, what, self._parts(len(train)), shown))

        key = ("fixed views", name, repr(drawn), views)
        return self.once(key, lambda: torch.stack([of(view) for view in range(views)]))

    def center_features(self, dataset: str, split: str, name: str, network: Network) -> Tensor:
        """A network's features of the evaluation views of a split, in its order. [n, F]

        Args:
            dataset: Name of the data set.
            split: "train" or "heldout".
            name: What tells the network from the others of this bench.
            network: Frozen.
        """
        data, viewing = self.data(dataset), self._networks.viewing
        images = {"train": data.train, "heldout": data.heldout}[split]

        def shown(index: NDArray[np.int64]) -> Tensor:
            some = pick(images, index, viewing.device)
            return center_view(some, size=viewing.size, kernel=viewing.kernel)

        def make() -> Tensor:
            parts = self._parts(len(images))
            return joined(self._blocks(name, network, {"center": split}, parts, shown))

        return self.once(("center", name, split), make)

    def once(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """What `make` gives, made once and kept until another data set is asked for.

        Args:
            key: What tells it from all else that is kept.
            make: Makes it.
        """
        # Sums are split by thread, so their number is part of a result.
        key = (key, torch.get_num_threads())
        if key not in self._kept:
            self._kept[key] = make()
        made: Made = self._kept[key]
        return made

    def _clean_features(self, dataset: str, split: str, weights: str) -> Tensor:
        if weights == "pretrained":
            return self.center_features(dataset, split, weights, self.encoder)
        data = self.data(dataset)

        def network(views: Tensor) -> Tensor:  # made when the first block is not on disk
            untrained = self.once("untrained", lambda: self._networks.untrained(data))
            features: Tensor = untrained(views)
            return features

        return self.center_features(dataset, split, weights, network)

    def _blocks(
        self,
        name: str,
        network: Network,
        what: dict[str, Any],
        parts: Mapping[int, Any],
        views: Callable[[Any], Tensor],
    ) -> list[Block]:
        networks, extractor = self._networks, self._networks.extractor
        identity = None
        if name in networks.hashes:
            identity = {
                "network": networks.hashes[name],
                "pixels": self._data.pixels,
                "views": what,
                "viewing": asdict(networks.viewing),
                "precision": extractor.precision,
                "threads": torch.get_num_threads(),
                "code": networks.code,
                "machine": machine(networks.viewing.device),
            }
        blocks = block_features(
            network, parts, views, extractor, workers=self._workers, identity=identity
        )
        sizes = [block.made["at_a_time"] for block in blocks]
        self._least = min(sizes + ([self._least] if self._least else []), default=None)
        return blocks

    def _error(self) -> float:
        """The precision's error on the first block of training images, as the encoder sees them."""
        networks, viewing = self._networks, self._networks.viewing
        first = pick(self._data.train, self._parts(len(self._data.train))[0], viewing.device)
        views = center_view(first, size=viewing.size, kernel=viewing.kernel)
        return float(f"{networks.extractor.error(networks.encoder, views):.3g}")

    def _parts(self, n: int) -> dict[int, NDArray[np.int64]]:
        size = self._networks.viewing.block
        return {at // size: np.arange(at, min(at + size, n)) for at in range(0, n, size)}
