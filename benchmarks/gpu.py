"""`make gpu`: build for the GPU at hand, run the GPU tests, time the CUDA operators.

    python -m benchmarks.gpu [--out OUT]

OUT defaults to $GPU_OUT or results/gpu. Uses the torch of the interpreter it runs in, installs and
downloads nothing. Each run appends to OUT/losses.jsonl, one record per line. Exit codes: 0 done,
1 the tests failed or an operator did, 2 usage, 3 no CUDA torch or no GPU.
"""

import argparse
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
WARMUP, ROUNDS = 10, 50


def stop(text: str) -> None:
    print(f"make gpu: {text}", file=sys.stderr)
    raise SystemExit(3)


def say(text: str) -> None:
    print(f"make gpu: {text}", file=sys.stderr, flush=True)


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


def build(capability: tuple[int, int]) -> None:
    """Builds the extension in place for the local architecture."""
    architecture = "{}.{}".format(*capability) + ("a" if capability >= (9, 0) else "")
    os.environ.setdefault("TORCH_CUDA_ARCH_LIST", architecture)
    os.environ["SIMCLR_BENCH_CUDA"] = "1"
    say(f"building for {os.environ['TORCH_CUDA_ARCH_LIST']}")
    command = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
    if subprocess.run(command, cwd=ROOT).returncode != 0:
        say("the build failed")
        raise SystemExit(1)


def run_tests() -> bool:
    """Runs the GPU tests; True if they passed or pytest is not there."""
    if importlib.util.find_spec("pytest") is None:
        say("pytest is not installed here: GPU tests NOT run")
        return True
    # The project's own options name plugins that this interpreter may not have.
    command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "-o", "addopts=", "tests/losses"]
    return subprocess.run(command, cwd=ROOT).returncode == 0


def git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def environment() -> dict[str, Any]:
    """What a number needs beside it: commit, versions, hardware."""
    import torch

    from simclr_bench.losses import compiled_extension

    properties = torch.cuda.get_device_properties(0)
    status = git("status", "--porcelain")
    return {
        "commit": git("rev-parse", "HEAD"),
        "dirty": None if status is None else bool(status),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "gpu": properties.name,
        "capability": [properties.major, properties.minor],
        "gpu_memory_mib": properties.total_memory // 2**20,
        "multiprocessors": properties.multi_processor_count,
        "build_info": compiled_extension().build_info,
    }


def times_ms(function: Callable[[], object]) -> list[float]:
    """Milliseconds of each round by CUDA events, after a warm-up."""
    import torch

    for _ in range(WARMUP):
        function()
    torch.cuda.synchronize()
    times = []
    for _ in range(ROUNDS):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        function()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end))
    return times


def peak_mib(function: Callable[[], object]) -> float:
    """Peak memory of one call above what is allocated before it."""
    import torch

    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    function()
    torch.cuda.synchronize()
    return (torch.cuda.max_memory_allocated() - before) / 2**20


def measure(out: Path) -> None:
    """Appends one record per cell and provider to OUT/losses.jsonl."""
    from benchmarks.grid import CUDA_CELLS, CUDA_PROVIDERS
    from benchmarks.providers import PROVIDERS
    from benchmarks.truth import errors, exact, make_inputs, step

    facts = environment()
    out.mkdir(parents=True, exist_ok=True)
    path = out / "losses.jsonl"
    with path.open("a") as file:
        for cell in CUDA_CELLS:
            inputs = make_inputs(cell, "cuda")
            truth = exact(cell, inputs)
            for name in CUDA_PROVIDERS:
                function = PROVIDERS[name].builders[cell.loss](cell)
                _, error = errors(truth, *step(function, inputs))
                times = times_ms(lambda: step(function, inputs))  # noqa: B023
                record = {
                    "loss": cell.loss,
                    "provider": name,
                    "mode": "forward and backward",
                    "rows": cell.rows,
                    "columns": cell.columns,
                    "dtype": cell.dtype,
                    "temperature": cell.temperature,
                    "median_ms": statistics.median(times),
                    "times_ms": times,
                    "peak_mib": peak_mib(lambda: step(function, inputs)),  # noqa: B023
                    "gradient_error": error,
                    "environment": facts,
                    "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                }
                file.write(json.dumps(record) + "\n")
                file.flush()
                say(f"{cell} {name}: {record['median_ms']:.3f} ms, gradient error {error:.1e}")
    say(f"records appended to {path}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="make gpu", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", default=os.environ.get("GPU_OUT") or "results/gpu")
    out = Path(parser.parse_args().out)
    capability = require_gpu()
    build(capability)
    passed = run_tests()
    measure(out if out.is_absolute() else ROOT / out)
    if not passed:
        say("GPU tests FAILED")
    return 0 if passed else 1


if __name__ == "__main__":
    raise SystemExit(main())
