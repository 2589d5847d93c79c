"""What both public losses share: argument checks, and the choice of an implementation."""

import math
import warnings
from contextlib import AbstractContextManager, nullcontext
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.autograd import forward_ad

from simclr_bench.losses import extension

Impl = Literal["auto", "fused", "chunked", "reference"]
IMPLS: tuple[str, ...] = get_args(Impl)
DTYPES = (torch.float64, torch.float32, torch.float16, torch.bfloat16)


def check_choice(op: str, name: str, value: object, choices: tuple[str, ...]) -> None:
    """Raises ValueError unless `value` is one of `choices`."""
    if value not in choices:
        wanted = ", ".join(repr(choice) for choice in choices)
        raise ValueError(f"{op}: {name} must be one of {wanted}, got {value!r}")


def check_temperature(op: str, temperature: float) -> float:
    """The temperature as a float; raises unless it is a positive, finite number."""
    if isinstance(temperature, Tensor):
        raise TypeError(
            f"{op}: temperature must be a float, got a tensor; a learnable temperature is not "
            "supported, and temperature.item() has no gradient"
        )
    if isinstance(temperature, bool) or not isinstance(temperature, int | float):
        kind = type(temperature).__name__
        raise TypeError(f"{op}: temperature must be a float, got {kind} {temperature!r}")
    if not (math.isfinite(temperature) and temperature > 0):
        raise ValueError(f"{op}: temperature must be positive and finite, got {temperature}")
    return float(temperature)


def check_matrices(op: str, shape: str, names: tuple[str, str], x: Tensor, y: Tensor) -> None:
    """Raises unless both are non-empty floating-point matrices of one shape, dtype and device."""
    for name, value in zip(names, (x, y), strict=True):
        if not isinstance(value, Tensor):
            raise TypeError(f"{op}: {name} must be a tensor, got {type(value).__name__}")
        if value.dim() != 2:
            raise ValueError(f"{op}: {name} must be {shape}, got {list(value.shape)}")
        if value.dtype not in DTYPES:
            wanted = "float16, bfloat16, float32 or float64"
            raise ValueError(f"{op}: {name} must be {wanted}, got {value.dtype}")
    both = " and ".join(names)
    if x.shape != y.shape:
        raise ValueError(
            f"{op}: {both} must have one shape, got {list(x.shape)} and {list(y.shape)}"
        )
    if x.dtype != y.dtype:
        raise ValueError(f"{op}: {both} must have one dtype, got {x.dtype} and {y.dtype}")
    if x.device != y.device:
        raise ValueError(f"{op}: {both} must be on one device, got {x.device} and {y.device}")
    if x.numel() == 0:
        raise ValueError(f"{op}: {both} must not be empty, got {list(x.shape)}")


def choose(
    op: str, impl: Impl, x: Tensor, *others: Tensor
) -> Literal["fused", "chunked", "reference"]:
    """The implementation to run on tensors like `x`, and on `others` beside it.

    Raises:
        ValueError: `impl` is none of the four.
        NotImplementedError: A tensor is under forward-mode or torch.func differentiation.
        RuntimeError: `impl="fused"` and the compiled operators cannot take `x`; says why.
    """
    check_choice(op, "impl", impl, IMPLS)
    if impl == "reference":
        return impl
    for tensor in (x, *others):
        _refuse_transforms(op, impl, tensor)
    if impl == "chunked":
        return impl
    reason = extension.why_not_fused(x.device, x.dtype)
    if reason is None:
        return "fused"
    if impl == "fused":
        raise RuntimeError(f'{op}: impl="fused": {reason}')
    # pip hides what setup.py says, so a missing extension is first seen here.
    if not extension.compiled_extension().loaded:
        _warn_once(reason)
    return "chunked"


def _refuse_transforms(op: str, impl: Impl, x: Tensor) -> None:
    """Forward-mode derivatives would come out as zeros, and torch.func as riddles."""
    if torch.compiler.is_compiling():
        return
    transformed = torch._C._functorch.is_functorch_wrapped_tensor(x)
    if transformed or forward_ad.unpack_dual(x).tangent is not None:
        raise NotImplementedError(
            f'{op}: impl="{impl}" supports neither forward-mode derivatives nor torch.func;'
            ' use impl="reference"'
        )


_warned: set[str] = set()


def _warn_once(reason: str) -> None:
    if reason not in _warned:
        _warned.add(reason)
        warnings.warn(f"simclr_bench runs without its compiled operators: {reason}", stacklevel=4)


def without_autocast(x: Tensor) -> AbstractContextManager[object]:
    """Keeps autocast from rounding the products inside a loss; the inputs' dtype decides."""
    if torch.is_autocast_enabled(x.device.type):
        return torch.autocast(x.device.type, enabled=False)
    return nullcontext()


def second_derivative_refused(name: str, impl: str) -> NotImplementedError:
    return NotImplementedError(
        f'{name}: impl="{impl}" has no second derivative; use impl="reference"'
    )
