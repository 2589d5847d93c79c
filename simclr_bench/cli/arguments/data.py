"""The arguments of `data` and its verbs."""

import argparse
from pathlib import Path

from simclr_bench.cli.arguments.common import Verbs, add_verb
from simclr_bench.datasets.catalog import DATASETS
from simclr_bench.experiments.settings.suggest import find


def add(verbs: Verbs) -> None:
    """Adds `data list`, `fetch`, `import` and `verify`."""
    data = verbs.add_parser(
        "data",
        help="the paper's five data sets: fetch, import and check them",
        description="The paper's five data sets: fetch, import and check them.",
    )
    actions = data.add_subparsers(dest="action", required=True, metavar="COMMAND")
    add_verb(actions, "list", "what there is, what of it is here, sizes and licences")

    fetch = add_verb(actions, "fetch", "download data sets, verify and decode them")
    fetch.add_argument("names", nargs="*", type=_name, metavar="NAME", help=", ".join(DATASETS))
    fetch.add_argument("--all", action="store_true", help="all five")
    fetch.add_argument(
        "--offline", action="store_true", help="use what was downloaded before, and no network"
    )
    fetch.add_argument(
        "--keep-archive",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="keep the archive once it is decoded (default: keep it)",
    )

    importing = add_verb(actions, "import", "take a data set from an archive or folder you have")
    importing.add_argument("name", type=_name, metavar="NAME", help=", ".join(DATASETS))
    importing.add_argument(
        "path",
        type=Path,
        metavar="PATH",
        help="an archive, or a folder as it extracts, or torchvision's or TFDS's folder",
    )
    importing.add_argument(
        "--unofficial",
        action="store_true",
        help="take it even if its counts are not the paper's; everything says so from then on"
        " (default: refuse it)",
    )
    importing.add_argument(
        "--skip-corrupt",
        action="store_true",
        help="leave out files that do not decode, and list them (default: stop at the first)",
    )

    verify = add_verb(actions, "verify", "check imported data sets: every hash and count again")
    verify.add_argument(
        "names",
        nargs="*",
        type=_name,
        metavar="NAME",
        help=f"{', '.join(DATASETS)} (default: those that were imported)",
    )


def _name(text: str) -> str:
    return find(text, DATASETS, "data set")
