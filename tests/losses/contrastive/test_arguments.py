"""What the contrastive losses refuse, each in one line that names the place."""

import math
from typing import Any

import pytest
import torch
from torch import nn
from torch.autograd import forward_ad

from simclr_bench import (
    NTXentLoss,
    decoupled_nt_xent,
    info_nce,
    nt_xent,
    supervised_contrastive,
)
from simclr_bench.losses.dispatch import check_workspace
from tests.losses.contrastive.family import OBJECTIVES, loss_of
from tests.losses.numerics import random

Z = torch.ones(3, 4)
LABELS = torch.tensor([0, 0, 1])


@pytest.mark.parametrize("loss", [nt_xent, decoupled_nt_xent, info_nce])
def test_paired_losses_say_what_is_wrong_with_their_matrices(loss: Any) -> None:
    name = loss.__name__
    with pytest.raises(ValueError, match=rf"{name}: z0 must be \[B, D\], got \[3\]"):
        loss(Z[:, 0], Z)
    with pytest.raises(ValueError, match=rf"{name}: z0 and z1 must have one shape"):
        loss(Z, Z[:2])


def test_a_decoupled_pair_needs_another() -> None:
    with pytest.raises(ValueError, match=r"decoupled_nt_xent: z0 and z1 must have at least 2 rows"):
        decoupled_nt_xent(Z[:1], Z[:1])


@pytest.mark.parametrize(
    ("z", "labels", "error", "message"),
    [
        ([1.0], LABELS, TypeError, "z must be a tensor, got list"),
        (Z[0], LABELS, ValueError, r"z must be \[N, D\], got \[4\]"),
        (Z[:0], LABELS[:0], ValueError, r"z must not be empty, got \[0, 4\]"),
        (Z.int(), LABELS, ValueError, "z must be float16, bfloat16, float32 or float64, got"),
        (Z, [0, 0, 1], TypeError, "labels must be a tensor, got list"),
        (Z, LABELS[:2], ValueError, r"labels must be \[3\], got \[2\]"),
        (Z, LABELS[:, None], ValueError, r"labels must be \[3\], got \[3, 1\]"),
        (Z, LABELS.float(), ValueError, "labels must be integers, got torch.float32"),
        (Z, LABELS == 0, ValueError, "labels must be integers, got torch.bool"),
        (Z, LABELS.to("meta"), ValueError, "labels must be on cpu as z is, got meta"),
    ],
)
def test_the_supervised_loss_says_what_is_wrong(
    z: Any, labels: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=f"supervised_contrastive: {message}"):
        supervised_contrastive(z, labels)


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize(
    ("temperature", "error", "message"),
    [
        (0, ValueError, "temperature must be positive and finite, got 0"),
        (math.nan, ValueError, "temperature must be positive and finite, got nan"),
        ("0.1", TypeError, "temperature must be a float, got str '0.1'"),
        (torch.ones(1), ValueError, r"temperature must be a float or a tensor \[\], got \[1\]"),
        (torch.tensor(1), ValueError, "temperature must be float16, bfloat16, float32 or float64"),
        (torch.ones((), device="meta"), ValueError, "temperature must be on cpu, got meta"),
    ],
)
def test_a_temperature_that_is_no_positive_scalar_is_refused(
    objective: str, temperature: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        loss_of(objective, "auto", temperature)(Z, Z)


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("impl", ["chunked", "reference"])
@pytest.mark.parametrize("value", [0.0, -0.1, math.nan])
def test_the_value_of_a_tensor_is_not_looked_at(objective: str, impl: str, value: float) -> None:
    loss_of(objective, impl)(Z, Z, torch.tensor(value))


@pytest.mark.parametrize(("size", "error"), [(-1, ValueError), (1.5, TypeError), (True, TypeError)])
def test_a_workspace_is_a_whole_number_of_mebibytes(size: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="info_nce: workspace_mb must"):
        info_nce(Z, Z, workspace_mb=size)


def test_a_workspace_is_larger_on_a_gpu() -> None:
    sizes = {place: check_workspace("", None, torch.device(place)) for place in ("cpu", "cuda")}
    assert sizes == {"cpu": 32, "cuda": 256}
    assert check_workspace("", 7, torch.device("cuda")) == 7


def test_a_workspace_of_0_keeps_nothing_and_changes_nothing() -> None:
    assert torch.equal(info_nce(Z, Z, workspace_mb=0), info_nce(Z, Z))


def test_unknown_choices_are_refused() -> None:
    with pytest.raises(ValueError, match="info_nce: reduction must be one of 'mean', 'sum', 'none"):
        info_nce(Z, Z, reduction="batchmean")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="supervised_contrastive: impl must be one of 'auto', "):
        supervised_contrastive(Z, LABELS, impl="fast")  # type: ignore[arg-type]


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_forward_mode_through_the_temperature_is_refused_too(objective: str) -> None:
    z0, z1, tau = random(4, 3, seed=1), random(4, 3, seed=2), torch.tensor(0.5)
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(tau, torch.ones_like(tau))
        with pytest.raises(NotImplementedError, match="neither forward-mode derivatives nor"):
            loss_of(objective, "auto")(z0, z1, dual)


def test_a_parameter_is_learned_with_the_module() -> None:
    module = NTXentLoss(nn.Parameter(torch.tensor(0.5)), impl="chunked")
    assert list(module.state_dict()) == ["temperature"]
    assert repr(module) == ("NTXentLoss(temperature=0.5, gather_distributed=False, impl='chunked')")
    z0, z1 = random(4, 3, seed=1), random(4, 3, seed=2)
    module(z0, z1).backward()
    (parameter,) = module.parameters()
    tau = torch.tensor(0.5, requires_grad=True)
    nt_xent(z0, z1, tau, impl="reference").backward()
    torch.testing.assert_close(parameter.grad, tau.grad)
