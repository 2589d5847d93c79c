"""The arguments of `weights`: `list`, `fetch`, `convert` and `inspect`."""

import argparse
from pathlib import Path

from simclr_bench.cli.arguments.common import Parser, Verbs, add_verb
from simclr_bench.weights.catalog import SHAPES


def add(verbs: Verbs) -> None:
    """Adds `weights` and its commands."""
    purpose = "pretrained weights: what is published, what is here, and how to get it"
    weights = verbs.add_parser("weights", help=purpose, description=purpose.capitalize() + ".")
    actions = weights.add_subparsers(dest="action", required=True, metavar="COMMAND")

    listing = add_verb(actions, "list", "published weights and those that are here")
    listing.add_argument(
        "prefix",
        nargs="?",
        default="",
        metavar="PREFIX",
        help="only names that begin so, such as simclrv2/finetuned_1pct (default: all)",
    )

    fetch = add_verb(actions, "fetch", "download published weights, check and convert them")
    fetch.add_argument("names", nargs="+", metavar="NAME", help="as `weights list` has them")
    fetch.add_argument(
        "--offline", action="store_true", help="use no network, only what was downloaded before"
    )
    _add_python(fetch)

    convert = add_verb(actions, "convert", "weights from files of yours into the library")
    convert.add_argument(
        "source",
        type=Path,
        metavar="PREFIX|FILE",
        help="prefix of a TensorFlow checkpoint of SimCLR, or a checkpoint of lightly, solo-learn,"
        " VISSL or torchvision (.pth, .ckpt, .torch, .safetensors)",
    )
    convert.add_argument(
        "--name",
        metavar="NAME",
        help="what to call them: a published name, which they then must be, or another"
        " (default: own/ and the file's name)",
    )
    convert.add_argument(
        "--shape",
        type=_shape,
        metavar="SHAPE",
        help="what a TensorFlow checkpoint must hold, such as r50_1x_sk0 (default: whatever it"
        " holds)",
    )
    _add_python(convert)

    inspect = add_verb(actions, "inspect", "what weights are, with every hash and the network run")
    inspect.add_argument("weights", metavar="NAME|FILE", help="a name in the library, or a file")


def _add_python(parser: Parser) -> None:
    parser.add_argument(
        "--python",
        type=Path,
        metavar="PATH",
        help="a Python that has TensorFlow, which reads its checkpoints (default: this one)",
    )


def _shape(text: str) -> str:
    if text not in SHAPES:
        raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(SHAPES)}")
    return text
