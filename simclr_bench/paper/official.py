"""The paper's data, weights and stated settings: without all three, a cell is not comparable."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from simclr_bench.paper.spec import Table

# SHA-256 of the archives that TensorFlow Datasets pins: first the one that it downloaded in 2021,
# then later builds of the same files. Of both of cats_vs_dogs it demands that its rule leaves
# the same 23,262 images.
# Sources: https://github.com/tensorflow/datasets, tensorflow_datasets/url_checksums of 2021; the
# same files (tf_flowers: checksums.tsv) in https://pypi.org/project/tensorflow-datasets/4.9.10,
# where cats_vs_dogs is kagglecatsanddogs_5340.zip and the other four are as they were.
ARCHIVES: Mapping[str, tuple[str, ...]] = {
    "cats_vs_dogs": (
        "f9553e426bd725354ed3a27e3c6920caadb55c835d1ebd880d2e56d3f1fbb22b",
        "b7974bd00a84a99921f36ee4403f089853777b5ae8d151c76a86e64900334af9",
    ),
    "tf_flowers": ("4c54ace7911aaffe13a365c34f650e71dd5bf1be0a58b464e5a7183e3e595d9c",),
    "dtd": ("e42855a52a4950a3b59612834602aa253914755c95b0cff9ead6d07395f8e205",),
    "cifar_100": ("58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",),
    "food_101": ("d97d15e438b7f4498f96086a4f7e2fa42a32f2712e87d3295441b2b6314053a4",),
}

# Where the paper's encoder and the bases of its students are published. Neither Google's buckets
# nor the paper state a hash: what this program fetched from there over https, and has pinned since,
# is the publisher's own.
ENCODERS = ("https://storage.googleapis.com/simclr-checkpoints/",)
BASES = ("https://download.pytorch.org/models/",)


@dataclass(frozen=True, kw_only=True)
class Official:
    """What counts as the paper's own.

    Attributes:
        archives: Data set -> SHA-256 of each archive that it is distributed as.
        checkpoints: Name -> SHA-256 of weights that count wherever they came from. Empty: none is
            published, and the paper does not say which checkpoint it used.
        encoders: How the address of an official encoder begins.
        bases: How the address of a student's base begins. The paper names none; these are what its
            program would load.
    """

    archives: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: ARCHIVES)
    checkpoints: Mapping[str, str] = field(default_factory=dict)
    encoders: tuple[str, ...] = ENCODERS
    bases: tuple[str, ...] = BASES


OFFICIAL = Official()

# What weights are that no publisher's address stands for.
_UNOFFICIAL = {
    "random": "they are random",
    "trained": "they were trained here",
    "file": "they are a file of the user's own",
    "fetched": "they were not fetched from their publisher",
}


def obstacles(
    profile: str, inputs: Mapping[str, str], dataset: str, official: Official = OFFICIAL
) -> list[str]:
    """Why a result cannot be compared with the paper's; empty only if data and weights are its own.

    Args:
        profile: Name of the profile that the result was obtained in.
        inputs: What its job read: "data", "encoder" and a student's "base" are hashes, and with
            "_origin" behind them what is known of where these came from.
        dataset: Name of the data set.
        official: What counts as the paper's own.
    """
    if profile == "embedded":
        return ["embedded stand-ins, not the paper's data or weights"]
    found = []
    if inputs.get("data") not in official.archives.get(dataset, ()):
        found.append(_with(f"the data are not the official archive of {dataset}", inputs, "data"))
    elif inputs.get("data_origin", "official archive") != "official archive":
        # The archive's bytes, but not all that is in it was taken in.
        found.append(_with(f"the data are not those of the archive of {dataset}", inputs, "data"))
    if not _is_official(inputs, "encoder", official.encoders, official):
        found.append(_with("the weights are not an official checkpoint", inputs, "encoder"))
    if "base" in inputs and not _is_official(inputs, "base", official.bases, official):
        found.append(_with("the student's base has no official weights", inputs, "base"))
    return found


def departures(table: Table, label: str, settings: Mapping[str, Any]) -> list[str]:
    """The settings that the paper states and that a result was obtained without.

    What the paper leaves open, a table's `choices`, is none of them.

    Args:
        table: The table.
        label: Of its row.
        settings: Every hyper-parameter of the result, as JSON has them.
    """
    stated = {**asdict(table.base), **table.changes(label)}
    found = []
    for name, value in stated.items():
        if name in table.choices or name not in settings:
            continue
        wanted = list(value) if isinstance(value, tuple) else value
        if settings[name] != wanted:
            found.append(f"{name} is {settings[name]}, and {wanted} in the paper")
    return found


def _is_official(
    inputs: Mapping[str, str], what: str, addresses: tuple[str, ...], official: Official
) -> bool:
    pinned = inputs.get(what) in official.checkpoints.values()
    return pinned or inputs.get(f"{what}_origin", "").startswith(addresses)


def _with(reason: str, inputs: Mapping[str, str], what: str) -> str:
    origin = inputs.get(f"{what}_origin", "")
    why = _UNOFFICIAL.get(origin, origin)
    return f"{reason} ({why})" if why else reason
