"""A folder for each class and no split: what two of the data sets are."""

import re
from collections.abc import Mapping

from simclr_bench.datasets.contents import Listing, Place


def class_folders(
    listing: Listing, labels: Mapping[str, int], file: str, wanted: str
) -> dict[str, Place]:
    """Where the files CLASS/FILE belong, wherever in the source these folders are.

    Args:
        listing: The source.
        labels: Name of a class folder -> label.
        file: Regular expression of the file names.
        wanted: What the source should hold, for errors.

    Raises:
        DataError: There is no such folder, or there are some in several places.
    """
    names = "|".join(map(re.escape, labels))
    pattern = re.compile(f"((?:.*/)?)({names})/({file})", re.DOTALL)
    matches = {name: found for name in listing.names if (found := pattern.fullmatch(name))}
    listing.only_root({found[1] for found in matches.values()}, " or ".join(labels), wanted)
    return {
        name: Place(id=f"{found[2]}/{found[3]}", label=labels[found[2]], split="all")
        for name, found in matches.items()
    }
