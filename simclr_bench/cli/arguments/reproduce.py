"""The arguments of `reproduce`."""

from pathlib import Path

from simclr_bench.cli.arguments.common import Verbs, add_details, add_out, add_verb
from simclr_bench.experiments.settings.suggest import find
from simclr_bench.paper.tables import TABLES

FIGURES = ("2", "6")

# What `--fail-on` can wait for: a cell's verdict, and a claim's.
FAILURES = ("different", "fails")


def add(verbs: Verbs) -> None:
    """Adds `reproduce`."""
    reproduce = add_verb(
        verbs, "reproduce", "re-run the paper's tables, on embedded data or its own"
    )
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
        (
            "--profile",
            "NAME",
            "embedded: small stand-ins made here; paper: the data sets, weights and full-size"
            " networks (default: embedded)",
        ),
        (
            "--weights",
            "NAME",
            "encoder of the paper profile: a name of `weights list`, a .safetensors file, or"
            " random:SEED",
        ),
        ("--device", "NAME", "of the paper profile: auto, cpu or cuda (default: auto)"),
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
    add_details(reproduce)
    reproduce.add_argument(
        "--quiet", action="store_true", help="nothing on stderr but errors: no progress, no notices"
    )
    add_out(reproduce, "runs/PROFILE", by_profile=True)


def _failures(text: str) -> list[str]:
    words = [word.strip() for word in text.split(",")]
    return [find(word, FAILURES, "verdict", "--fail-on") for word in words]
