"""The bench of the paper profile: full-size networks, decoded data sets, features kept on disk."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from simclr_bench.datasets.library import open_dataset
from simclr_bench.experiments.execution.extraction import Extractor, Viewing
from simclr_bench.experiments.execution.features import Bench
from simclr_bench.experiments.execution.inputs import LoadedData, Networks
from simclr_bench.experiments.execution.untrained import (
    UNTRAINED_BATCH,
    UNTRAINED_IMAGES,
    UNTRAINED_SEED,
    untrained,
)
from simclr_bench.experiments.provenance.fingerprint import source_fingerprint
from simclr_bench.networks.shapes import ResNetShape
from simclr_bench.weights.build import random_encoder
from simclr_bench.weights.load import load_base, load_encoder

# Batch sizes of the paper divide it; a block of 64 views of 224 pixels is 39 MB.
BLOCK = 64

# Images that run at a time on the CPU, where more only cost memory.
AT_A_TIME = {"cpu": 16, "cuda": BLOCK}

# What features come from beside pixels and weights, which have hashes of their own.
FEATURE_CODE = (
    "simclr_bench.experiments.execution.features",
    "simclr_bench.experiments.execution.untrained",
    "simclr_bench.weights.build",
    "simclr_bench.weights.foreign",
)


def full_size_bench(
    *,
    weights: str,
    bases: Mapping[str, str],
    hashes: Mapping[str, str],
    viewing: Viewing,
    precision: str,
    load: Callable[[str], LoadedData],
    workers: int,
) -> Bench:
    """A bench in this process.

    Args:
        weights: Of the encoder: a name, a file or "random:SEED".
        bases: Student -> weights of its base.
        hashes: "encoder" and each student -> hash of the weights.
        viewing: How images are shown, and on which device.
        precision: "float32" or "bfloat16".
        load: Gets a data set by name.
        workers: Threads that prepare views ahead; 0 for none.

    Raises:
        DataError: Weights are missing or corrupt.
    """
    device = viewing.device
    encoder, shape = encoder_of(weights)
    extractor = Extractor(device=device, precision=precision, most=AT_A_TIME[device])
    known = {
        "pretrained": hashes["encoder"],
        "untrained": f"untrained {shape} {UNTRAINED_SEED} {UNTRAINED_IMAGES} {UNTRAINED_BATCH}",
    }
    for student in bases:
        if student in hashes:
            for normalization in ("native", "simclr"):
                known[f"{student} {normalization}"] = f"{hashes[student]} {normalization}"
    return Bench(
        Networks(
            encoder=encoder.to(device),
            untrained=lambda data: untrained(shape, data, viewing),
            base=lambda student: load_base(bases[student]).to(device),
            hashes=known,
            viewing=viewing,
            extractor=extractor,
            code=source_fingerprint(*FEATURE_CODE),
        ),
        load,
        workers,
    )


def encoder_of(weights: str) -> tuple[nn.Module, ResNetShape]:
    """An encoder, frozen, and the shape that its untrained control has.

    Args:
        weights: A name, a file or "random:SEED" for a ResNet-50.

    Raises:
        DataError: They are missing or corrupt, or no residual network.
    """
    if weights.startswith("random:"):
        shape = ResNetShape()
        return random_encoder(shape, int(weights.removeprefix("random:"))).network, shape
    loaded = load_encoder(weights)
    shape_of = loaded.provenance.resnet_shape
    # VGG16 has no control of its own kind here, and SimCLR no VGG16.
    return loaded.network, shape_of or ResNetShape()


def load_imported(name: str) -> LoadedData:
    """An imported data set: its images stay on disk until they are looked at."""
    opened = open_dataset(name)
    described: dict[str, Any] = dict(opened.description)
    source = described.pop("source", None)
    if source:
        official = "official" if source["official"] else "unofficial"
        described["source"] = f"{official} {source['kind']}"
    return LoadedData(opened.train, opened.heldout, described, opened.manifest.content_sha256)
