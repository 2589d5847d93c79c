"""What the arguments of several verbs share."""

import argparse
from pathlib import Path
from typing import NoReturn, TypeAlias

from simclr_bench.errors import UsageError
from simclr_bench.experiments.settings.kinds import LARGEST, SEEDS

EMBEDDED_RUNS = "runs/embedded"


class Parser(argparse.ArgumentParser):
    """argparse, with errors of one line."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see {self.prog} --help")


Verbs: TypeAlias = "argparse._SubParsersAction[Parser]"


def add_verb(verbs: Verbs, name: str, purpose: str) -> Parser:
    parser = verbs.add_parser(name, help=purpose, description=purpose.capitalize() + ".")
    parser.add_argument(
        "--json", action="store_true", help="print one JSON document on stdout, nothing else"
    )
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    return parser


def add_details(parser: Parser) -> None:
    parser.add_argument(
        "--details",
        action="store_true",
        help="print every measure, test, note and reason (default: a line for each row)",
    )


def add_seeds(parser: Parser) -> None:
    parser.add_argument(
        "--seeds",
        type=_seeds,
        default=range(8),
        metavar="N|A:B",
        help="seeds 0 to N-1, or A to B-1; at least two (default: 8)",
    )


def add_out(parser: Parser, default: str, *, by_profile: bool = False) -> None:
    parser.add_argument(
        "--out",
        type=Path,
        default=None if by_profile else Path(default),
        metavar="DIR",
        help=f"run directory: records and figures (default: {default})",
    )


def _seeds(text: str) -> range:
    try:
        seeds: range = SEEDS.check(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not {SEEDS.allowed}") from error
    return seeds


def new_or_folder(text: str) -> Path:
    """A folder, or what can become one."""
    path = Path(text)
    if path.exists() and not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is no folder: name one, or a new one")
    return path


def positive(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= LARGEST:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
    return int(text)


def natural(text: str) -> int:
    if not text.isdecimal() or int(text) > LARGEST:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to {LARGEST}")
    return int(text)


def fraction(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not between 0 and 1")
    return value
