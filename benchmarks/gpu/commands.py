"""The stages of `make gpu`, most valuable first."""

import importlib.util
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.gpu.stages import Stage
from tests.ptx.emulator.nvcc import find_nvcc


def stages(out: Path, capability: tuple[int, int]) -> list[Stage]:
    """What to run on a device of this compute capability; the records go to OUT."""
    architecture = "{}.{}".format(*capability) + ("a" if capability >= (9, 0) else "")

    def module(name: str) -> Callable[[float], list[str]]:
        words = [sys.executable, "-m", f"benchmarks.gpu.{name}", str(out)]
        return lambda seconds: [*words, f"{seconds:.0f}"]

    return [
        Stage(
            "build",
            lambda _: [sys.executable, "setup.py", "-q", "build_ext", "--inplace"],
            reserve_s=120.0,
            variables={"SIMCLR_BENCH_CUDA": "1", "TORCH_CUDA_ARCH_LIST": architecture},
            quiet=True,
        ),
        Stage("tests", lambda _: _pytest(), reserve_s=60.0, why_not=_no_pytest),
        Stage("accuracy", module("accuracy"), reserve_s=40.0),
        Stage("race", module("race"), reserve_s=100.0),
        *(
            Stage(
                tool,
                lambda _, tool=tool: _sanitized(tool),  # type: ignore[misc]
                reserve_s=30.0,
                why_not=_no_sanitizer,
                # An allocation each: what lies beyond one is nobody's.
                variables={"PYTORCH_NO_CUDA_MEMORY_CACHING": "1"},
                proof="SUMMARY: 0 ",
                refusal="Device not supported",
            )
            for tool in ("memcheck", "racecheck")
        ),
        Stage("conformance", module("conformance"), reserve_s=30.0, why_not=_no_kernels),
    ]


def _pytest() -> list[str]:
    # The project's own options name plugins that this interpreter may not have.
    words = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "-o", "addopts=", "tests/losses"]
    return words + (["-n", "4"] if importlib.util.find_spec("xdist") else [])


def _no_pytest() -> str | None:
    return None if importlib.util.find_spec("pytest") else "pytest is not installed here"


SANITIZER = "compute-sanitizer"


def _sanitized(tool: str) -> Sequence[str]:
    # Kernels of torch are not ours to check, and slow to watch.
    options = ["--tool", tool, "--kernel-name", "kns=simclr_bench", "--error-exitcode", "9"]
    return [SANITIZER, *options, sys.executable, "-m", "benchmarks.gpu.small"]


def _no_sanitizer() -> str | None:
    return None if shutil.which(SANITIZER) else f"no {SANITIZER} on PATH"


def _no_kernels() -> str | None:
    """The tables of instructions are tests."""
    return _no_pytest() or (None if find_nvcc() else "no nvcc on PATH or in $CUDA_HOME/bin")
