"""The race of one cell: every provider once a round, in rotating order, on an idle machine.

A round is `before()`, `ours()`, `after()`: pytest-benchmark calls the three as setup, target and
teardown and so shows our time; `run()` calls them without it. Whoever fails is listed with the
reason, and the others race.
"""

import time
from dataclasses import dataclass, field
from typing import Any

import torch

from benchmarks.grid.cells import Cell, LossCell
from benchmarks.grid.suites import Suite
from benchmarks.measuring.ceilings import reached
from benchmarks.measuring.devices import DEVICES, Sampler
from benchmarks.measuring.entering import entrance, why_it_failed
from benchmarks.measuring.machine import Clock, foreign_share, wait_until_idle
from benchmarks.measuring.truth import cast, errors, exact, make_inputs, step
from benchmarks.providers.everyone import PROVIDERS
from benchmarks.records.ratios import KEPT_AT_LEAST, rounds_that_count
from benchmarks.records.record import Record


@dataclass
class Contestant:
    """A provider that runs in this cell, warmed up."""

    name: str
    sampler: Sampler
    facts: dict[str, Any]
    times_ms: list[float] = field(default_factory=list)

    def sample(self) -> None:
        self.times_ms.append(self.sampler())


class Race:
    """One cell of a suite, from warm-up to records.

    Attributes:
        rounds: How many there are to be: fewer than the suite's where one takes long.
        out: Who does not race, and why.
        runners: Who does.
    """

    def __init__(self, suite: Suite, cell: Cell) -> None:
        torch.set_num_threads(cell.threads)
        self.suite, self.cell = suite, cell
        self.device = DEVICES[cell.device]
        self.out: dict[str, str] = {}
        self.runners: list[Contestant] = []
        enter = entrance(cell)
        for name in suite.providers:
            provider = PROVIDERS[name]
            if reason := provider.why_not(cell):
                self.out[name] = reason
                continue
            try:
                entry = enter(provider)
                self.runners.append(Contestant(name, self.device.sampler(entry.call), entry.facts))
            except Exception as error:  # a peer's, of any kind: the others still race
                self.out[name] = why_it_failed(error)
            self.device.release()
        slow = sum(r.sampler.takes_ms for r in self.runners) > self.device.SLOW_ROUND_MS
        self.rounds = min(suite.rounds, KEPT_AT_LEAST) if slow else suite.rounds
        self.foreign: list[float] = []
        self.patience_s = suite.patience_s
        self.start = Clock.now()

    @property
    def first(self) -> Contestant | None:
        """Ours; None if it does not run."""
        found = [runner for runner in self.runners if runner.name == self.suite.providers[0]]
        return found[0] if found else None

    def _order(self) -> list[Contestant]:
        turn = len(self.foreign) % max(1, len(self.runners))
        return self.runners[turn:] + self.runners[:turn]

    def _others(self, *, ahead: bool) -> list[Contestant]:
        """Those whose turn is before ours, or behind."""
        order = self._order()
        ours = order.index(self.first) if self.first else len(order)
        return order[:ours] if ahead else order[ours + 1 :]

    def before(self) -> None:
        """Waits for an idle machine, then samples those whose turn is before ours."""
        if self.patience_s > 0:
            self.patience_s -= wait_until_idle(self.patience_s)
        self.start = Clock.now()
        for contestant in self._others(ahead=True):
            contestant.sample()

    def ours(self) -> None:
        if self.first:
            self.first.sample()

    def after(self) -> None:
        """Samples the others, and notes how much of the machine was somebody else's."""
        for contestant in self._others(ahead=False):
            contestant.sample()
        # A GPU's events do not notice who else uses the CPU.
        crowded = self.cell.device == "cpu"
        self.foreign.append(foreign_share(self.start, Clock.now()) if crowded else 0.0)

    def run(self) -> list[Record]:
        for _ in range(self.rounds):
            self.before()
            self.ours()
            self.after()
        return self.records()

    def records(self) -> list[Record]:
        """One record per provider of the suite, also of those that did not run."""
        return [
            record(self.suite, self.cell, name, **self._of(name)) for name in self.suite.providers
        ]

    def _of(self, name: str) -> dict[str, Any]:
        """The fields of a provider's record that are measured."""
        if name in self.out:
            return {"not_run": self.out[name]}
        kept = rounds_that_count(self.foreign)
        runner = next(runner for runner in self.runners if runner.name == name)
        times = [runner.times_ms[i] for i in kept]
        ours = [self.first.times_ms[i] for i in kept] if self.first else []
        return {
            "times_ms": tuple(times),
            "ratios": tuple(t / o for t, o in zip(times, ours, strict=True)) if ours else (),
            "rounds_discarded": len(self.foreign) - len(kept),
            "foreign_cpu": tuple(self.foreign[i] for i in kept),
            **runner.facts,
        }


def record(suite: Suite, cell: Cell, name: str, **measured: Any) -> Record:
    """A record with what all of them hold filled in."""
    provider, device = PROVIDERS[name], DEVICES[cell.device]
    return Record(
        suite=suite.name,
        cell=cell,
        provider=name,
        ours=suite.providers[0],
        package=f"{provider.package} {provider.version() or '?'}",
        precision=provider.precision(cell),
        allocator=device.allocator(),
        environment={**device.environment(), **reached(cell.device, cell.threads)},
        finished=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        **measured,
    )


def measure_errors(suite: Suite, cell: LossCell) -> list[Record]:
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
