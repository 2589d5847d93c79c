"""The grid on a GPU, as far as the time goes: `make gpu`'s stage of races.

    python -m benchmarks.gpu.race OUT SECONDS

Appends a record per cell and provider to OUT/<suite>.jsonl: first what targets are about, then the
rest of the grid. Exit codes: 0 done, 1 ours failed somewhere, 75 no time for all of the targets'.
"""

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.gpu.stages import OUT_OF_TIME, say
from benchmarks.grid import GPU_SUITES, Cell, Suite, cuda
from benchmarks.measuring.cuda import copy_gb_s, release
from benchmarks.measuring.race import Race, record
from benchmarks.records.record import Record, append

NO_TIME = "no time left"
LEFT_TO_THE_USER = ("quick", "sweep")


def cells(suites: Sequence[Suite]) -> Iterator[tuple[Suite, Cell]]:
    return ((suite, cell) for suite in suites for cell in suite.cells)


def run(suites: Sequence[Suite], out: Path, end: float) -> tuple[int, int]:
    """Races until the time is over; returns in how many cells ours failed, and how many are left.

    Those that are left out get a record that says so.
    """
    failed, left = 0, 0
    for suite, cell in cells(suites):
        if time.monotonic() > end:
            left += 1
            append(out, [record(suite, cell, suite.providers[0], not_run=NO_TIME)])
            continue
        release()
        records = Race(suite, cell).run()
        append(out, records)
        failed += records[0].not_run is not None
        say("; ".join([f"{suite.name} {cell}", *map(summary, records)]))
    return failed, left


def summary(record: Record) -> str:
    if record.not_run:
        return f"{record.provider} {record.not_run}"
    ratio = f" ({record.ratio.median:.2f}x)" if record.ratio else ""
    return f"{record.provider} {record.median_ms:.4f} ms{ratio}"


def main() -> int:
    out, seconds = Path(sys.argv[1]), float(sys.argv[2])
    end = time.monotonic() + seconds
    say(f"a copy moves {copy_gb_s():.0f} GB/s")
    failed, left = run(cuda.RACES, out, end)
    rest = [s for s in GPU_SUITES if s not in cuda.RACES and s.name not in LEFT_TO_THE_USER]
    also_failed, rest_left = run(rest, out, end)
    say(f"race: ours failed in {failed + also_failed} cells, no time for {left} of the targets'")
    say(f"race: no time for {rest_left} cells of the rest of the grid")
    return 1 if failed + also_failed else OUT_OF_TIME if left else 0


if __name__ == "__main__":
    raise SystemExit(main())
