"""Which operator a CUDA tensor gets, seen without a GPU: on tensors that have no memory."""

import warnings
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from simclr_bench import distillation_loss
from tests.losses.numerics import DTYPES
from tests.losses.routing import Calls, pretended_device

KINDS = ("ce", "kl", "reverse_kl", "jsd")


@pytest.fixture
def hopper(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeTensorMode]:
    with pretended_device(monkeypatch, "9.0a", (9, 0)) as mode:
        yield mode


def logits(dtype: torch.dtype, classes: int = 9) -> tuple[Tensor, Tensor]:
    student, teacher = (torch.empty(4, classes, dtype=dtype, device="cuda") for _ in range(2))
    return student.requires_grad_(), teacher.requires_grad_()


@pytest.mark.parametrize("reduction", ["batchmean", "sum", "none"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", DTYPES[1:])
@pytest.mark.parametrize("hard", [False, True])
def test_every_case_gets_the_kernels(
    hopper: FakeTensorMode, hard: bool, dtype: torch.dtype, kind: str, reduction: str
) -> None:
    student, teacher = logits(dtype)
    target = torch.empty(4, dtype=torch.int64, device="cuda") if hard else None
    with Calls() as calls, warnings.catch_warnings():
        warnings.simplefilter("error")
        loss = distillation_loss(student, teacher, target, kind=kind, reduction=reduction)
    assert loss.shape == ((4,) if reduction == "none" else ())
    assert loss.device.type == "cuda" and loss.dtype == torch.float32
    ((name, given),) = calls.seen
    assert name == "distillation"
    # Gradients at once, but where float16 would round them before their factor is known.
    now = reduction != "none" and dtype != torch.float16
    assert given[-2:] == (now, now)


@pytest.mark.parametrize(
    ("dtype", "classes", "what"),
    [(torch.float64, 9, "torch.float64"), (torch.float16, 2**30, "2.30 classes")],
)
def test_what_has_no_kernel_says_so_once_and_is_chunked(
    hopper: FakeTensorMode, dtype: torch.dtype, classes: int, what: str
) -> None:
    with Calls() as calls, pytest.warns(UserWarning, match=f"no CUDA kernel for {what}") as caught:
        for _ in range(3):
            distillation_loss(*logits(dtype, classes))
    assert not calls.seen
    assert len(caught) == 1
    with pytest.raises(RuntimeError, match=f'impl="fused": no CUDA kernel for {what}'):
        distillation_loss(*logits(dtype, classes), impl="fused")
