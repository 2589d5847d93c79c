"""The parser: verbs, their arguments, and errors of one line. Nothing here imports torch."""

import argparse

from simclr_bench import __version__
from simclr_bench.cli.arguments import (
    bench,
    data,
    records,
    reproduce,
    training,
    transfer,
    weights,
)
from simclr_bench.cli.arguments.common import Parser, add_verb

EPILOG = """\
examples:
  simclr-bench reproduce --all
  simclr-bench reproduce --table 4 --seeds 16 --set probe.iterations=60
  simclr-bench report --format markdown
  simclr-bench verify
  simclr-bench diff runs/before runs/after
  simclr-bench transfer --data photos/
  simclr-bench bench loss --quick
  simclr-bench doctor

exit codes: 0 done, whatever the verdicts; 1 only by --fail-on; 2 usage; 3 data, weights or records
missing or corrupt, which verify looks for; 4 a job failed; 5 run directory held by another process
or of another version; 6 only by bench --compare: something is slower; 130/143 interrupted
"""


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

    reproduce.add(verbs)
    transfer.add(verbs)
    training.add(verbs)
    records.add(verbs)
    data.add(verbs)
    weights.add(verbs)
    bench.add(verbs)

    add_verb(verbs, "list", "what can be re-run: tables and figures, and how many claims")
    show = add_verb(verbs, "show", "one table as printed: what its rows mean, choices, claims")
    show.add_argument("table", metavar="N", help="table of the paper, 1 to 4")

    add_verb(verbs, "doctor", "check this machine, with a remedy for each fault")
    return parser
