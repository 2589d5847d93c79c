"""What tests of routing share: a CUDA device that is not there, and a record of operator calls."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from simclr_bench.losses import dispatch, extension
from simclr_bench.losses.extension import compiled_extension


class Calls(TorchDispatchMode):
    """The names of our operators that are called, and what they were asked."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, tuple[Any, ...]]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.namespace == "simclr_bench":
            self.seen.append((func._schema.name.split("::")[1], args))
        return func(*args, **(kwargs or {}))


@contextmanager
def pretended_device(
    monkeypatch: pytest.MonkeyPatch, architecture: str, capability: tuple[int, int]
) -> Iterator[FakeTensorMode]:
    """Tensors of a device that capable, without memory; the extension was built for one."""
    info = {**(compiled_extension().build_info or {}), "cuda": "13.0"}
    info["architectures"] = [architecture]
    monkeypatch.setattr(extension, "_EXTENSION", extension.CompiledExtension(True, None, info))
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr(dispatch, "_warned", set())
    with FakeTensorMode() as mode:
        yield mode
