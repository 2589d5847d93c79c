"""The arguments of the verbs that look at run directories: `report`, `diff` and `verify`."""

from pathlib import Path

from simclr_bench.cli.arguments.common import EMBEDDED_RUNS, Verbs, add_out, add_verb

FORMATS = ("html", "markdown", "csv", "latex", "json")


def add(verbs: Verbs) -> None:
    """Adds `report`, `diff` and `verify`."""
    _add_report(verbs)
    diff = add_verb(verbs, "diff", "what changed between two run directories")
    diff.add_argument("a", type=Path, metavar="A", help="the run directory before")
    diff.add_argument("b", type=Path, metavar="B", help="the run directory after")

    verify = add_verb(
        verbs, "verify", "check a run directory: every metric again, from predictions"
    )
    add_out(verify, EMBEDDED_RUNS)


def _add_report(verbs: Verbs) -> None:
    report = add_verb(verbs, "report", "write a run directory as a page, a paper's table or data")
    add_out(report, EMBEDDED_RUNS)
    report.add_argument(
        "--format", choices=FORMATS, default="html", help="what to write (default: html)"
    )
    report.add_argument(
        "--to",
        type=Path,
        metavar="PATH",
        help="a file, or a folder for report.html and the like (default: the run directory)",
    )
