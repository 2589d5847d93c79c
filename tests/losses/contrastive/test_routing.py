"""Which operator a CUDA tensor gets, seen without a GPU: on tensors that have no memory."""

import subprocess
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from simclr_bench import decoupled_nt_xent, info_nce, nt_xent, supervised_contrastive
from simclr_bench.losses.contrastive import fused
from simclr_bench.losses.precision import float32_precision
from tests.losses.numerics import DTYPES
from tests.losses.routing import Calls, pretended_device

PAIRED = {"nt_xent": nt_xent, "decoupled": decoupled_nt_xent, "info_nce": info_nce}


@pytest.fixture
def device(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[tuple[int, int]]:
    """Tensors of a device that the extension was built for, or as capable as the parameter."""
    capability = getattr(request, "param", (8, 0))
    with pretended_device(monkeypatch, "8.0+PTX", capability):
        yield capability


def views(dtype: torch.dtype = torch.float32, columns: int = 9) -> tuple[Tensor, Tensor]:
    z0, z1 = (torch.empty(4, columns, dtype=dtype, device="cuda") for _ in range(2))
    return z0.requires_grad_(), z1.requires_grad_()


@pytest.mark.parametrize("objective", PAIRED)
@pytest.mark.parametrize("reduction", ["mean", "none"])
@pytest.mark.parametrize("dtype", DTYPES[1:])
@pytest.mark.parametrize("place", [None, "cuda", "cpu"])
def test_pairs_get_the_kernels(
    device: object, place: str | None, dtype: torch.dtype, reduction: str, objective: str
) -> None:
    tau = 0.1 if place is None else torch.empty((), device=place, requires_grad=True)
    z0, z1 = views(dtype)
    with Calls() as calls, warnings.catch_warnings():
        warnings.simplefilter("error")
        loss = PAIRED[objective](z0, z1, tau, reduction=reduction, precision="high")
    assert loss.shape == ((8,) if reduction == "none" else ())
    assert loss.device.type == "cuda" and loss.dtype == torch.float32 and loss.requires_grad
    ((name, given),) = calls.seen
    assert name == "nt_xent_forward"
    assert given[:4] == (z0, z1, None, None)
    assert given[-4:] == (objective, True, "high", 256 * 2**20)
    statistics = torch.empty(3, 8, dtype=torch.float64, device="cuda")
    made = torch.ops.simclr_bench.nt_xent_backward(loss, *given[:4], statistics, *given[4:])
    expected = [(z0.shape, dtype), (z1.shape, dtype), ((), torch.float64)]
    assert [(x.shape, x.dtype) for x in made] == expected
    assert all(x.device == z0.device for x in made)


@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_labels_get_the_kernels(device: object, reduction: str) -> None:
    z = views(torch.bfloat16)[0]
    labels = torch.empty(4, dtype=torch.int64, device="cuda")
    with Calls() as calls, warnings.catch_warnings():
        warnings.simplefilter("error")
        loss = supervised_contrastive(z, labels, reduction=reduction)
    assert loss.shape == ((4,) if reduction == "none" else ())
    ((name, given),) = calls.seen
    assert name == "nt_xent_forward" and given[0] is z and len(given[1]) == 0
    assert given[2] is labels and given[-4] == "supervised"
    statistics = torch.empty(6, 4, dtype=torch.float64, device="cuda")
    made = torch.ops.simclr_bench.nt_xent_backward(loss, *given[:4], statistics, *given[4:])
    assert [x.shape for x in made] == [(4, 9), (0, 9), ()]


def test_rows_of_other_processes_get_the_kernels(device: object) -> None:
    (z0, z1), others = views(), torch.empty(2, 6, 9, device="cuda")
    options: dict[str, Any] = {"normalize": True, "workspace_mb": 1, "precision": "high"}
    with Calls() as calls:
        loss, statistics = fused.forward_among("decoupled", z0, z1, others, 0.1, **options)
        theirs = torch.empty(3, 12, dtype=torch.float64, device="cuda")
        every = torch.cat([statistics, theirs], dim=1)
        fused.backward_among("decoupled", z0, z1, others, every, 2.0, 0.1, **options)
    assert loss.shape == (8,) and statistics.shape == (3, 8)
    (forward, given), (backward, given_back) = calls.seen
    assert (forward, backward) == ("nt_xent_forward", "nt_xent_backward")
    assert given[3] is others and given_back[4] is others
    assert given[-4:] == given_back[-4:] == ("decoupled", True, "high", 2**20)


@pytest.mark.parametrize("device", [(8, 0), (7, 5)], indirect=True)
def test_what_has_no_kernel_says_so_once_and_is_chunked(device: tuple[int, int]) -> None:
    """Devices older than 8.0 have none at all."""
    losses = {
        "no CUDA kernel for torch.float64": lambda: nt_xent(*views(torch.float64)),
        "more than 1048576 columns": lambda: info_nce(*views(columns=2**20 + 1)),
    }
    if device < (8, 0):
        losses = {"built for 8.0.PTX, the device is 7.5": lambda: nt_xent(*views())}
    for reason, loss in losses.items():
        with Calls() as calls, pytest.warns(UserWarning, match=reason) as caught:
            for _ in range(3):
                assert loss().device.type == "cuda"
        assert not calls.seen and len(caught) == 1
        assert caught[0].filename == __file__


def precisions_after(setting: str) -> str:
    """What a program that has made a setting gets."""
    program = f"""
import torch
{setting}
from simclr_bench.losses.precision import float32_precision
compiled = torch.compile(lambda x: x + len(float32_precision()), backend="eager", fullgraph=True)
assert compiled(torch.zeros(())) == len(float32_precision())
print(float32_precision())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("", "highest"),
        ("torch.set_float32_matmul_precision('high')", "high"),
        ("torch.backends.cuda.matmul.allow_tf32 = True", "high"),
        ("torch.backends.cuda.matmul.fp32_precision = 'tf32'", "high"),
        ("torch.backends.cuda.matmul.fp32_precision = 'ieee'", "highest"),
        ("torch.backends.fp32_precision = 'tf32'", "high"),
        (
            "torch.set_float32_matmul_precision('high')\n"
            "torch.backends.cuda.matmul.fp32_precision = 'ieee'",
            "highest",
        ),
    ],
)
def test_the_programs_own_setting_counts(setting: str, expected: str) -> None:
    assert precisions_after(setting) == expected


def test_without_the_newer_setting_the_older_one_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cuda, "matmul", object())
    for precision in ("highest", "high", "medium"):
        monkeypatch.setattr(torch, "get_float32_matmul_precision", lambda p=precision: p)
        assert float32_precision() == precision


def test_an_argument_overrides_the_setting(device: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simclr_bench.losses.contrastive.fused.float32_precision", lambda: "high")
    with Calls() as calls:
        nt_xent(*views())
        nt_xent(*views(), precision="medium")
    assert [given[-2] for _, given in calls.seen] == ["high", "medium"]
    with pytest.raises(ValueError, match="nt_xent: precision must be one of 'highest', 'high'"):
        nt_xent(*views(), precision="tf32")
