"""`simclr-bench`: the parser, and what happens around every command.

Nothing here imports torch: `--help`, `list` and `show` answer at once.
"""

import argparse
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import NoReturn

from simclr_bench import __version__
from simclr_bench.errors import Interrupted, SimclrBenchError, UsageError

# The modules are imported when their command runs.
COMMANDS = {
    "reproduce": "simclr_bench.cli.reproduce",
    "transfer": "simclr_bench.cli.transfer",
    "list": "simclr_bench.cli.catalog",
    "show": "simclr_bench.cli.catalog",
    "doctor": "simclr_bench.cli.doctor",
}

# Of a seed or a batch size; and of seeds in one run, each of which is many jobs.
LARGEST = 2**31 - 1
MOST_SEEDS = 1000

CONTINUES = "finished jobs are kept, and the same command continues from them"

EPILOG = """\
examples:
  simclr-bench reproduce --table 4
  simclr-bench transfer --data photos/
  simclr-bench doctor

exit codes: 0 done; 1 only by --fail-on; 2 usage; 3 data, weights or records missing or corrupt;
4 a job failed; 5 run directory held by another process or of a newer schema; 130/143 interrupted
"""


class Parser(argparse.ArgumentParser):
    """argparse, with errors of one line."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see {self.prog} --help")


def entry_point() -> NoReturn:
    """The console script."""
    # Read by OpenMP's runtime when torch loads it. By default its threads spin while they wait, so
    # that with a core taken by another program every small operation costs a scheduler tick.
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    sys.exit(main())


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command.

    Args:
        arguments: The words after the program's name; sys.argv's by default.

    Returns:
        The exit code.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    previous = signal.signal(signal.SIGTERM, _on_sigterm)
    try:
        options = build_parser().parse_args(words)
        command: Callable[[argparse.Namespace], int] = import_module(COMMANDS[options.verb]).run
        return command(options)
    except BrokenPipeError:
        # The reader of stdout left: nothing more can be said to it, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (Exception, KeyboardInterrupt, Interrupted) as error:
        if "--debug" in words:
            traceback.print_exc()
        message, code = explain(error)
        print_error(message)
        return code
    finally:
        signal.signal(signal.SIGTERM, previous)


def explain(error: BaseException) -> tuple[str, int]:
    """One line and the exit code for whatever ended a command."""
    if isinstance(error, SimclrBenchError | Interrupted):
        return str(error), error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return f"interrupted; {CONTINUES}", 130
    if isinstance(error, ImportError) or "torchvision::nms" in str(error):
        return f"the installation is broken ({error}); `simclr-bench doctor` names the remedy", 3
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: cannot be used ({os.strerror(error.errno or 0)})", 3
    kind = type(error).__name__
    return f"unexpected {kind}: {error}; run again with --debug for the traceback", 4


def print_error(message: str) -> None:
    """One line on stderr, without whatever control characters a file's name may hold."""
    words = " ".join(message.split())
    safe = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in words)
    print(f"simclr-bench: {safe}", file=sys.stderr)


def build_parser() -> Parser:
    """The whole command line."""
    parser = Parser(
        prog="simclr-bench",
        description="Re-runs the tables of arXiv:2108.00587 (SimCLR fine-tuning, distillation,"
        " transfer) and sets what comes out beside what the paper printed.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"simclr-bench {__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="COMMAND")

    reproduce = _verb(verbs, "reproduce", "re-run a table of the paper on the embedded data")
    reproduce.add_argument("--table", required=True, metavar="N", help="table of the paper: 4")
    reproduce.add_argument(
        "--rows", metavar="A,B", help="only these rows, by their printed labels (default: all)"
    )
    _add_seeds(reproduce)
    _add_out(reproduce, "runs/embedded")
    reproduce.add_argument(
        "--fail-on",
        choices=["fails"],
        help="exit with 1 if a judged claim fails on our means (default: only report it)",
    )

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
    _add_out(transfer, "runs/transfer")

    _verb(verbs, "list", "what the paper holds: tables, figures, claims")
    show = _verb(verbs, "show", "one table as printed, with what each row means")
    show.add_argument("table", metavar="N", help="table of the paper, 1 to 4")

    _verb(verbs, "doctor", "check this machine, with a remedy for each fault")
    return parser


def _verb(verbs: "argparse._SubParsersAction[Parser]", name: str, purpose: str) -> Parser:
    parser = verbs.add_parser(name, help=purpose, description=purpose.capitalize() + ".")
    parser.add_argument(
        "--json", action="store_true", help="print one JSON document on stdout, nothing else"
    )
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    return parser


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
        ends = [int(part) for part in text.split(":")]
        seeds = range(*ends)
    except (TypeError, ValueError):
        seeds = range(0)
    ends_in_range = bool(seeds) and seeds[0] >= 0 and seeds[-1] <= LARGEST
    if len(text.split(":")) > 2 or not 2 <= len(seeds) <= MOST_SEEDS or not ends_in_range:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not N >= 2 or A:B with two seeds or more, at most {MOST_SEEDS}"
        )
    return seeds


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


def _on_sigterm(number: int, frame: FrameType | None) -> NoReturn:
    if any(_half_imported(name) for name in ("torch", "torchvision")):
        # An exception inside their C++ start-up aborts the process. Nothing of ours is open yet.
        print_error(f"terminated; {CONTINUES}")
        os._exit(Interrupted.exit_code)
    raise Interrupted(f"terminated; {CONTINUES}")


def _half_imported(name: str) -> bool:
    return bool(getattr(getattr(sys.modules.get(name), "__spec__", None), "_initializing", False))
