"""The report of what does not fit."""

import pytest
import torch
from torch import nn

from simclr_bench.errors import DataError
from simclr_bench.weights.strict import load_strictly


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))


def test_what_fits_is_copied_and_counters_do_not_matter() -> None:
    source, target = network(), network()
    source[1].running_mean.fill_(5)
    state = {k: v for k, v in source.state_dict().items() if "tracked" not in k}
    load_strictly(target, state, "here")
    assert all(torch.equal(target.state_dict()[name], state[name]) for name in state)
    load_strictly(target, {**state, "9.num_batches_tracked": torch.tensor(3)}, "here")


def test_every_fault_is_named_in_one_line() -> None:
    state = network().state_dict()
    del state["0.bias"]
    state["0.weight"] = torch.zeros(2, 3)
    state["fc.weight"] = torch.zeros(1)
    state["1.running_var"][1] = torch.nan
    target = network()
    before = {name: tensor.clone() for name, tensor in target.state_dict().items()}
    with pytest.raises(DataError) as caught:
        load_strictly(target, state, "file.pth, encoder")
    assert str(caught.value) == (
        "file.pth, encoder: does not fit Sequential (6 tensors): 1 missing: 0.bias;"
        " 1 unexpected: fc.weight; 1 misshapen: 0.weight [2, 3] for [3, 2];"
        " 1 not finite: 1.running_var"
    )
    # Nothing was copied.
    assert all(torch.equal(target.state_dict()[name], before[name]) for name in before)


def test_many_faults_are_counted() -> None:
    with pytest.raises(
        DataError, match=r"6 missing: 0\.weight, 0\.bias, 1\.weight, 1\.bias and 2 m"
    ):
        load_strictly(network(), {}, "here")


@pytest.mark.parametrize(
    "strange",
    [
        torch.ones(3, 2, dtype=torch.int32),
        torch.ones(3, 2, dtype=torch.bool),
        torch.ones(3, 2, dtype=torch.complex64),
        torch.ones(3, 2).to(torch.float8_e4m3fn),
        torch.ones(3, 2, device="meta"),
        torch.eye(3)[:, :2].to_sparse(),
    ],
    ids=["int", "bool", "complex", "float8", "meta", "sparse"],
)
def test_what_copying_would_change_is_refused(strange: torch.Tensor) -> None:
    state = {**network().state_dict(), "0.weight": strange}
    with pytest.raises(DataError, match=r"1 not plain numbers: 0\.weight \w+, \w+, on \w+$"):
        load_strictly(network(), state, "here")
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        load_strictly(network(), {**state, "0.weight": torch.ones(3, 2, dtype=dtype)}, "here")
