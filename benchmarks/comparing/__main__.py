"""Races the working tree against another build.

    python -m benchmarks.comparing --base BASE [--factor 1.10] [--rounds 15] [--json] [--record DIR]

Exit codes: 0 nothing is slower, 6 something is, 2 usage, 3 an extension is missing, 4 the base does
not build or a worker failed.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks.comparing.builds import Build, base_of, check_fresh, working_tree
from benchmarks.comparing.decide import FACTOR, FEWEST_ROUNDS, SLOWER
from benchmarks.comparing.process import ROOT, start
from benchmarks.comparing.rounds import ROUNDS, Duel
from benchmarks.comparing.shown import Comparison, document, judge, lines
from benchmarks.grid import LossCell
from benchmarks.grid.losses import QUICK, nt_xent
from benchmarks.grid.suites import loss_cells
from benchmarks.measuring.machine import environment, start_unbound
from benchmarks.records.record import COMPARISONS
from simclr_bench.cli.arguments.common import new_or_folder
from simclr_bench.cli.main import print_error
from simclr_bench.cli.output import print_json
from simclr_bench.errors import SLOWER as SOMETHING_IS_SLOWER
from simclr_bench.errors import SimclrBenchError, UsageError
from simclr_bench.storage.files import canonical_json, write_atomically

LARGE = nt_xent(4096, 128)
CELLS = (*(cell for _, cell in loss_cells(QUICK)), LARGE)


def compare(
    base: Build,
    new: Build,
    cells: Sequence[LossCell],
    *,
    rounds: int = ROUNDS,
    factor: float = FACTOR,
    handicap: float = 0.0,
) -> Comparison:
    """Races two builds, and judges the times; the handicap is the new one's."""
    duel = Duel(
        partial(start, base.name, base.folder),
        partial(start, new.name, new.folder, handicap),
        cells,
        checks=(partial(check_fresh, base), partial(check_fresh, new)),
    )
    return judge(base, new, duel.run(rounds), factor)


def append_line(directory: Path, fields: dict[str, object]) -> None:
    """Adds one to DIRECTORY/comparisons.jsonl, which changes as a whole or not at all."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / COMPARISONS
    old = path.read_text() if path.exists() else ""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    write_atomically(path, (old + canonical_json({**fields, "finished": stamp}) + "\n").encode())


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.comparing")
    parser.add_argument("--base", required=True, metavar="BASE")
    parser.add_argument("--factor", type=float, default=FACTOR)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--record", type=new_or_folder, metavar="DIR")
    chosen = parser.parse_args(arguments)
    start_unbound()
    try:
        if chosen.rounds < FEWEST_ROUNDS:
            raise UsageError(f"--rounds: needs {FEWEST_ROUNDS} or more, got {chosen.rounds}")
        if not chosen.factor >= 1:
            raise UsageError(f"--factor: must be 1 or more, got {chosen.factor:g}")
        new = working_tree(ROOT)
        base = base_of(chosen.base, ROOT, lambda text: print(text, file=sys.stderr, flush=True))
        found = compare(base, new, CELLS, rounds=chosen.rounds, factor=chosen.factor)
    except SimclrBenchError as error:
        print_error(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        print_error("interrupted")
        return 130
    whole = document(found, environment()) if chosen.json or chosen.record else {}
    if chosen.record:
        append_line(chosen.record, whole)
    if chosen.json:
        print_json(whole)
    else:
        print("\n".join(lines(found)))
    return SOMETHING_IS_SLOWER if found.count(SLOWER) else 0


if __name__ == "__main__":
    raise SystemExit(main())
