"""The paper's data and weights by their hashes: without both, a cell is not comparable."""

from collections.abc import Mapping
from dataclasses import dataclass, field

# SHA-256 of the archives that TensorFlow Datasets downloaded in 2021.
# Source: https://github.com/tensorflow/datasets, url_checksums of each data set.
ARCHIVES = {
    "cats_vs_dogs": "f9553e426bd725354ed3a27e3c6920caadb55c835d1ebd880d2e56d3f1fbb22b",
    "tf_flowers": "4c54ace7911aaffe13a365c34f650e71dd5bf1be0a58b464e5a7183e3e595d9c",
    "dtd": "e42855a52a4950a3b59612834602aa253914755c95b0cff9ead6d07395f8e205",
    "cifar_100": "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
    "food_101": "d97d15e438b7f4498f96086a4f7e2fa42a32f2712e87d3295441b2b6314053a4",
}


@dataclass(frozen=True, kw_only=True)
class Official:
    """What counts as the paper's own.

    Attributes:
        archives: Data set -> SHA-256 of its archive.
        checkpoints: Name -> SHA-256 of its weights. Empty: SimCLR's buckets list no hash, and the
            paper does not say which checkpoint it used.
    """

    archives: Mapping[str, str] = field(default_factory=lambda: ARCHIVES)
    checkpoints: Mapping[str, str] = field(default_factory=dict)


OFFICIAL = Official()


def obstacles(
    profile: str,
    data_hash: str | None,
    weights_hash: str | None,
    dataset: str,
    official: Official = OFFICIAL,
) -> list[str]:
    """Why a result cannot be compared with the paper's; empty only if data and weights are its own.

    Args:
        profile: Name of the profile that the result was obtained in.
        data_hash: SHA-256 of the data's archive, if one is known.
        weights_hash: SHA-256 of the encoder's weights, if one is known.
        dataset: Name of the data set.
        official: What counts as the paper's own.
    """
    if profile == "embedded":
        return ["embedded stand-ins, not the paper's data or weights"]
    found = []
    if data_hash is None or official.archives.get(dataset) != data_hash:
        found.append(f"the data are not the official archive of {dataset}")
    if not official.checkpoints:
        found.append("no hash of the paper's checkpoint is published, so no weights can be its own")
    elif weights_hash not in official.checkpoints.values():
        found.append("the weights are not an official checkpoint")
    return found
