"""The compiled operators: loading them, their fake kernels, and their gradients.

Importing this module loads `simclr_bench._C` if it is there, which registers the operators with
PyTorch; what happened is in `compiled_extension()`. Nothing here raises on import: a missing or
broken extension leaves the chunked path.
"""

import importlib
import importlib.util
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from simclr_bench.losses.chunked import second_derivative_refused
from simclr_bench.losses.reference import loss_dtype

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
    """

    built: bool
    error: str | None
    build_info: dict[str, Any] | None

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
    return CompiledExtension(built=True, error=None, build_info=build_info)


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


def nt_xent(z0: Tensor, z1: Tensor, temperature: float, *, normalize: bool) -> Tensor:
    """NT-Xent per row by the compiled operator; see `reference.nt_xent`. [2B]"""
    loss: Tensor = torch.ops.simclr_bench.nt_xent_forward(z0, z1, temperature, normalize)[0]
    return loss


def distillation(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """The distillation loss per row by the compiled operator; see `reference.distillation`. [B]"""
    loss: Tensor = torch.ops.simclr_bench.distillation_forward(
        student, teacher.detach(), temperature
    )[0]
    return loss


def _fake_nt_xent_forward(
    z0: Tensor, z1: Tensor, temperature: float, normalize: bool
) -> tuple[Tensor, Tensor]:
    rows = 2 * z0.shape[0]
    loss = z0.new_empty(rows, dtype=loss_dtype(z0))
    return loss, z0.new_empty((3, rows), dtype=torch.float64)


def _fake_nt_xent_backward(
    grad: Tensor, z0: Tensor, z1: Tensor, statistics: Tensor, temperature: float, normalize: bool
) -> tuple[Tensor, Tensor]:
    return z0.new_empty(z0.shape), z1.new_empty(z1.shape)


def _fake_distillation_forward(
    student: Tensor, teacher: Tensor, temperature: float
) -> tuple[Tensor, Tensor]:
    rows = student.shape[0]
    loss = student.new_empty(rows, dtype=loss_dtype(student))
    return loss, student.new_empty((4, rows), dtype=torch.float64)


def _fake_distillation_backward(
    grad: Tensor, student: Tensor, teacher: Tensor, statistics: Tensor, temperature: float
) -> Tensor:
    return student.new_empty(student.shape)


def _save_nt_xent(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    z0, z1, *ctx.options = inputs
    ctx.save_for_backward(z0, z1, output[1])
    ctx.mark_non_differentiable(output[1])


def _nt_xent_gradient(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
    both = torch.ops.simclr_bench.nt_xent_backward(grad, *ctx.saved_tensors, *ctx.options)
    return *both, None, None


def _save_distillation(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    student, teacher, ctx.temperature = inputs
    ctx.save_for_backward(student, teacher, output[1])
    ctx.mark_non_differentiable(output[1])


def _distillation_gradient(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
    grad_student = torch.ops.simclr_bench.distillation_backward(
        grad, *ctx.saved_tensors, ctx.temperature
    )
    return grad_student, None, None


def _refuse_nt_xent(ctx: Any, *_: Tensor) -> Any:
    raise second_derivative_refused("nt_xent", "fused")


def _refuse_distillation(ctx: Any, *_: Tensor) -> Any:
    raise second_derivative_refused("distillation_loss", "fused")


def _register() -> None:
    fake, autograd = torch.library.register_fake, torch.library.register_autograd
    fake("simclr_bench::nt_xent_forward", _fake_nt_xent_forward)
    fake("simclr_bench::nt_xent_backward", _fake_nt_xent_backward)
    fake("simclr_bench::distillation_forward", _fake_distillation_forward)
    fake("simclr_bench::distillation_backward", _fake_distillation_backward)
    autograd("simclr_bench::nt_xent_forward", _nt_xent_gradient, setup_context=_save_nt_xent)
    autograd(
        "simclr_bench::distillation_forward",
        _distillation_gradient,
        setup_context=_save_distillation,
    )
    # Without a formula of their own the backward operators would drop a second derivative silently.
    autograd("simclr_bench::nt_xent_backward", _refuse_nt_xent)
    autograd("simclr_bench::distillation_backward", _refuse_distillation)


if _EXTENSION.loaded:
    _register()
