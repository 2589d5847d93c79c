"""The arguments of `bench`."""

import argparse
from collections.abc import Sequence

from simclr_bench.cli.arguments.common import Verbs, add_verb, new_or_folder, positive

WORKS = ("loss", "augment", "extract", "train")

EPILOG = """\
words after `--` go to pytest: bench loss -- --benchmark-autosave

exit codes: 0 done, nothing slower; 2 usage, or nothing selected; 3 not a checkout, or pytest or the
extension is missing; 4 a benchmark failed, or the base does not build; 6 --compare: something is
slower; 130/143 interrupted
"""


def add(verbs: Verbs) -> None:
    """Adds `bench`."""
    bench = add_verb(verbs, "bench", "time the losses and what surrounds them, side by side")
    bench.formatter_class = argparse.RawDescriptionHelpFormatter
    bench.epilog = EPILOG
    bench.add_argument(
        "works",
        nargs="*",
        type=_work,
        default=[],
        metavar="WORK",
        help=f"{', '.join(WORKS)} (default: all)",
    )
    size = bench.add_mutually_exclusive_group()
    size.add_argument(
        "--quick", action="store_true", help="a small grid: a minute, nothing compiled"
    )
    size.add_argument("--sweep", action="store_true", help="only the widest grid, for hours")
    bench.add_argument(
        "--device",
        choices=("cpu", "cuda"),
        help="what is timed (default: a GPU if there is one; --compare: cpu)",
    )
    bench.add_argument(
        "--record", type=new_or_folder, metavar="DIR", help="append raw records to a folder"
    )
    bench.add_argument(
        "--compare",
        metavar="BASE",
        help="race this checkout's losses against another build: a revision, or a folder with a"
        " checkout",
    )
    bench.add_argument(
        "--factor",
        type=_factor,
        metavar="F",
        help="with --compare: smaller changes are not flagged (default: 1.10)",
    )
    bench.add_argument(
        "--rounds", type=positive, metavar="N", help="with --compare: at least 8 (default: 15)"
    )


def split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words of this program, and those behind `--`, which are pytest's; only of `bench`."""
    if "bench" not in words[:1] or "--" not in words:
        return list(words), []
    at = words.index("--")
    return list(words[:at]), list(words[at + 1 :])


def _work(text: str) -> str:
    if text not in WORKS:
        raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(WORKS)}")
    return text


def _factor(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 1 <= value < 100:
        raise argparse.ArgumentTypeError(f"{text!r} is not a factor from 1 on")
    return value
