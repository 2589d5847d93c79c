"""`make gpu`: builds, tests and measures on the GPU at hand; see the package's docstring.

    python -m benchmarks.gpu [--out DIR] [--budget SECONDS]

Uses the torch of the interpreter it runs in, installs and downloads nothing. Exit codes: 0 every
stage is done or lacks its tool, 1 one failed or ran out of time, 2 usage, 3 no CUDA torch or no
GPU.
"""

import argparse
import os
import sys

from benchmarks.gpu.commands import stages
from benchmarks.gpu.stages import ROOT, run, say

BUDGET_S = 480.0


def stop(text: str) -> None:
    print(f"make gpu: {text}", file=sys.stderr)
    raise SystemExit(3)


def require_gpu() -> tuple[int, int]:
    """The compute capability of device 0; exits with one line where there is none."""
    try:
        import torch
    except ImportError as error:
        stop(f"{sys.executable} has no torch ({error}); set PYTHON to one with a CUDA torch")
    if torch.version.cuda is None:
        stop(f"torch {torch.__version__} of {sys.executable} is a CPU build; set PYTHON to another")
    if not torch.cuda.is_available():
        stop(f"torch {torch.__version__} of {sys.executable} finds no CUDA device")
    return torch.cuda.get_device_capability(0)


def seconds(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"needs a number of seconds, got {text}")
    return value


def main() -> int:
    parser = argparse.ArgumentParser(prog="make gpu", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", default=os.environ.get("GPU_OUT") or "results/gpu")
    parser.add_argument("--budget", type=seconds, default=BUDGET_S, metavar="SECONDS")
    options = parser.parse_args()
    out = ROOT / options.out
    capability = require_gpu()

    from simclr_bench.results.environment import describe_environment

    outcomes = run(stages(out, capability), out, options.budget, describe_environment(None))
    bad = [outcome for outcome in outcomes if not outcome.ended_well]
    for outcome in outcomes:
        say(f"{outcome.outcome:12} {outcome.stage:12} {outcome.seconds:6.1f} s  {outcome.detail}")
    say(f"records in {out}" + (f"; NOT done: {', '.join(o.stage for o in bad)}" if bad else ""))
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
