"""The compiled extension: loading it, and which tensors its operators take.

Importing this module loads `simclr_bench._C` if it is there, which registers the operators with
PyTorch; what happened is in `compiled_extension()`. Nothing here raises on import: a missing or
broken extension leaves the chunked path.
"""

import importlib
import importlib.util
import os
from dataclasses import dataclass
from typing import Any

import torch

# Names an instruction set for the CPU kernels, to test or to compare; unset, the best one is used.
CPU_CAPABILITY_VARIABLE = "SIMCLR_BENCH_CPU_CAPABILITY"

REMEDY = "rebuild it with: pip install --no-build-isolation --force-reinstall --no-deps ."
CPU_DTYPES = frozenset({torch.float64, torch.float32, torch.float16, torch.bfloat16})
CUDA_DTYPES = frozenset({torch.float32, torch.float16, torch.bfloat16})


@dataclass(frozen=True)
class CompiledExtension:
    """What became of `simclr_bench._C` in this process.

    Attributes:
        built: Whether a module file for this Python was found.
        error: Why it is not in use although it was built, in one line; None otherwise.
        build_info: What it was built from and with: compiler, flags, cuda (None without),
            cuda_flags, architectures, source_hash, torch. None unless loaded.
        cpu_capability: The instruction set of the CPU kernels: "baseline", "avx2", "avx512",
            "avx512_bf16" or "amx". None unless loaded.
    """

    built: bool
    error: str | None
    build_info: dict[str, Any] | None
    cpu_capability: str | None = None

    @property
    def loaded(self) -> bool:
        return self.build_info is not None


def _load() -> CompiledExtension:
    if importlib.util.find_spec("simclr_bench._C") is None:
        return CompiledExtension(built=False, error=None, build_info=None)
    try:
        module = importlib.import_module("simclr_bench._C")
        build_info: dict[str, Any] = module.build_info()
    # Whatever a stale or foreign binary raises, the chunked path must remain.
    except Exception as error:
        return CompiledExtension(True, f"{type(error).__name__}: {error}".splitlines()[0], None)
    built_for, running = build_info["torch"], torch.__version__
    if built_for.split(".")[:2] != running.split(".")[:2]:
        return CompiledExtension(True, f"built for torch {built_for}, this is {running}", None)
    if wanted := os.environ.get(CPU_CAPABILITY_VARIABLE):
        try:
            module.set_cpu_capability(wanted)
        except ValueError as error:
            raise ImportError(f"{CPU_CAPABILITY_VARIABLE}: {error}") from None
    return CompiledExtension(True, None, build_info, module.cpu_capability())


_EXTENSION = _load()


def compiled_extension() -> CompiledExtension:
    """What became of the compiled extension: not built, broken (and why), or loaded."""
    return _EXTENSION


def architecture_serves(architecture: str, capability: tuple[int, int]) -> bool:
    """Whether code built for an entry of TORCH_CUDA_ARCH_LIST runs on a device.

    "8.0" serves 8.x from 8.0 on, "8.0+PTX" everything from 8.0 on, "9.0a" exactly 9.0.
    """
    number, plus_ptx, _ = architecture.partition("+PTX")
    major, minor = (int(part) for part in number.rstrip("af").split("."))
    if number.endswith("a"):
        return capability == (major, minor)
    if plus_ptx:
        return capability >= (major, minor)
    return capability[0] == major and capability[1] >= minor


def why_not_fused(device: torch.device, dtype: torch.dtype) -> str | None:
    """Why the compiled operators cannot take such tensors, with the remedy; None if they can."""
    if not _EXTENSION.built:
        return f"the compiled extension was never built; {REMEDY}"
    if _EXTENSION.build_info is None:
        return f"the compiled extension does not load ({_EXTENSION.error}); {REMEDY}"
    if device.type == "cpu":
        return None if dtype in CPU_DTYPES else f"no CPU kernel for {dtype}"
    if device.type != "cuda":
        return f"no kernel for device {device.type}"
    if _EXTENSION.build_info["cuda"] is None:
        return f"the compiled extension was built without CUDA; with nvcc on PATH, {REMEDY}"
    if dtype not in CUDA_DTYPES:
        return f'no CUDA kernel for {dtype}; use impl="chunked", as impl="auto" does'
    capability = torch.cuda.get_device_capability(device)
    architectures = _EXTENSION.build_info["architectures"]
    if not any(architecture_serves(entry, capability) for entry in architectures):
        built, found = ", ".join(architectures), ".".join(map(str, capability))
        return f"the compiled extension was built for {built}, the device is {found}; {REMEDY}"
    return None
