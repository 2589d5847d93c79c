"""The race of one cell: every provider once a round, in rotating order, on an idle machine.

A round is `before()`, `ours()`, `after()`: pytest-benchmark calls the three as setup, target and
teardown and so shows our time; `run()` calls them without it.
"""

import statistics
import time
from dataclasses import dataclass, field
from typing import Any

import torch

from benchmarks.grid import Cell, Suite
from benchmarks.machine import Clock, allocator, environment, foreign_share, wait_until_idle
from benchmarks.providers import PROVIDERS, LossFunction, Provider
from benchmarks.ratios import rounds_that_count
from benchmarks.records import Record
from benchmarks.truth import Inputs, cast, errors, exact, make_inputs, step

# A sample is the median of the calls that fit in this time: long beside the 10 ms in which
# /proc/stat counts, so that a round of a few samples can be judged.
SAMPLE_S = 0.05
LONGEST_SAMPLE = 500
# A training loop calls one loss again and again; here the one before was another's, which has left
# memory to be fetched again from the system. A call that does not count pays for that; it is spared
# where a call takes this long.
NO_MATTER_S = 1.0


@dataclass
class Contestant:
    """A provider that runs in this cell, warmed up."""

    provider: Provider
    function: LossFunction
    inputs: Inputs
    compile_s: float | None
    loss_error: float | None
    gradient_error: float | None
    calls: int = 1
    warms_up: bool = True
    times_ms: list[float] = field(default_factory=list)

    def call_ms(self) -> float:
        start = time.perf_counter()
        step(self.function, self.inputs)
        return 1000 * (time.perf_counter() - start)

    def sample(self) -> None:
        if self.warms_up:
            self.call_ms()
        self.times_ms.append(statistics.median(self.call_ms() for _ in range(self.calls)))


def enter(provider: Provider, cell: Cell, inputs: Inputs, truth: tuple | None) -> Contestant:
    """Builds and warms up a provider, and compares it with float64 where a truth is given."""
    own = cast(inputs, provider.dtype)
    function = provider.builders[cell.loss](cell)
    start = time.perf_counter()
    loss, gradients = step(function, own)
    compile_s = time.perf_counter() - start if provider.compiled else None
    found = (None, None) if truth is None else errors(truth, loss, gradients)
    del loss, gradients
    contestant = Contestant(provider, function, own, compile_s, *found)
    warm_ms = min(contestant.call_ms() for _ in range(2))
    contestant.calls = max(1, min(LONGEST_SAMPLE, round(1000 * SAMPLE_S / warm_ms)))
    contestant.warms_up = warm_ms < 1000 * NO_MATTER_S
    return contestant


class Race:
    """One cell of a suite, from warm-up to records."""

    def __init__(self, suite: Suite, cell: Cell) -> None:
        torch.set_num_threads(cell.threads)
        self.suite, self.cell = suite, cell
        inputs = make_inputs(cell)
        truth = exact(cell, inputs)
        reasons = {name: PROVIDERS[name].why_not(cell) for name in suite.providers}
        self.out = {name: reason for name, reason in reasons.items() if reason}
        self.runners = [
            enter(PROVIDERS[name], cell, inputs, truth)
            for name, reason in reasons.items()
            if not reason
        ]
        if suite.providers[0] in self.out:
            raise RuntimeError(f"{suite.providers[0]}: {self.out[suite.providers[0]]}")
        self.foreign: list[float] = []
        self.patience_s = suite.patience_s
        self.start = Clock.now()

    def _order(self) -> list[Contestant]:
        turn = len(self.foreign) % len(self.runners)
        return self.runners[turn:] + self.runners[:turn]

    def before(self) -> None:
        """Waits for an idle machine, then samples those whose turn is before ours."""
        if self.patience_s > 0:
            self.patience_s -= wait_until_idle(self.patience_s)
        self.start = Clock.now()
        order = self._order()
        for contestant in order[: order.index(self.runners[0])]:
            contestant.sample()

    def ours(self) -> None:
        self.runners[0].sample()

    def after(self) -> None:
        """Samples the others, and notes how much of the machine was somebody else's."""
        order = self._order()
        for contestant in order[order.index(self.runners[0]) + 1 :]:
            contestant.sample()
        self.foreign.append(foreign_share(self.start, Clock.now()))

    def run(self) -> list[Record]:
        for _ in range(self.suite.rounds):
            self.before()
            self.ours()
            self.after()
        return self.records()

    def records(self) -> list[Record]:
        """One record per provider of the suite, also of those that did not run."""
        kept = rounds_that_count(self.foreign)
        ours = [self.runners[0].times_ms[i] for i in kept]
        runners = {runner.provider.name: runner for runner in self.runners}
        records = []
        for name in self.suite.providers:
            if name in self.out:
                records.append(record(self.suite, self.cell, name, not_run=self.out[name]))
                continue
            runner = runners[name]
            times = [runner.times_ms[i] for i in kept]
            records.append(
                record(
                    self.suite,
                    self.cell,
                    name,
                    times_ms=tuple(times),
                    ratios=tuple(t / o for t, o in zip(times, ours, strict=True)),
                    rounds_discarded=len(self.foreign) - len(kept),
                    foreign_cpu=tuple(self.foreign[i] for i in kept),
                    compile_s=runner.compile_s,
                    loss_error=runner.loss_error,
                    gradient_error=runner.gradient_error,
                )
            )
        return records


def record(suite: Suite, cell: Cell, name: str, **measured: Any) -> Record:
    """A record with what all of them hold filled in."""
    return filled(suite, cell, name, PROVIDERS[name], allocator(), environment(), **measured)


def filled(
    suite: Suite,
    cell: Cell,
    name: str,
    provider: Provider,
    allocator: str,
    environment: dict[str, Any],
    **measured: Any,
) -> Record:
    """The same for any provider, on any device."""
    return Record(
        suite=suite.name,
        cell=cell,
        provider=name,
        ours=suite.providers[0],
        package=f"{provider.package} {provider.version() or '?'}",
        precision=provider.precision(cell),
        allocator=allocator,
        environment=environment,
        finished=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        **measured,
    )


def measure_errors(suite: Suite, cell: Cell) -> list[Record]:
    """Records of the errors alone."""
    torch.set_num_threads(cell.threads)
    inputs = make_inputs(cell)
    truth = exact(cell, inputs)
    records = []
    for name in suite.providers:
        if reason := PROVIDERS[name].why_not(cell):
            records.append(record(suite, cell, name, not_run=reason))
            continue
        own = cast(inputs, PROVIDERS[name].dtype)
        found = errors(truth, *step(PROVIDERS[name].builders[cell.loss](cell), own))
        records.append(record(suite, cell, name, loss_error=found[0], gradient_error=found[1]))
    return records
