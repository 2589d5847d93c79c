"""How often a planted slowdown is flagged, and how often two identical builds are.

    python -m benchmarks.comparing.proof [--slow 10] [--same 20] [--record DIR]

The base is a copy of the working tree's package. In a slow comparison the working tree does the
work of each fifth call twice, which is 20 % more. Exit code: 0 all slow ones were flagged and at
most one in twenty of the others, 1 not. Raw records go to DIR/comparisons.jsonl.
"""

import argparse
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.comparing.__main__ import LARGE, append_line, compare
from benchmarks.comparing.builds import Build, working_tree
from benchmarks.comparing.decide import NOT_FLAGGED
from benchmarks.comparing.process import ROOT
from benchmarks.comparing.shown import document, lines
from benchmarks.measuring.machine import environment, start_unbound
from simclr_bench.cli.arguments.common import new_or_folder
from simclr_bench.cli.main import print_error
from simclr_bench.errors import SimclrBenchError

HANDICAP = 0.2


def in_turn(slow: int, same: int) -> list[float]:
    """The handicaps of all comparisons, both kinds spread over the whole time."""
    ranked = [((i + 0.5) / slow, HANDICAP) for i in range(slow)]
    ranked += [((i + 0.5) / same, 0.0) for i in range(same)]
    return [handicap for _, handicap in sorted(ranked)]


def copy_of(tree: Build, folder: Path) -> Build:
    """The same package and sources elsewhere."""
    for name in ("simclr_bench", "csrc"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(tree.folder / name, folder / name, ignore=ignored)
    return Build("a copy", folder, tree.commit, tree.dirty)


def one(base: Build, new: Build, handicap: float, record: Path | None) -> bool:
    """Whether one comparison of the large cell flags a change; slower or faster."""
    start = time.perf_counter()
    found = compare(base, new, (LARGE,), handicap=handicap)
    wall_s = time.perf_counter() - start
    (decision,) = found.decisions
    assert decision is not None
    flagged = decision.verdict != NOT_FLAGGED
    if record:
        proof = {"handicap": handicap, "flagged": flagged, "wall_s": wall_s}
        append_line(record, {**document(found, environment()), "proof": proof})
    print(f"handicap {handicap:g}, {wall_s:.1f} s: {lines(found)[0]}", flush=True)
    return flagged


def holds(slow: Sequence[bool], same: Sequence[bool]) -> bool:
    """Whether all slow ones were flagged, and at most one in twenty of the others."""
    return all(slow) and sum(same) <= len(same) / 20


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.comparing.proof")
    parser.add_argument("--slow", type=int, default=10)
    parser.add_argument("--same", type=int, default=20)
    parser.add_argument("--record", type=new_or_folder, metavar="DIR")
    chosen = parser.parse_args()
    start_unbound()
    flagged: dict[float, list[bool]] = {HANDICAP: [], 0.0: []}
    try:
        new = working_tree(ROOT)
        with tempfile.TemporaryDirectory() as folder:
            base = copy_of(new, Path(folder))
            for handicap in in_turn(chosen.slow, chosen.same):
                flagged[handicap].append(one(base, new, handicap, chosen.record))
    except SimclrBenchError as error:
        print_error(str(error))
        return error.exit_code
    slow, same = flagged[HANDICAP], flagged[0.0]
    print(f"20 % slower: flagged in {sum(slow)} of {len(slow)}")
    print(f"identical: flagged in {sum(same)} of {len(same)}")
    return 0 if holds(slow, same) else 1


if __name__ == "__main__":
    raise SystemExit(main())
