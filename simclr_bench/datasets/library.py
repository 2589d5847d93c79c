"""The data sets that are here: taken in once, opened, and checked. It needs no torch to import."""

from simclr_bench.datasets.importing import import_dataset
from simclr_bench.datasets.manifest import Manifest, dataset_directory, read_manifest
from simclr_bench.datasets.opening import OpenedDataset, open_dataset, size_faults
from simclr_bench.datasets.verifying import verify_dataset

__all__ = [
    "Manifest",
    "OpenedDataset",
    "dataset_directory",
    "import_dataset",
    "open_dataset",
    "read_manifest",
    "size_faults",
    "verify_dataset",
]
