"""Manifests of data sets that were never imported, as the paper profile reads them."""

from typing import Any

from simclr_bench.datasets.catalog import DATASETS
from simclr_bench.datasets.library import Manifest


def manifest(name: str, **changes: Any) -> Manifest:
    """A data set, imported from its official archive, whole."""
    published = DATASETS[name]
    archive = published.archives[0]
    classes = len(published.classes)
    stated: dict[str, Any] = {
        "name": name,
        "classes": published.classes,
        "counts": {"train": [40] * classes, "heldout": [10] * classes},
        "source": {
            "kind": "archive",
            "path": "/archive",
            "sha256": archive.sha256,
            "official": True,
            "url": archive.urls[0],
        },
        "deviations": [],
        "dropped": [],
        "notes": [],
        "split": "invented",
        "content_sha256": f"pixels of {name}",
        "index": {},
        "shards": [],
        "versions": {},
    }
    return Manifest(**{**stated, **changes})
