"""`data list`, `fetch`, `import` and `verify`: the paper's data sets on this machine."""

import argparse
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from simclr_bench.cli.data_list import run_list
from simclr_bench.cli.output import print_json, print_line
from simclr_bench.cli.progress import make_progress
from simclr_bench.datasets.catalog import DATASETS
from simclr_bench.errors import DataError, StoreError, UsageError
from simclr_bench.storage.progress import Progress

if TYPE_CHECKING:
    from simclr_bench.datasets.fetch import Fetched
    from simclr_bench.datasets.library import Manifest


def run(options: argparse.Namespace) -> int:
    """Runs a verb of `data`."""
    return ACTIONS[options.action](options)


def _run_fetch(options: argparse.Namespace) -> int:
    from simclr_bench.datasets.fetch import fetch_dataset

    if options.all == bool(options.names):
        raise UsageError(f"data fetch: name data sets or say --all; there are {_all_names()}")
    names = list(DATASETS) if options.all else list(dict.fromkeys(options.names))
    progress = make_progress()
    fetched: list[Fetched] = []
    failed: dict[str, DataError | StoreError] = {}
    for name in names:
        try:
            fetched.append(
                fetch_dataset(
                    DATASETS[name],
                    offline=options.offline,
                    keep_archive=options.keep_archive,
                    progress=progress,
                )
            )
        except (DataError, StoreError) as error:  # the latter: another process imports it
            failed[name] = error
            if len(names) > 1:
                progress.say(f"{name}: {error}")
    if options.json:
        reasons = {name: str(error) for name, error in failed.items()}
        print_json({"fetched": [_fetched_json(each) for each in fetched], "failed": reasons})
    else:
        for each in fetched:
            print_line(_summary(each.manifest))
    if failed:
        why = "; ".join(map(str, failed.values()))
        if len(failed) > 1:
            why = f"{', '.join(failed)}: not fetched, for the reasons above"
        busy = all(isinstance(error, StoreError) for error in failed.values())
        raise (StoreError if busy else DataError)(
            f"{why}; the same command tries"
            " again, and `simclr-bench data import NAME PATH` takes an archive from elsewhere"
        )
    return 0


def _run_import(options: argparse.Namespace) -> int:
    from simclr_bench.datasets.library import import_dataset

    manifest = import_dataset(
        DATASETS[options.name],
        options.path,
        unofficial=options.unofficial,
        skip_corrupt=options.skip_corrupt,
        progress=make_progress(),
    )
    if options.json:
        print_json({"imported": _manifest_json(manifest)})
    else:
        print_line(_summary(manifest))
    return 0


def _run_verify(options: argparse.Namespace) -> int:
    names = options.names or [name for name in DATASETS if _is_imported(name)]
    if not names:
        raise DataError(f"no data set is imported; `simclr-bench data fetch` takes {_all_names()}")
    progress = make_progress()
    faults = {name: _faults(name, progress) for name in dict.fromkeys(names)}
    if options.json:
        print_json({"faults": faults})
    found = [fault for each in faults.values() for fault in each]
    if found:
        more = f" (and {len(found) - 1} more; --json lists all)" if found[1:] else ""
        raise DataError(f"{found[0]}{more}")
    if not options.json:
        print_line(f"{', '.join(faults)}: every file, count and image is as imported")
    return 0


def _faults(name: str, progress: Progress) -> list[str]:
    """What is wrong with a set; one that cannot be verified at all hides no other."""
    from simclr_bench.datasets.library import verify_dataset

    try:
        return verify_dataset(name, progress)
    except DataError as error:
        return [str(error)]


def _is_imported(name: str) -> bool:
    """Whether there is something to verify, be it damaged."""
    from simclr_bench.datasets.library import read_manifest

    try:
        return read_manifest(name) is not None
    except DataError:
        return True


def _summary(manifest: "Manifest") -> str:
    train, heldout = (sum(manifest.counts[split]) for split in ("train", "heldout"))
    official = "official" if manifest.source["official"] else "NOT official"
    dropped = f", {len(manifest.dropped):,} left out" if manifest.dropped else ""
    return (
        f"{manifest.name}: {train:,} training and {heldout:,} held-out images{dropped}, {official},"
        f" from {manifest.source['path']}"
    )


def _fetched_json(fetched: "Fetched") -> dict[str, Any]:
    archive = (
        asdict(fetched.archive) | {"path": str(fetched.archive.path)} if fetched.archive else None
    )
    return {"archive": archive, "imported": _manifest_json(fetched.manifest)}


def _manifest_json(manifest: "Manifest") -> dict[str, Any]:
    """All but the names of the files that were left out, of which there can be thousands."""
    return asdict(manifest) | {"dropped": len(manifest.dropped)}


def _all_names() -> str:
    return ", ".join(DATASETS)


ACTIONS: dict[str, Callable[[argparse.Namespace], int]] = {
    "list": run_list,
    "fetch": _run_fetch,
    "import": _run_import,
    "verify": _run_verify,
}
