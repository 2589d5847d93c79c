"""The parser: verbs, their arguments, and errors of one line. Nothing here imports torch."""

import argparse
from pathlib import Path
from typing import NoReturn

from simclr_bench import __version__
from simclr_bench.errors import UsageError
from simclr_bench.experiments.settings.kinds import LARGEST, SEEDS
from simclr_bench.experiments.settings.suggest import find
from simclr_bench.paper.tables import TABLES

EMBEDDED_RUNS = "runs/embedded"
FIGURES = ("2", "6")
FORMATS = ("html", "markdown", "csv", "latex", "json")

# What `--fail-on` can wait for: a cell's verdict, and a claim's.
FAILURES = ("different", "fails")

EPILOG = """\
examples:
  simclr-bench reproduce --all
  simclr-bench reproduce --table 4 --seeds 16 --set probe.iterations=60
  simclr-bench report --format markdown
  simclr-bench verify
  simclr-bench diff runs/before runs/after
  simclr-bench transfer --data photos/
  simclr-bench doctor

exit codes: 0 done, whatever the verdicts; 1 only by --fail-on; 2 usage; 3 data, weights or records
missing or corrupt, which verify looks for; 4 a job failed; 5 run directory held by another process
or of another version; 130/143 interrupted
"""


class Parser(argparse.ArgumentParser):
    """argparse, with errors of one line."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see {self.prog} --help")


def build_parser() -> Parser:
    """The whole command line."""
    parser = Parser(
        prog="simclr-bench",
        description="Re-runs the tables of arXiv:2108.00587 (SimCLR fine-tuning, distillation,"
        " transfer)\nand sets what comes out beside what the paper printed.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("-V", "--version", action="version", version=f"simclr-bench {__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="COMMAND")

    _add_reproduce(verbs)
    _add_transfer(verbs)
    _add_report(verbs)

    diff = _verb(verbs, "diff", "what changed between two run directories")
    diff.add_argument("a", type=Path, metavar="A", help="the run directory before")
    diff.add_argument("b", type=Path, metavar="B", help="the run directory after")

    verify = _verb(verbs, "verify", "check a run directory: every metric again, from predictions")
    _add_out(verify, EMBEDDED_RUNS)

    _verb(verbs, "list", "what can be re-run: tables and figures, and how many claims")
    show = _verb(verbs, "show", "one table as printed: what its rows mean, choices, claims")
    show.add_argument("table", metavar="N", help="table of the paper, 1 to 4")

    _verb(verbs, "doctor", "check this machine, with a remedy for each fault")
    return parser


def _add_reproduce(verbs: "argparse._SubParsersAction[Parser]") -> None:
    reproduce = _verb(verbs, "reproduce", "re-run the paper's tables on the embedded data")
    target = reproduce.add_mutually_exclusive_group(required=True)
    target.add_argument("--all", action="store_true", help="every table, figure, claim and control")
    target.add_argument(
        "--table",
        type=lambda text: find(text, TABLES, "table"),
        metavar="N",
        help="table of the paper, 1 to 4, with its claims; table 3 is the base of table 2, and runs"
        " it",
    )
    target.add_argument(
        "--figure",
        type=lambda text: find(text, FIGURES, "figure"),
        metavar="N",
        help="figure of the paper: 2, with table 1 that it shows, or 6, with table 4",
    )

    chosen = reproduce.add_argument_group(
        "settings",
        "Each of these is also a key of --set, of a TOML file and of the environment;"
        " --print-config shows them all.",
    )
    for flag, metavar, purpose in (
        ("--rows", "A,B", "only these rows, by their labels in `show` (default: all)"),
        ("--seeds", "N|A:B", "seeds 0 to N-1, or A to B-1; at least two (default: 8)"),
        ("--batch-size", "N,N", "batch sizes of tables 1 and 4, in place of theirs"),
        ("--jobs", "N", "processes (default: the usable CPU cores, at most 8)"),
        ("--workers", "N", "threads of each that prepare batches ahead (default: 0)"),
        ("--margin", "F", "accuracies closer than this are equal; at most 0.5 (default: 0.05)"),
    ):
        chosen.add_argument(flag, metavar=metavar, help=purpose)
    chosen.add_argument("--config", type=Path, metavar="FILE", help="a TOML file of settings")
    chosen.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="one setting, such as probe.iterations=60; may be repeated",
    )
    chosen.add_argument(
        "--print-config",
        action="store_true",
        help="print every setting, its value and where it came from, and run nothing",
    )

    reproduce.add_argument(
        "--dry-run",
        action="store_true",
        help="print what would be run, how long it would take and the disk it needs; run nothing",
    )
    reproduce.add_argument(
        "--fail-on",
        type=_failures,
        action="extend",
        default=[],
        metavar="WORD",
        help="exit with 1 if a cell is 'different' or a claim 'fails'; may be repeated"
        " (default: only report it)",
    )
    _add_details(reproduce)
    reproduce.add_argument(
        "--quiet", action="store_true", help="nothing on stderr but errors: no progress, no notices"
    )
    _add_out(reproduce, EMBEDDED_RUNS)


def _add_transfer(verbs: "argparse._SubParsersAction[Parser]") -> None:
    transfer = _verb(verbs, "transfer", "table 4's protocol on a folder of your own images")
    transfer.add_argument(
        "--data",
        required=True,
        type=Path,
        metavar="DIR",
        help="a folder of class folders, or of train/ and test/ with class folders in each",
    )
    transfer.add_argument(
        "--batch-size",
        type=_positive,
        action="append",
        metavar="N",
        help="images in a batch; may be repeated (default: 64 and 32)",
    )
    transfer.add_argument(
        "--heldout",
        type=_fraction,
        default=0.2,
        metavar="F",
        help="share of each class held out where there is no test/ (default: 0.2)",
    )
    transfer.add_argument(
        "--split-seed", type=_natural, default=0, metavar="N", help="draws that share (default: 0)"
    )
    transfer.add_argument(
        "--single-pass",
        action="store_true",
        help="end after one pass over the images, short last batch included, as the notebook does"
        " (default: passes reshuffle and continue without a short batch)",
    )
    transfer.add_argument(
        "--skip-corrupt",
        action="store_true",
        help="leave out files that do not decode, and list them (default: stop at the first)",
    )
    _add_seeds(transfer)
    _add_details(transfer)
    _add_out(transfer, "runs/transfer")


def _add_report(verbs: "argparse._SubParsersAction[Parser]") -> None:
    report = _verb(verbs, "report", "write a run directory as a page, a paper's table or data")
    _add_out(report, EMBEDDED_RUNS)
    report.add_argument(
        "--format", choices=FORMATS, default="html", help="what to write (default: html)"
    )
    report.add_argument(
        "--to",
        type=Path,
        metavar="PATH",
        help="a file, or a folder for report.html and the like (default: the run directory)",
    )


def _verb(verbs: "argparse._SubParsersAction[Parser]", name: str, purpose: str) -> Parser:
    parser = verbs.add_parser(name, help=purpose, description=purpose.capitalize() + ".")
    parser.add_argument(
        "--json", action="store_true", help="print one JSON document on stdout, nothing else"
    )
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    return parser


def _add_details(parser: Parser) -> None:
    parser.add_argument(
        "--details",
        action="store_true",
        help="print every measure, test, note and reason (default: a line for each row)",
    )


def _add_seeds(parser: Parser) -> None:
    parser.add_argument(
        "--seeds",
        type=_seeds,
        default=range(8),
        metavar="N|A:B",
        help="seeds 0 to N-1, or A to B-1; at least two (default: 8)",
    )


def _add_out(parser: Parser, default: str) -> None:
    parser.add_argument(
        "--out",
        type=Path,
        default=Path(default),
        metavar="DIR",
        help=f"run directory: records and figures (default: {default})",
    )


def _seeds(text: str) -> range:
    try:
        seeds: range = SEEDS.check(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not {SEEDS.allowed}") from error
    return seeds


def _failures(text: str) -> list[str]:
    words = [word.strip() for word in text.split(",")]
    return [find(word, FAILURES, "verdict", "--fail-on") for word in words]


def _positive(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= LARGEST:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
    return int(text)


def _natural(text: str) -> int:
    if not text.isdecimal() or int(text) > LARGEST:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to {LARGEST}")
    return int(text)


def _fraction(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not between 0 and 1")
    return value
