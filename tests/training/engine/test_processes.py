"""Two processes over gloo against one that has the whole batch."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from simclr_bench.errors import UsageError
from simclr_bench.training.engine.activations import recompute_blocks
from simclr_bench.training.engine.checkpoints import read_newest
from simclr_bench.training.engine.folder import TrainingFolder
from simclr_bench.training.engine.loop import train
from simclr_bench.training.engine.processes import GlobalBatchNorm, World, joined, spread
from tests.losses.contrastive.test_distributed import together
from tests.training.engine.tiny import ALONE, RECIPE, Tiny, contrast, run, training, two_views

CLOSE = {"rtol": 1e-9, "atol": 1e-11}


class Blocks(nn.Module):
    """Blocks that are found by their name."""

    def __init__(self) -> None:
        super().__init__()
        self.layer1 = nn.Sequential(Tiny().double())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.layer1(x.double())
        return out


def one_step(world: World, recompute: bool) -> dict[str, Any]:
    network = Blocks().train()
    call = spread(network, world)
    if recompute:
        recompute_blocks(network)
    made = training(RECIPE, world, network=network, call=call)
    batch = next(made.batches(0))
    loss = made.loss(call, batch)
    loss.backward()
    return {
        "loss": loss.detach(),
        "gradients": {name: p.grad for name, p in network.named_parameters()},
        "buffers": {name: b.clone() for name, b in network.named_buffers()},
    }


def whole_training(rank: int, out: str) -> None:
    world = World(rank=rank, size=2, device=torch.device("cpu"))
    network = Tiny().train()
    call = spread(network, world)
    made = training(RECIPE, world, network=network, call=call, loss=contrast(world))
    folder = TrainingFolder(Path(out)) if world.first else None
    train(made, folder, world, start=None, advance=lambda amount, note: None)


def scaled(rank: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(6, 4, 3, generator=generator)[3 * rank : 3 * rank + 3]
    norm = nn.BatchNorm1d(4)
    norm.register_parameter("bias", None)  # as at the end of a projection head
    norm.__class__ = GlobalBatchNorm
    out = norm.train()(x.bfloat16())
    evaluated = norm.eval()(x)
    return [out.detach(), evaluated.detach()]


def everything(rank: int, out: str) -> dict[str, Any]:
    """All that two processes do for these tests: starting them takes longer than that."""
    world = World(rank=rank, size=2, device=torch.device("cpu"))
    whole_training(rank, out)
    return {
        "plain": one_step(world, False),
        "recomputed": one_step(world, True),
        "scaled": scaled(rank),
        "shared": world.shared(lambda: f"of {rank}"),
    }


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("two")
    (directory / "checkpoints").mkdir()
    return directory


@pytest.fixture(scope="module")
def results(out: Path) -> list[dict[str, Any]]:
    return together(out, 2, everything, str(out))


@pytest.mark.parametrize("way", ["plain", "recomputed"])
def test_gradients_and_batch_norms_are_those_of_the_whole_batch(
    results: list[dict[str, Any]], way: str
) -> None:
    got = [result[way] for result in results]
    wanted = one_step(ALONE, False)
    torch.testing.assert_close(sum(g["loss"] for g in got) / 2, wanted["loss"], **CLOSE)
    for result in got:
        for kind in ("gradients", "buffers"):
            assert result[kind].keys() == wanted[kind].keys()
            for name, value in wanted[kind].items():
                torch.testing.assert_close(result[kind][name], value, msg=name, **CLOSE)


def test_half_of_the_batch_has_other_statistics() -> None:
    """Else the test above would not see whether processes share theirs."""
    half = World(rank=0, size=2, device=torch.device("cpu"))
    network = Blocks().train()
    network(two_views(next(training(RECIPE, half).batches(0))))
    name = "layer1.0.encoder.1.running_mean"
    alone, whole = network.get_buffer(name), one_step(ALONE, False)["buffers"][name]
    assert not torch.allclose(alone, whole, rtol=1e-3)


def test_a_whole_training_has_the_losses_of_one_process(
    results: list[dict[str, Any]], out: Path, tmp_path: Path
) -> None:
    run(tmp_path)
    two, one = TrainingFolder(out), TrainingFolder(tmp_path)
    assert two.losses() == pytest.approx(one.losses(), rel=1e-5)
    ends = [read_newest(folder.checkpoints) for folder in (two, one)]
    assert ends[0] is not None and ends[1] is not None
    assert ends[0].tensors.keys() == ends[1].tensors.keys()
    for name, tensor in ends[1].tensors.items():
        torch.testing.assert_close(ends[0].tensors[name], tensor, rtol=1e-4, atol=1e-5)


def test_half_precision_and_a_missing_shift_pass_the_batch_norm(
    results: list[dict[str, Any]],
) -> None:
    first, second = (result["scaled"] for result in results)
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(6, 4, 3, generator=generator)
    norm = nn.BatchNorm1d(4).train()
    wanted = norm(x.bfloat16().float()).bfloat16()
    assert first[0].dtype == torch.bfloat16
    assert torch.equal(torch.cat([first[0], second[0]]), wanted)
    torch.testing.assert_close(torch.cat([first[1], second[1]]), norm.eval()(x))


def test_what_is_shared_is_that_of_the_first_process(results: list[dict[str, Any]]) -> None:
    assert [result["shared"] for result in results] == ["of 0", "of 0"]


def test_alone_there_is_nothing_to_join(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with joined("cpu") as world:
        assert (world.size, world.rank, world.group) == (1, 0, None)
        assert world.shared(lambda: 3) == 3 and world.total(4) == 4
        network = Tiny()
        assert spread(network, world) is network


def test_a_device_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with (
        pytest.raises(UsageError, match="--device cuda: torch finds no CUDA device"),
        joined("cuda"),
    ):
        pass
