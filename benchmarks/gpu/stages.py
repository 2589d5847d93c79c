"""Runs stages one after the other under one budget; what each came to is kept as it ends."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from simclr_bench.storage.files import canonical_json, write_atomically

ROOT = Path(__file__).resolve().parents[2]
FILE, LOG = "stages.json", "log.txt"

# Exit code of a stage that has ended by itself because its time was over.
OUT_OF_TIME = 75
# A stage that is told its limit has this long to write what it has.
GRACE_S = 10.0
# No stage is worth starting in less.
LEAST_S = 15.0
LAST_LINES = 40


def say(text: str) -> None:
    print(f"make gpu: {text}", flush=True)


@dataclass(frozen=True)
class Stage:
    """A command to run.

    Attributes:
        name: How it is called.
        command: From the seconds it may take to its words.
        reserve_s: Seconds that earlier stages leave for it.
        why_not: Why it cannot run here; None if it can.
        variables: Added to its environment.
        quiet: Whether its output goes to the log only, unless it fails.
        proof: What must stand in its last lines: an exit code of 0 alone is not enough.
        refusal: What stands in its output if the tool, there as it is, does not work here.
    """

    name: str
    command: Callable[[float], Sequence[str]]
    reserve_s: float
    why_not: Callable[[], str | None] = lambda: None
    variables: Mapping[str, str] = field(default_factory=dict)
    quiet: bool = False
    proof: str = ""
    refusal: str = ""


@dataclass(frozen=True)
class Outcome:
    """What became of a stage.

    Attributes:
        stage: Its name.
        outcome: "done", "failed", "out of time" or "not run".
        detail: The last line it printed, or why it did not run.
        seconds: How long it took.
        limit_s: How long it was allowed to take.
        environment: Commit, versions, hardware.
        finished: When, UTC.
    """

    stage: str
    outcome: str
    detail: str
    seconds: float
    limit_s: float
    environment: dict[str, Any]
    finished: str

    @property
    def ended_well(self) -> bool:
        """A tool that is not there is no failure of the code."""
        return self.outcome in {"done", "not run"}

    @property
    def device(self) -> str:
        """The GPU."""
        return self.environment.get("gpu") or ""


def run(
    stages: Sequence[Stage], out: Path, budget_s: float, environment: dict[str, Any]
) -> list[Outcome]:
    """Runs all stages that the budget has time for; OUT/stages.json grows by each."""
    out.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + budget_s
    outcomes: list[Outcome] = []
    for i, stage in enumerate(stages):
        later = sum(other.reserve_s for other in stages[i + 1 :])
        left = end - time.monotonic()
        # Where all is late, a stage still may use what was kept for it.
        limit_s = min(left, max(left - later, stage.reserve_s))
        start = time.monotonic()
        if reason := stage.why_not():
            outcome, detail = "not run", reason
        elif limit_s < LEAST_S:
            outcome, detail = "out of time", "the stages before it took all of it"
        else:
            say(f"{stage.name}: at most {limit_s:.0f} s")
            outcome, detail = _run_one(stage, out / LOG, limit_s)
        seconds, finished = time.monotonic() - start, time.gmtime()
        outcomes.append(
            Outcome(
                stage=stage.name,
                outcome=outcome,
                detail=detail,
                seconds=round(seconds, 1),
                limit_s=round(limit_s, 1),
                environment=environment,
                finished=time.strftime("%Y-%m-%dT%H:%M:%SZ", finished),
            )
        )
        write_atomically(out / FILE, lines(outcomes).encode())
        say(f"{stage.name}: {outcome} after {seconds:.0f} s: {detail}")
    return outcomes


def _run_one(stage: Stage, log: Path, limit_s: float) -> tuple[str, str]:
    """What a stage came to, and its last line."""
    last: deque[str] = deque(maxlen=LAST_LINES)
    process = subprocess.Popen(
        list(stage.command(max(1.0, limit_s - GRACE_S))),
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **stage.variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        process_group=0,
    )
    late, refused = threading.Event(), False

    def stop() -> None:
        late.set()
        os.killpg(process.pid, signal.SIGKILL)

    timer = threading.Timer(limit_s, stop)
    timer.start()
    assert process.stdout is not None
    try:
        with log.open("a") as file:
            file.write(f"== {stage.name}\n")
            for line in process.stdout:
                file.write(line)
                file.flush()
                last.append(line)
                refused |= bool(stage.refusal) and stage.refusal in line
                if not stage.quiet:
                    sys.stdout.write(line)
                    sys.stdout.flush()
        code = process.wait()
    finally:
        timer.cancel()
        if process.poll() is None:
            stop()
    detail = next((line.strip() for line in reversed(last) if line.strip()), "no output")
    if refused:
        return "not run", stage.refusal
    if late.is_set() or code == OUT_OF_TIME:
        return "out of time", detail
    if code != 0 and stage.quiet:
        sys.stdout.writelines(last)
    if code != 0:
        return "failed", f"exit code {code}: {detail}"
    if stage.proof not in "".join(last):
        return "failed", f'no "{stage.proof}" in its output: {detail}'
    return "done", detail


def lines(outcomes: Sequence[Outcome]) -> str:
    return "[\n" + ",\n".join(canonical_json(asdict(outcome)) for outcome in outcomes) + "\n]\n"


def read_outcomes(directory: Path) -> list[Outcome]:
    """The outcomes of a directory's last run; none if there was no run."""
    path = directory / FILE
    found: list[dict[str, Any]] = json.loads(path.read_text()) if path.exists() else []
    return [Outcome(**each) for each in found]
