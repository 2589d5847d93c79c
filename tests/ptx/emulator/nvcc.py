"""Where nvcc is, or what else the emulator lacks. Imported by every test run: stays light."""

import os
import platform
import shutil
from pathlib import Path


def find_nvcc() -> str | None:
    """The nvcc that setup.py would take: of $CUDA_HOME, else on PATH."""
    home = os.environ.get("CUDA_HOME") or os.environ.get("CUDA_PATH")
    if home and Path(home, "bin", "nvcc").is_file():
        return str(Path(home, "bin", "nvcc"))
    return shutil.which("nvcc")


def why_not() -> str | None:
    """What the emulator lacks on this machine; None if it has all it needs."""
    if platform.machine() != "x86_64":
        return f"it switches stacks on x86_64 only, not on {platform.machine()}"
    if find_nvcc() is None:
        return "no nvcc on PATH or in $CUDA_HOME/bin"
    return None if shutil.which("g++") else "no g++ on PATH"
