"""Records what single instructions give on this device, and has the emulator repeat it at once.

    python -m benchmarks.gpu.conformance OUT SECONDS

Writes OUT/conformance-sm_XY.npz; committed under tests/ptx/conformance, every test run repeats it.
Exit codes: 0 done, 1 the emulator gives something else, 75 no time to have it repeated.
"""

import ctypes
import sys
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import torch

from benchmarks.gpu.stages import OUT_OF_TIME, say
from benchmarks.measuring import cuda
from tests.ptx.conformance import KERNELS, cases, emulator, record, replay
from tests.ptx.emulator.library import Argument, as_c
from tests.ptx.emulator.nvcc import why_not
from tests.ptx.emulator.toolchain import kept, nvcc, nvcc_flags, run

# The emulated libraries take about this long to build.
REPLAY_S = 15.0
DEVICE = "cuda"


def shared_library(source: str, architecture: str) -> Path:
    """kernels/<source>.cu, compiled for the device."""
    path = KERNELS / f"{source}.cu"

    def fill(folder: Path) -> None:
        options = ["-shared", f"-arch={architecture}", "-Xcompiler", "-fPIC"]
        run(nvcc(), *nvcc_flags(), *options, "-o", folder / "device.so", path)

    return kept([path], ["device", source, architecture], fill) / "device.so"


@cache
def on_device(source: str) -> ctypes.CDLL:
    major, minor = torch.cuda.get_device_capability(0)
    suffix = "a" if major >= 9 else ""
    return ctypes.CDLL(str(shared_library(source, f"sm_{major}{minor}{suffix}")))


def call(source: str, launcher: str, arguments: Sequence[Argument]) -> None:
    """Runs a launcher on copies of the arrays in the device's memory, and copies them back."""
    copies = {
        i: torch.from_numpy(x.reshape(-1).view(np.uint8)).to(DEVICE, copy=True)
        for i, x in enumerate(arguments)
        if isinstance(x, np.ndarray)
    }
    words = [
        ctypes.c_void_p(copies[i].data_ptr()) if i in copies else as_c(x)
        for i, x in enumerate(arguments)
    ]
    code = on_device(source)[launcher](*words)
    cuda.wait()
    if code != 0:
        raise RuntimeError(f"{source} {launcher}: cudaError {code}")
    for i, copy in copies.items():
        array = arguments[i]
        assert isinstance(array, np.ndarray)
        array.reshape(-1).view(np.uint8)[:] = copy.cpu().numpy()


def main() -> int:
    out, end = Path(sys.argv[1]), time.monotonic() + float(sys.argv[2])
    major, minor = torch.cuda.get_device_capability(0)
    facts = {"device": torch.cuda.get_device_name(0), "cuda": torch.version.cuda}
    path = out / f"conformance-sm_{major}{minor}.npz"
    chosen = list(cases(hopper=major == 9))
    record(path, call, facts, chosen)
    say(f"{len(chosen)} calls in {path.name}, {path.stat().st_size / 1e3:.0f} kB")
    if reason := why_not():
        say(f"recorded, not repeated: the emulator does not run here: {reason}")
        return 0
    if time.monotonic() + REPLAY_S > end:
        say("recorded, not repeated: no time left")
        return OUT_OF_TIME
    different = replay(path, emulator)
    for line in different:
        say(f"the emulator differs from the device: {line}")
    say(f"conformance: {len(different)} of {len(chosen)} calls differ")
    return 1 if different else 0


if __name__ == "__main__":
    raise SystemExit(main())
