"""`data list`: the five data sets, and what of them is on this machine."""

import argparse
from dataclasses import asdict, dataclass
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table as Grid
from rich.text import Text

from simclr_bench.cli.output import print_json, print_text
from simclr_bench.datasets.catalog import DATASETS, Dataset
from simclr_bench.errors import DataError
from simclr_bench.storage.cache import cache_directory


@dataclass(frozen=True)
class State:
    """What of a data set is here.

    Attributes:
        state: "missing", "partial", "fetched" (its archive is here), "imported" or "damaged".
        official: Whether an official archive was imported; None if nothing was.
        bytes: Of the decoded images; None if there are none.
        note: What else is to be said, or "".
    """

    state: str
    official: bool | None
    bytes: int | None
    note: str


def run_list(options: argparse.Namespace) -> int:
    """Runs `data list`."""
    states = {name: state_of(dataset) for name, dataset in DATASETS.items()}
    if options.json:
        listed = [_as_json(dataset, states[name]) for name, dataset in DATASETS.items()]
        print_json({"cache": str(cache_directory()), "datasets": listed})
    else:
        print_text(_listed(states))
    return 0


def state_of(dataset: Dataset) -> State:
    """Looks what is here, without reading all of it: that is what `data verify` does."""
    from simclr_bench.datasets.library import read_manifest, size_faults
    from simclr_bench.storage.download import partial_of
    from simclr_bench.storage.transfer import length_of

    try:
        manifest = read_manifest(dataset.name)
    except DataError as error:
        return State("damaged", None, None, str(error))
    if manifest is not None:
        if faults := size_faults(manifest):
            return State("damaged", None, None, f"{faults[0]}; import {dataset.name} again")
        size = sum(shard["bytes"] for shard in manifest.shards)
        official = bool(manifest.source["official"])
        return State("imported", official, size, f"from {manifest.source['path']}")
    for archive in dataset.archives:
        if arrived := length_of(archive.path):
            if archive.size not in (arrived, None):
                fault = f"{archive.path}: has {arrived:,} bytes, {archive.size:,} wanted"
                return State("damaged", None, None, fault)
            return State("fetched", None, None, f"{archive.path}, not imported yet")
    for archive in dataset.archives:
        if arrived := length_of(partial_of(archive.path)):
            return State("partial", None, None, f"{_bytes(arrived)} of {_bytes(archive.size)}")
    return State("missing", None, None, "")


def _listed(states: dict[str, State]) -> RenderableType:
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("Name", "Images", "Classes", "Download", "Decoded", "State"):
        right = heading in ("Images", "Classes", "Download", "Decoded")
        grid.add_column(heading, no_wrap=True, justify="right" if right else "left")
    for name, dataset in DATASETS.items():
        state = states[name]
        grid.add_row(
            name,
            f"{dataset.images:,}",
            str(len(dataset.classes)),
            _bytes(dataset.archives[0].size),
            _bytes(state.bytes) if state.bytes else f"≤ {_bytes(dataset.decoded_bytes)}",
            escape(_words(state)),
        )
    notes = [f"{name}: {state.note}" for name, state in states.items() if state.note]
    licences = [f"{name}: {dataset.licence}" for name, dataset in DATASETS.items()]
    return Group(
        grid,
        *map(Text, notes),
        Text("Licences, as their publishers put them:", style="bold"),
        *map(Text, licences),
        Text(
            f"Cache: {cache_directory()}. `simclr-bench data fetch NAME` downloads and decodes,"
            " `data import NAME PATH` takes what you have, `data verify` checks."
        ),
    )


def _words(state: State) -> str:
    if state.official is None:
        return state.state
    return f"{state.state}, {'official' if state.official else 'NOT official'}"


def _as_json(dataset: Dataset, state: State) -> dict[str, Any]:
    return {
        **asdict(dataset),
        "images": dataset.images,
        "archives": [
            {**asdict(archive), "path": str(archive.path), "fetched": archive.path.is_file()}
            for archive in dataset.archives
        ],
        **asdict(state),
    }


def _bytes(size: int | None) -> str:
    if size is None:
        return "unknown"
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
