"""Two builds raced in interleaved rounds, by workers that start anew every few rounds.

A third worker is the base once more. A machine that is shared gets faster and slower by half within
a minute: both builds are held against what this third one took in the same round. Where the builds
are the same, all three are.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from itertools import permutations
from statistics import median
from typing import Any

from benchmarks.comparing.process import Worker
from benchmarks.grid import LossCell
from benchmarks.measuring.machine import FOREIGN_LIMIT, Clock, foreign_share, wait_until_idle
from simclr_bench.errors import JobError

ROUNDS = 15
# Memory lies differently in each process, which would be taken for a difference of the builds. A
# start takes four seconds, mostly torch's.
ROUNDS_OF_A_PROCESS = 5
# Of base, new build and base again: every order in turn.
ORDERS = tuple(permutations(range(3)))
# As long beside the 10 ms in which /proc/stat counts as a round has to be to be judged.
SAMPLE_S = 0.1
# Of five, since a handicap of a fifth is one call more for each five.
CALLS = 5
MOST_CALLS = 500
# A disturbed round is tried again so often, and the machine is waited for so long in all.
TRIES = 3
PATIENCE_S = 30.0

Start = Callable[[], Worker]
# Refuses a build for the hash that its extension has of its sources.
Check = Callable[[str | None], None]


@dataclass
class Raced:
    """The times of both builds in one cell.

    Attributes:
        cell: The cell.
        base_ms: Mean time of a call of the base, one per round.
        new_ms: The same of the new build.
        again_ms: The same of the base in another process.
        foreign: Share of the machine that others used, one per round.
        repeated: Rounds tried again because of that.
        not_comparable: Why there are no times.
    """

    cell: LossCell
    base_ms: list[float] = field(default_factory=list)
    new_ms: list[float] = field(default_factory=list)
    again_ms: list[float] = field(default_factory=list)
    foreign: list[float] = field(default_factory=list)
    repeated: int = 0
    not_comparable: str | None = None

    @property
    def steady_ms(self) -> tuple[list[float], list[float]]:
        """The times of base and new build on a machine that is always as fast as at the median."""
        usual = median(self.again_ms)
        base, new = (
            [usual * one / again for one, again in zip(times, self.again_ms, strict=True)]
            for times in (self.base_ms, self.new_ms)
        )
        return base, new


def shares(rounds: int) -> list[int]:
    """How many rounds each pair of workers has, as equal as can be."""
    pairs = math.ceil(rounds / ROUNDS_OF_A_PROCESS)
    return [rounds // pairs + (i < rounds % pairs) for i in range(pairs)]


def calls_in(warm_ms: float) -> int:
    """Calls of a sample: a multiple of five."""
    wanted = 1000 * SAMPLE_S / max(warm_ms, 1e-6)
    return CALLS * max(1, min(MOST_CALLS // CALLS, round(wanted / CALLS)))


class Duel:
    """Two builds in some cells; `run` races them."""

    def __init__(
        self, base: Start, new: Start, cells: Sequence[LossCell], checks: Sequence[Check] = ()
    ) -> None:
        self.starts, self.checks = (base, new, base), checks
        self.results = [Raced(cell) for cell in cells]
        self.calls: dict[LossCell, int] = {}
        self.patience_s = PATIENCE_S
        self.turn = 0

    def run(self, rounds: int) -> list[Raced]:
        """Races.

        Raises:
            JobError: A worker ended, the new build cannot run a cell, or none could be compared.
            DataError: An extension is older than its sources.
        """
        for share in shares(rounds):
            with ExitStack() as stack:
                workers = []
                for start in self.starts:
                    workers.append(start())
                    stack.callback(workers[-1].close)
                hellos = [_hello(worker) for worker in workers]
                for check, hello in zip(self.checks, hellos, strict=False):
                    check(hello["source_hash"])
                open_cells = self._enter(*workers)
                for _ in range(share):
                    for index, raced in enumerate(open_cells):
                        self._round(raced, index, workers)
                    self.turn += 1
        return self.results

    def _enter(self, base: Worker, new: Worker, again: Worker) -> list[Raced]:
        """The cells that both builds know, in the order in which they have entered them."""
        for raced in self.results:
            if raced.not_comparable:
                continue
            cell = asdict(raced.cell)
            first = base.ask(enter=cell)
            if "error" in first:
                raced.not_comparable = f"{base.name}: {first['error']}"
                continue
            warm_ms = first["warm_ms"]
            for worker in (new, again):
                found = worker.ask(enter=cell)
                if "error" in found:
                    raise JobError(f"{worker.name} fails in {raced.cell}: {found['error']}")
                warm_ms = max(warm_ms, found["warm_ms"])
            self.calls.setdefault(raced.cell, calls_in(warm_ms))
        entered = [raced for raced in self.results if not raced.not_comparable]
        if not entered:
            raise JobError(f"no cell can be compared; {self.results[0].not_comparable}")
        return entered

    def _round(self, raced: Raced, index: int, workers: Sequence[Worker]) -> None:
        """One round of a cell: the least disturbed of some tries, mostly of one."""
        best = self._try(raced.cell, index, workers)
        for _ in range(TRIES - 1):
            if best[0] <= FOREIGN_LIMIT or self.patience_s <= 0:
                break
            self.patience_s -= wait_until_idle(self.patience_s)
            raced.repeated += 1
            best = min(best, self._try(raced.cell, index, workers))
        raced.foreign.append(best[0])
        raced.base_ms.append(best[1])
        raced.new_ms.append(best[2])
        raced.again_ms.append(best[3])

    def _try(
        self, cell: LossCell, index: int, workers: Sequence[Worker]
    ) -> tuple[float, float, float, float]:
        """How much of the machine was others', and the times: base, new build, base again."""
        times, cpu_s = [0.0, 0.0, 0.0], 0.0
        start = Clock.now()
        for which in ORDERS[self.turn % len(ORDERS)]:
            answer = workers[which].ask(time=index, calls=self.calls[cell])
            if "error" in answer:
                raise JobError(f"{workers[which].name} fails in {cell}: {answer['error']}")
            times[which] = answer["ms"]
            cpu_s += answer["cpu_s"]
        end = Clock.now()
        foreign = foreign_share(start, replace(end, own_s=end.own_s + cpu_s))
        return foreign, times[0], times[1], times[2]


def _hello(worker: Worker) -> dict[str, Any]:
    answer = worker.hear()
    if "error" in answer:
        raise JobError(f"{worker.name}: {answer['error']}")
    return answer
