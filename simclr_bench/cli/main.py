"""`simclr-bench`: the entry, and what happens around every command.

Nothing here imports torch: `--help`, `list` and `show` answer at once.
"""

import argparse
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib import import_module
from types import FrameType
from typing import NoReturn

from simclr_bench.cli.arguments import bench, build_parser
from simclr_bench.errors import Interrupted, SimclrBenchError

# The modules are imported when their command runs.
COMMANDS = {
    "reproduce": "simclr_bench.cli.reproduce",
    "transfer": "simclr_bench.cli.transfer",
    "pretrain": "simclr_bench.cli.training",
    "finetune": "simclr_bench.cli.training",
    "distill": "simclr_bench.cli.training",
    "report": "simclr_bench.cli.report",
    "diff": "simclr_bench.cli.diff",
    "verify": "simclr_bench.cli.verify",
    "data": "simclr_bench.cli.data",
    "weights": "simclr_bench.cli.weights",
    "list": "simclr_bench.cli.catalog",
    "show": "simclr_bench.cli.catalog",
    "bench": "simclr_bench.cli.bench",
    "doctor": "simclr_bench.cli.doctor",
}

CONTINUES = "finished jobs are kept, and the same command continues from them"


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
        own, passed = bench.split(words)
        options = build_parser().parse_args(own, argparse.Namespace(pytest=passed))
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


def _on_sigterm(number: int, frame: FrameType | None) -> NoReturn:
    if any(_half_imported(name) for name in ("torch", "torchvision")):
        # An exception inside their C++ start-up aborts the process. Nothing of ours is open yet.
        print_error(f"terminated; {CONTINUES}")
        os._exit(Interrupted.exit_code)
    raise Interrupted(f"terminated; {CONTINUES}")


def _half_imported(name: str) -> bool:
    return bool(getattr(getattr(sys.modules.get(name), "__spec__", None), "_initializing", False))
