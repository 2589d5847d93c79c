"""One build in a process of its own: it answers how long a cell takes.

    python -P -m benchmarks.comparing.worker FOLDER [--handicap H]

The benchmarks' code is this tree's, `simclr_bench` is FOLDER's. One JSON object per line on stdin,
and one on stdout for each: {"enter": cell} gives {"warm_ms"}, {"time": i, "calls": n} gives {"ms",
"cpu_s"} of the i-th cell entered. Where that fails the answer is {"error"}. The first line on
stdout says which build this is. The handicap is for proof.py: so many calls more for each that is
counted.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TextIO

Call = Callable[[], object]

# Threads of OpenMP spin for some milliseconds after a call, which the other build must not feel.
REST_S = 0.02


def sample_ms(call: Call, calls: int, handicap: float = 0.0) -> float:
    """The mean time of a call, after one that does not count."""
    call()
    owed = 0.0
    start = time.perf_counter()
    for _ in range(calls):
        call()
        owed += handicap
        if owed > 1 - 1e-9:
            call()
            owed -= 1
    return 1000 * (time.perf_counter() - start) / calls


def serve(
    requests: Iterable[str],
    replies: TextIO,
    call_of: Callable[[dict[str, Any]], Call],
    handicap: float = 0.0,
) -> None:
    """Answers requests, one by one, until there are no more.

    Args:
        requests: Lines.
        replies: Where the answers go, a line each.
        call_of: What is timed of a cell.
        handicap: See above.
    """
    entered: list[Call] = []
    for line in requests:
        request = json.loads(line)
        try:
            if "enter" in request:
                answer = _enter(entered, call_of(request["enter"]))
            else:
                answer = _time(entered[request["time"]], request["calls"], handicap)
        except Exception as error:  # whatever a build lacks: the other side decides what follows
            answer = {"error": _named(error)}
        print(json.dumps(answer), file=replies, flush=True)


def _enter(entered: list[Call], call: Call) -> dict[str, Any]:
    warm_ms = sample_ms(call, 1)
    entered.append(call)
    return {"warm_ms": warm_ms}


def _time(call: Call, calls: int, handicap: float) -> dict[str, Any]:
    cpu_s = time.process_time()
    ms = sample_ms(call, calls, handicap)
    time.sleep(REST_S)
    return {"ms": ms, "cpu_s": time.process_time() - cpu_s}


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def loss_call(raw: dict[str, Any]) -> Call:
    """One step of the build's compiled loss in a cell of the grid."""
    import torch

    from benchmarks.grid import LossCell
    from benchmarks.measuring.truth import make_inputs, step
    from benchmarks.providers import losses

    cell = LossCell(**raw)
    torch.set_num_threads(cell.threads)
    inputs = make_inputs(cell)
    (ours,) = (provider for provider in losses.PROVIDERS if provider.name == "fused")
    function = ours.builders[cell.loss](cell)
    return lambda: step(function, inputs)


def import_build(folder: Path) -> dict[str, Any]:
    """Makes `simclr_bench` that of a folder, and says what it is."""
    if "simclr_bench" in sys.modules:
        raise RuntimeError("simclr_bench was imported before its folder was chosen")
    sys.path.insert(0, str(folder))
    import simclr_bench

    found = Path(simclr_bench.__file__).resolve().parent
    if found != (folder / "simclr_bench").resolve():
        raise RuntimeError(f"simclr_bench is that of {found}, not of {folder}")
    try:
        from simclr_bench.losses import compiled_extension
    except ImportError:  # a revision that has none
        return {"kernels": None, "source_hash": None}
    extension = compiled_extension()
    if extension.error is not None:
        raise RuntimeError(f"the extension does not load: {extension.error}")
    info = extension.build_info or {}
    return {"kernels": extension.cpu_capability, "source_hash": info.get("source_hash")}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.comparing.worker")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--handicap", type=float, default=0.0)
    chosen = parser.parse_args()
    # Whatever else is printed must not come between the answers.
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    try:
        hello = import_build(chosen.folder)
    except Exception as error:
        hello = {"error": _named(error)}
    print(json.dumps(hello), file=replies, flush=True)
    serve(sys.stdin, replies, loss_call, chosen.handicap)


if __name__ == "__main__":
    main()
