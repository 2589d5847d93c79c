"""`weights`: the library of pretrained weights. `list` needs no torch."""

import argparse
import re
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table as Grid
from rich.text import Text

from simclr_bench.cli.output import print_json, print_text
from simclr_bench.cli.progress import make_progress
from simclr_bench.errors import UsageError
from simclr_bench.experiments.settings.suggest import nearest
from simclr_bench.weights.catalog import SHAPES, WEIGHTS, WeightsEntry
from simclr_bench.weights.file import Provenance
from simclr_bench.weights.library import Installed, installed, path_of, state_of, weights_directory

FAULTY = 3


def run(options: argparse.Namespace) -> int:
    """Runs `weights list`, `fetch`, `convert` or `inspect`."""
    return ACTIONS[options.action](options)


def run_list(options: argparse.Namespace) -> int:
    """Published weights, and what is here."""
    here = {found.name: found for found in installed()}
    entries = [entry for name, entry in WEIGHTS.items() if name.startswith(options.prefix)]
    others = [
        found
        for name, found in here.items()
        if name not in WEIGHTS and name.startswith(options.prefix)
    ]
    if not entries and not others:
        raise UsageError(
            f"no weights begin with {options.prefix!r}; see `simclr-bench weights list`"
        )
    rows = [_published(entry, here.get(entry.name)) for entry in entries]
    rows += [_own(found) for found in others]
    if options.json:
        print_json({"directory": str(weights_directory()), "weights": rows})
    else:
        print_text(_listed(rows))
    return 0


def run_fetch(options: argparse.Namespace) -> int:
    """Downloads and installs published weights."""
    entries = [_entry(name) for name in options.names]
    from simclr_bench.weights.install import fetch

    progress = make_progress()
    made = [
        fetch(entry, python=options.python, offline=options.offline, progress=progress)
        for entry in entries
    ]
    _print_made(made, options.json)
    return 0


def run_convert(options: argparse.Namespace) -> int:
    """Installs weights from files."""
    name = options.name or f"own/{_stem(options.source)}"
    from simclr_bench.weights.install import convert

    made = convert(
        options.source,
        name=name,
        shape=SHAPES.get(options.shape),
        python=options.python,
        progress=make_progress(),
    )
    _print_made([made], options.json)
    return 0


def run_inspect(options: argparse.Namespace) -> int:
    """What weights are, and whether they are sound."""
    from simclr_bench.weights.inspection import as_json, inspect_weights

    document = as_json(inspect_weights(options.weights))
    if options.json:
        print_json(document)
    else:
        print_text(_inspected(document))
    return FAULTY if document["faults"] else 0


ACTIONS: dict[str, Callable[[argparse.Namespace], int]] = {
    "list": run_list,
    "fetch": run_fetch,
    "convert": run_convert,
    "inspect": run_inspect,
}


def _entry(name: str) -> WeightsEntry:
    if name in WEIGHTS:
        return WEIGHTS[name]
    near = nearest(name, WEIGHTS)
    hint = f"did you mean {near}? " if near else ""
    raise UsageError(f"no weights {name!r}; {hint}`simclr-bench weights list` names all")


def _stem(source: Path) -> str:
    """A name for files of the user: letters, digits, '_', '.' and '-' only."""
    stem = source.name if source.name.startswith("model.ckpt") else source.stem or source.name
    return re.sub(r"[^\w.-]+", "-", stem, flags=re.ASCII).strip("-.") or "weights"


def _published(entry: WeightsEntry, found: Installed | None) -> dict[str, Any]:
    return {
        "name": entry.name,
        "title": entry.title,
        "network": entry.architecture,
        "parameters": entry.parameters,
        "top1": entry.top1,
        "size": entry.size,
        "urls": [file.url for file in entry.files],
        "licence": entry.licence,
        "state": _state(found) if found else state_of(entry),
        "official": bool(found and found.provenance and found.provenance.official),
        "fault": found.fault if found else "",
    }


def _own(found: Installed) -> dict[str, Any]:
    provenance = found.provenance
    return {
        "name": found.name,
        "title": "converted here",
        "network": provenance.architecture if provenance else None,
        "parameters": None,
        "top1": None,
        "size": None,
        "urls": [],
        "licence": None,
        "state": _state(found),
        "official": False,
        "fault": found.fault,
    }


def _state(found: Installed) -> str:
    return "fault" if found.fault else "converted"


def _listed(rows: Iterable[dict[str, Any]]) -> RenderableType:
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False)
    grid.add_column("Name", no_wrap=True)
    grid.add_column("Network", no_wrap=True)
    for heading in ("Top-1 %", "Download"):
        grid.add_column(heading, justify="right", no_wrap=True)
    grid.add_column("Here", no_wrap=True)
    faults = []
    for row in rows:
        top1 = f"{100 * row['top1']:.1f}" if row["top1"] is not None else ""
        state = "official" if row["official"] else row["state"]
        cells = (row["name"], row["network"] or "", top1, _download(row), state)
        grid.add_row(*map(escape, cells))
        faults += [row["fault"]] if row["fault"] else []
    lines = [
        *faults,
        f"The library is in {weights_directory()}. `simclr-bench weights fetch NAME` gets weights;"
        " top-1 is ImageNet's, as published. Official: fetched from their publisher, or with the"
        " hash that it states.",
    ]
    return Group(grid, *map(Text, lines))


def _download(row: dict[str, Any]) -> str:
    """Of files whose size nobody states, what their float32 parameters alone need."""
    if row["size"] is not None:
        return f"{row['size'] / 1e6:.0f} MB"
    return f"> {4 * row['parameters'] / 1e6:.0f} MB" if row["parameters"] else ""


def _print_made(made: list[Provenance], as_json: bool) -> None:
    if as_json:
        rows = [{"path": str(path_of(each.name)), **asdict(each)} for each in made]
        print_json({"weights": rows})
        return
    for each in made:
        official = "official" if each.official else "not official"
        print_text(
            Text(
                f"{each.name}: {each.architecture}, {', '.join(each.parts)}, {official},"
                f" SHA-256 {each.sha256[:12]}, in {path_of(each.name)}"
            )
        )


def _inspected(document: dict[str, Any]) -> RenderableType:
    origin = document["origin"] or {}
    files = [f"{name} {sha256}" for name, sha256 in origin.get("files", {}).items()]
    golden = document["golden"]
    versions = ", ".join(f"{k} {v}" for k, v in (document["versions"] or {}).items())
    counts = ", ".join(f"{part} {n:,}" for part, n in document["parameters"].items())
    shape = ", ".join(f"{k} {v}" for k, v in (document["shape"] or {}).items())
    rows = {
        "file": document["path"],
        "name": document["name"],
        "network": shape,
        "input": {"unit": "[0, 1]", "imagenet": "ImageNet's mean and deviation"}.get(
            document["normalization"] or "", ""
        ),
        "parameters": counts,
        "origin": ", ".join(
            str(word) for word in (origin.get("kind"), origin.get("url")) if word is not None
        ),
        "official": {True: "yes", False: "no"}.get(origin.get("official", ""), ""),
        "made from": "\n".join(files),
        "SHA-256": document["sha256"],
        "written by": versions,
        "notes": "\n".join(document["notes"]),
        "golden": f"{golden:.2g} of the tolerance" if golden is not None else "no values stored",
        "faults": "\n".join(document["faults"]) or "none",
    }
    grid = Grid(box=None, show_header=False, pad_edge=False)
    for name, value in rows.items():
        if value:
            grid.add_row(Text(name), Text(str(value), overflow="fold"))
    return grid
