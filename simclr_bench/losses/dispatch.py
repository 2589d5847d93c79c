"""What the public losses share: argument checks, and the choice of an implementation."""

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
INTEGERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)


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


def check_learnable_temperature(
    op: str, temperature: float | Tensor, device: torch.device | None = None
) -> float | Tensor:
    """The temperature, a positive number or a tensor that may require a gradient.

    Whether a tensor is positive is not checked: its value may be on a GPU, and reading it would
    wait for everything queued there.

    Args:
        op: Who asks.
        temperature: What was given.
        device: Where a tensor may be, other than the CPU; any device if None.

    Raises:
        TypeError: Neither a number nor a tensor.
        ValueError: A number that is not positive and finite, or a tensor that is not a
            floating-point scalar on that device or the CPU.
    """
    if not isinstance(temperature, Tensor):
        return check_temperature(op, temperature)
    if temperature.dim() != 0:
        raise ValueError(
            f"{op}: temperature must be a float or a tensor [], got {list(temperature.shape)}"
        )
    if temperature.dtype not in DTYPES:
        wanted = "float16, bfloat16, float32 or float64"
        raise ValueError(f"{op}: temperature must be {wanted}, got {temperature.dtype}")
    places = [] if device is None else sorted({str(device), "cpu"})
    if places and str(temperature.device) not in places:
        raise ValueError(
            f"{op}: temperature must be on {' or '.join(places)}, got {temperature.device}"
        )
    return temperature


def check_labels(op: str, z: Tensor, labels: Tensor) -> Tensor:
    """The labels as int64; raises unless they are integers, one for each row of `z`, beside it."""
    if not isinstance(labels, Tensor):
        raise TypeError(f"{op}: labels must be a tensor, got {type(labels).__name__}")
    if list(labels.shape) != [len(z)]:
        raise ValueError(f"{op}: labels must be [{len(z)}], got {list(labels.shape)}")
    if labels.dtype not in INTEGERS:
        raise ValueError(f"{op}: labels must be integers, got {labels.dtype}")
    if labels.device != z.device:
        raise ValueError(f"{op}: labels must be on {z.device} as z is, got {labels.device}")
    return labels.long()


# MiB, by the type of device.
WORKSPACES = {"cpu": 32, "cuda": 256}


def check_workspace(op: str, workspace_mb: int | None, device: torch.device) -> int:
    """The size in MiB, by default the device's; raises unless it is a whole number."""
    if workspace_mb is None:
        return WORKSPACES.get(device.type, 0)
    if isinstance(workspace_mb, bool) or not isinstance(workspace_mb, int):
        kind = type(workspace_mb).__name__
        raise TypeError(f"{op}: workspace_mb must be an int, got {kind} {workspace_mb!r}")
    if workspace_mb < 0:
        raise ValueError(f"{op}: workspace_mb must not be negative, got {workspace_mb}")
    return workspace_mb


def check_matrix(op: str, shape: str, name: str, x: Tensor) -> None:
    """Raises unless it is a non-empty floating-point matrix."""
    _check_matrix(op, shape, name, x)
    if x.numel() == 0:
        raise ValueError(f"{op}: {name} must not be empty, got {list(x.shape)}")


def _check_matrix(op: str, shape: str, name: str, value: Tensor) -> None:
    if not isinstance(value, Tensor):
        raise TypeError(f"{op}: {name} must be a tensor, got {type(value).__name__}")
    if value.dim() != 2:
        raise ValueError(f"{op}: {name} must be {shape}, got {list(value.shape)}")
    if value.dtype not in DTYPES:
        wanted = "float16, bfloat16, float32 or float64"
        raise ValueError(f"{op}: {name} must be {wanted}, got {value.dtype}")


def check_matrices(
    op: str, shape: str, names: tuple[str, str], x: Tensor, y: Tensor, *, rows: int = 1
) -> None:
    """Raises unless both are floating-point matrices of one shape, dtype and device.

    They must have a column and at least `rows` rows.
    """
    _check_matrix(op, shape, names[0], x)
    _check_matrix(op, shape, names[1], y)
    size = x.shape
    if size != y.shape:
        _refuse_pair(op, names, f"have one shape, got {list(size)} and {list(y.shape)}")
    if x.dtype != y.dtype:
        _refuse_pair(op, names, f"have one dtype, got {x.dtype} and {y.dtype}")
    if x.device != y.device:
        _refuse_pair(op, names, f"be on one device, got {x.device} and {y.device}")
    if size[0] < rows or size[1] == 0:
        _refuse_pair(op, names, f"not be empty, got {list(size)}")


def _refuse_pair(op: str, names: tuple[str, str], rule: str) -> None:
    raise ValueError(f"{op}: {' and '.join(names)} must {rule}")


def choose(
    op: str,
    impl: Impl,
    x: Tensor,
    *others: Tensor,
    also_not_fused: str | None = None,
    stacklevel: int = 2,
) -> Literal["fused", "chunked", "reference"]:
    """The implementation to run on tensors like `x`, and on `others` beside it.

    `also_not_fused` is a reason of the loss's own against the compiled operator, besides those that
    lie in `x`. A notice that there is no extension, or no kernel for a CUDA tensor, names the line
    `stacklevel` frames up, as in warnings.warn.

    Raises:
        ValueError: `impl` is none of the four.
        NotImplementedError: A tensor is under forward-mode or torch.func differentiation.
        RuntimeError: `impl="fused"` and the compiled operators cannot take `x`; says why.
    """
    check_choice(op, "impl", impl, IMPLS)
    if impl == "reference":
        return impl
    _refuse_transforms(op, impl, (x, *others))
    if impl == "chunked":
        return impl
    reason = extension.why_not_fused(x.device, x.dtype) or also_not_fused
    if reason is None:
        return "fused"
    if impl == "fused":
        raise RuntimeError(f'{op}: impl="fused": {reason}')
    # pip hides what setup.py says, so a missing extension is first seen here. And who computes on a
    # GPU expects its kernels.
    if not extension.compiled_extension().loaded or x.device.type == "cuda":
        _warn_once(reason, stacklevel)
    return "chunked"


def _refuse_transforms(op: str, impl: Impl, tensors: tuple[Tensor, ...]) -> None:
    """Forward-mode derivatives would come out as zeros, and torch.func as riddles."""
    if not transforming() or torch.compiler.is_compiling():
        return
    for x in tensors:
        transformed = torch._C._functorch.is_functorch_wrapped_tensor(x)
        if transformed or forward_ad.unpack_dual(x).tangent is not None:
            raise NotImplementedError(
                f'{op}: impl="{impl}" supports neither forward-mode derivatives nor torch.func;'
                ' use impl="reference"'
            )


def transforming() -> bool:
    """Whether a tensor may be under a transform. Asking each takes as long as a small loss."""
    forward_mode = forward_ad._current_level >= 0
    return forward_mode or torch._C._functorch.peek_interpreter_stack() is not None


_warned: set[str] = set()


def _warn_once(reason: str, stacklevel: int) -> None:
    if reason not in _warned:
        _warned.add(reason)
        message = f"simclr_bench runs without its compiled operators: {reason}"
        warnings.warn(message, stacklevel=stacklevel + 2)


def without_autocast(x: Tensor) -> AbstractContextManager[object]:
    """Keeps autocast from rounding the products inside a loss; the inputs' dtype decides."""
    if torch.is_autocast_enabled(x.device.type):
        return torch.autocast(x.device.type, enabled=False)
    return nullcontext()


def second_derivative_refused(name: str, impl: str) -> NotImplementedError:
    return NotImplementedError(
        f'{name}: impl="{impl}" has no second derivative; use impl="reference"'
    )
