"""The public surface: argument checks, the choice of an implementation, the modules."""

import inspect
import math
import warnings
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd import forward_ad

import simclr_bench
from simclr_bench import DistillationLoss, NTXentLoss, distillation_loss, nt_xent
from simclr_bench.losses import dispatch, extension
from tests.losses.numerics import IMPLS, random

Z = torch.ones(3, 4)


@pytest.mark.parametrize(
    ("z0", "z1", "error", "message"),
    [
        ([1.0], Z, TypeError, "nt_xent: z0 must be a tensor, got list"),
        (torch.ones(3), Z, ValueError, r"nt_xent: z0 must be \[B, D\], got \[3\]"),
        (Z, torch.ones(2, 2, 2), ValueError, r"nt_xent: z1 must be \[B, D\], got \[2, 2, 2\]"),
        (
            Z,
            torch.ones(3, 5),
            ValueError,
            r"z0 and z1 must have one shape, got \[3, 4\] and \[3, 5",
        ),
        (Z, Z.double(), ValueError, "must have one dtype, got torch.float32 and torch.float64"),
        (Z, Z.to("meta"), ValueError, "must be on one device, got cpu and meta"),
        (Z.int(), Z.int(), ValueError, "z0 must be float16, bfloat16, float32 or float64, got"),
        (Z.to(torch.complex64), Z, ValueError, "z0 must be float16, bfloat16, float32 or float64"),
        (Z[:0], Z[:0], ValueError, r"z0 and z1 must not be empty, got \[0, 4\]"),
        (Z[:, :0], Z[:, :0], ValueError, r"z0 and z1 must not be empty, got \[3, 0\]"),
    ],
)
def test_nt_xent_says_what_is_wrong(
    z0: Tensor, z1: Tensor, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        nt_xent(z0, z1)


def test_distillation_loss_says_what_is_wrong() -> None:
    with pytest.raises(ValueError, match=r"distillation_loss: student must be \[B, C\], got \[4\]"):
        distillation_loss(Z[0], Z[0])
    with pytest.raises(ValueError, match=r"student and teacher must have one shape"):
        distillation_loss(Z, Z[:2])
    with pytest.raises(ValueError, match="reduction must be one of 'batchmean', 'sum', 'none'"):
        distillation_loss(Z, Z, reduction="mean")


@pytest.mark.parametrize(
    ("temperature", "error", "message"),
    [
        (0, ValueError, "temperature must be positive and finite, got 0"),
        (-0.1, ValueError, "temperature must be positive and finite, got -0.1"),
        (math.nan, ValueError, "temperature must be positive and finite, got nan"),
        (math.inf, ValueError, "temperature must be positive and finite, got inf"),
        ("0.1", TypeError, "temperature must be a float, got str '0.1'"),
        (True, TypeError, "temperature must be a float, got bool True"),
        (None, TypeError, "temperature must be a float, got NoneType None"),
    ],
)
def test_a_temperature_that_is_no_positive_number_is_refused(
    temperature: object, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=f"nt_xent: {message}"):
        nt_xent(Z, Z, temperature)
    with pytest.raises(error, match=f"distillation_loss: {message}"):
        distillation_loss(Z, Z, temperature=temperature)
    with pytest.raises(error, match=f"NTXentLoss: {message}"):
        NTXentLoss(temperature)
    with pytest.raises(error, match=f"DistillationLoss: {message}"):
        DistillationLoss(temperature)


def test_distillation_has_no_learnable_temperature() -> None:
    with pytest.raises(TypeError, match="temperature must be a float, got a tensor"):
        distillation_loss(Z, Z, temperature=torch.tensor(0.1))


def test_an_integer_temperature_is_a_float() -> None:
    assert torch.equal(nt_xent(Z, Z, 1), nt_xent(Z, Z, 1.0))


def test_unknown_choices_are_refused_with_the_known_ones() -> None:
    wanted = "impl must be one of 'auto', 'fused', 'chunked', 'reference', got 'fast'"
    with pytest.raises(ValueError, match=f"nt_xent: {wanted}"):
        nt_xent(Z, Z, impl="fast")
    with pytest.raises(ValueError, match=f"NTXentLoss: {wanted}"):
        NTXentLoss(impl="fast")
    with pytest.raises(ValueError, match=f"DistillationLoss: {wanted}"):
        DistillationLoss(impl="fast")
    with pytest.raises(ValueError, match="reduction must be one of 'mean', 'sum', 'none', got 'x'"):
        nt_xent(Z, Z, reduction="x")


def test_the_module_has_the_arguments_and_defaults_of_lightly() -> None:
    parameters = inspect.signature(NTXentLoss).parameters
    assert [(name, p.default) for name, p in parameters.items()] == [
        ("temperature", 0.5),
        ("memory_bank_size", 0),
        ("gather_distributed", False),
        ("impl", "auto"),
    ]


def test_a_memory_bank_is_refused() -> None:
    with pytest.raises(NotImplementedError, match="memory_bank_size must be 0, got 4096"):
        NTXentLoss(memory_bank_size=4096)
    with pytest.raises(NotImplementedError, match=r"memory_bank_size must be 0, got \(64, 128\)"):
        NTXentLoss(memory_bank_size=(64, 128))


@pytest.mark.parametrize("impl", ["auto", *IMPLS])
def test_modules_compute_what_the_functions_do(impl: str) -> None:
    x, y = random(4, 6, seed=1), random(4, 6, seed=2)
    assert torch.equal(NTXentLoss(impl=impl)(x, y), nt_xent(x, y, 0.5, impl=impl))
    module = DistillationLoss(2.0, False, "sum", impl=impl)
    want = distillation_loss(x, y, temperature=2.0, scale_by_t2=False, reduction="sum", impl=impl)
    assert torch.equal(module(x, y), want)
    assert repr(module).startswith("DistillationLoss(temperature=2.0, scale_by_t2=False")
    assert not list(module.parameters()) + list(NTXentLoss().parameters())


def test_public_names_come_from_the_losses() -> None:
    names = {*simclr_bench.losses.__all__} - {"CompiledExtension", "compiled_extension"}
    assert names == {*simclr_bench.__all__} - {"__version__"}
    for name in names:
        assert getattr(simclr_bench, name) is getattr(simclr_bench.losses, name)


def test_auto_is_fused_where_there_is_a_kernel() -> None:
    for dtype in dispatch.DTYPES:
        assert dispatch.choose("op", "auto", Z.to(dtype)) == "fused"
    assert dispatch.choose("op", "auto", Z.to("meta")) == "chunked"
    with pytest.raises(RuntimeError, match='op: impl="fused": no kernel for device meta'):
        dispatch.choose("op", "fused", Z.to("meta"))


MISSING = extension.CompiledExtension(False, None, None)
BROKEN = extension.CompiledExtension(True, "ImportError: undefined symbol", None)


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (MISSING, "was never built; rebuild it with: pip install"),
        (BROKEN, r"does not load \(ImportError: undefined symbol\); rebuild it with: pip install"),
    ],
)
def test_without_its_extension_auto_is_chunked_with_one_notice(
    monkeypatch: pytest.MonkeyPatch, found: extension.CompiledExtension, reason: str
) -> None:
    monkeypatch.setattr(extension, "_EXTENSION", found)
    monkeypatch.setattr(dispatch, "_warned", set())
    with pytest.warns(UserWarning, match=reason) as caught:
        value = nt_xent(Z, Z).item()
        distillation_loss(Z, Z)
        nt_xent(Z, Z)
    assert value == pytest.approx(math.log(5))
    assert len(caught) == 1
    assert caught[0].filename == __file__
    with pytest.raises(RuntimeError, match=reason):
        nt_xent(Z, Z, impl="fused")


def test_a_chosen_implementation_needs_no_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extension, "_EXTENSION", MISSING)
    monkeypatch.setattr(dispatch, "_warned", set())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nt_xent(Z, Z, impl="chunked")


def test_an_extension_for_another_torch_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "__version__", "9.9.0+cpu")
    loaded = extension._load()
    assert loaded.built and not loaded.loaded
    assert "this is 9.9.0+cpu" in str(loaded.error)


@pytest.mark.parametrize("impl", ["auto", "fused", "chunked"])
@pytest.mark.parametrize("loss", [nt_xent, distillation_loss])
def test_forward_mode_is_refused_and_never_zero(loss: Any, impl: Any) -> None:
    x, y = random(2, 4, 5)

    def function(x: Tensor) -> Tensor:
        return torch.as_tensor(loss(x, y, temperature=0.5, impl=impl))

    with pytest.raises(NotImplementedError, match="neither forward-mode derivatives nor"):
        torch.func.jvp(function, (x,), (torch.ones_like(x),))
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(x, torch.ones_like(x))
        with pytest.raises(NotImplementedError, match="neither forward-mode derivatives nor"):
            function(dual)


def test_the_reference_has_forward_mode() -> None:
    x, y = random(2, 4, 5)
    _, tangent = torch.func.jvp(lambda x: nt_xent(x, y, impl="reference"), (x,), (y,))
    assert tangent.abs() > 0
