"""A training that is stopped anywhere ends as one that is not, to the bit."""

import json
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from simclr_bench.errors import DataError, Interrupted, JobError, StoreError, UsageError
from simclr_bench.training.engine.batches import Batch
from simclr_bench.training.engine.checkpoints import read_newest
from simclr_bench.training.engine.folder import TrainingFolder
from simclr_bench.training.engine.recipe import Optimization, rate_at
from tests.training.engine.tiny import (
    IMAGES,
    RECIPE,
    STEPS,
    Tiny,
    classify,
    contrast,
    files,
    run,
    variants,
)


class Killed(BaseException):
    """The process is gone; nothing of it is left but files."""


def dies_at(step: int) -> Callable[[nn.Module, Batch], Tensor]:
    whole = contrast()

    def loss(network: nn.Module, batch: Batch) -> Tensor:
        if batch.step == step:
            raise Killed
        return whole(network, batch)

    return loss


@pytest.mark.parametrize("recipe", variants(), ids=lambda r: f"{r.optimizer}-{r.precision}")
@pytest.mark.parametrize("every", [1, 4])
def test_killed_at_every_step_it_ends_with_the_same_bits(
    tmp_path: Path, recipe: Optimization, every: int
) -> None:
    run(tmp_path / "whole", recipe, every=every)
    for step in range(STEPS):
        for _ in range(2):  # the second dies again before it gets anywhere new
            with pytest.raises(Killed):
                run(tmp_path / "killed", recipe, every=every, loss=dies_at(step))
    run(tmp_path / "killed", recipe, every=every)
    assert files(tmp_path / "killed") == files(tmp_path / "whole")
    losses = [json.loads(x) for x in (tmp_path / "whole/losses.jsonl").read_text().splitlines()]
    assert [line["step"] for line in losses] == list(range(1, STEPS + 1))
    assert [line["learning_rate"] for line in losses] == [
        rate_at(recipe, IMAGES, step) for step in range(STEPS)
    ]


def test_a_finished_training_takes_no_step(tmp_path: Path) -> None:
    run(tmp_path)
    before = files(tmp_path)
    run(tmp_path, loss=dies_at(0))
    assert files(tmp_path) == before


@pytest.mark.parametrize("workers", [1, 3])
def test_threads_that_read_ahead_change_no_bit(tmp_path: Path, workers: int) -> None:
    run(tmp_path / "none")
    run(tmp_path / "some", workers=workers)
    assert files(tmp_path / "some") == files(tmp_path / "none")


def test_the_network_learns_and_the_precisions_are_not_one(tmp_path: Path) -> None:
    ends = {}
    for precision in ("float32", "bfloat16", "float16"):
        recipe = replace(
            RECIPE, epochs=40, precision=precision, optimizer="adamw", learning_rate=2.0
        )
        made = run(tmp_path / precision, recipe, every=100, loss=classify)
        losses = TrainingFolder(tmp_path / precision).losses()
        assert sum(losses[-5:]) < 0.5 * sum(losses[:5])
        assert all(parameter.dtype == torch.float32 for parameter in made.network.parameters())
        ends[precision] = losses[-1]
    assert len(set(ends.values())) == 3


def test_the_scale_of_float16_is_part_of_the_state(tmp_path: Path) -> None:
    recipe = replace(RECIPE, precision="float16")
    with pytest.raises(Killed):
        run(tmp_path, recipe, loss=dies_at(3))
    newest = read_newest(tmp_path / "checkpoints")
    assert newest is not None and newest.step == 3
    # Every gradient that overflowed halved it, all others counted towards doubling it.
    scaler = newest.rest["scaler"]
    assert scaler["scale"] < 65536.0 or scaler["_growth_tracker"] == 3


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops_and_keeps_what_was_good(
    tmp_path: Path, bad: float
) -> None:
    whole = contrast()

    def loss(network: nn.Module, batch: Batch) -> Tensor:
        return whole(network, batch) * (bad if batch.step == 3 else 1.0)

    with pytest.raises(JobError, match=f"the loss became {bad} at step 4 of {STEPS}"):
        run(tmp_path, loss=loss)
    newest = read_newest(tmp_path / "checkpoints")
    assert newest is not None and newest.step == 3
    assert all(tensor.isfinite().all() for tensor in newest.tensors.values())
    with pytest.raises(JobError, match="at step 4"):
        run(tmp_path, loss=loss)
    run(tmp_path)
    run(tmp_path / "whole")
    assert files(tmp_path) == files(tmp_path / "whole")


def test_out_of_memory_says_what_would_fit_and_nothing_else_counts_as_it(tmp_path: Path) -> None:
    whole = contrast()

    def large(network: nn.Module, batch: Batch) -> Tensor:
        if batch.step == 2 and len(batch.images) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return whole(network, batch)

    with pytest.raises(JobError, match=r"out of memory at step 3 \(2 images would fit\); .*parts"):
        run(tmp_path, large_recipe := replace(RECIPE, batch_size=8), loss=large, every=2)
    newest = read_newest(tmp_path / "checkpoints")
    assert newest is not None and newest.step == 2
    assert large_recipe.batch_size == 8

    def broken(network: nn.Module, batch: Batch) -> Tensor:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    with pytest.raises(RuntimeError, match="illegal memory"):
        run(tmp_path / "broken", loss=broken)


@pytest.mark.parametrize(
    ("number", "error"), [(signal.SIGTERM, Interrupted), (signal.SIGINT, KeyboardInterrupt)]
)
def test_a_signal_is_answered_with_a_checkpoint_at_the_end_of_a_step(
    tmp_path: Path, number: signal.Signals, error: type[BaseException]
) -> None:
    whole = contrast()

    def loss(network: nn.Module, batch: Batch) -> Tensor:
        if batch.step == 1:
            os.kill(os.getpid(), number)
        return whole(network, batch)

    before = signal.getsignal(number)
    with pytest.raises(error):
        run(tmp_path / "killed", every=100, loss=loss)
    assert signal.getsignal(number) is before
    newest = read_newest(tmp_path / "killed" / "checkpoints")
    assert newest is not None and 2 <= newest.step < STEPS
    run(tmp_path / "killed", every=100)
    run(tmp_path / "whole", every=100)
    name = next(p.name for p in (tmp_path / "whole/checkpoints").iterdir())
    assert files(tmp_path / "killed")[name] == files(tmp_path / "whole")[name]


def test_a_log_that_is_not_the_checkpoints_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        run(tmp_path, loss=dies_at(3))
    log = tmp_path / "losses.jsonl"
    sound = log.read_bytes()
    flipped = bytearray(sound)
    flipped[20] ^= 1
    for bad in (bytes(flipped), sound[:30], b""):
        log.write_bytes(bad)
        with pytest.raises(DataError, match=r"losses.jsonl: is not the log of the checkpoints"):
            run(tmp_path)
    log.write_bytes(sound)
    run(tmp_path)


def test_a_log_that_is_gone_or_damaged_is_named(tmp_path: Path) -> None:
    run(tmp_path)
    for bad in (b"\xff", b"{}\n", b'{"loss": null}\n', b"[]\n"):
        (tmp_path / "losses.jsonl").write_bytes(bad)
        with pytest.raises(DataError, match=r"losses.jsonl: is missing or does not parse"):
            TrainingFolder(tmp_path).losses()
    (tmp_path / "losses.jsonl").unlink()
    with pytest.raises(DataError, match=r"losses.jsonl: is missing or does not parse"):
        TrainingFolder(tmp_path).losses()


def test_another_training_in_the_directory_is_refused_by_what_differs(tmp_path: Path) -> None:
    folder = TrainingFolder(tmp_path)
    with folder.held({"recipe": {"epochs": 1}, "code": "x" * 64, "data": "y"}):
        pass
    with (
        pytest.raises(UsageError, match=r"data: y before, z now; recipe.epochs: 1 before, 2 now"),
        TrainingFolder(tmp_path).held({"recipe": {"epochs": 2}, "code": "x" * 64, "data": "z"}),
    ):
        pass


def test_what_killed_writers_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    run(tmp_path)
    before = {path for path in tmp_path.rglob("*")}
    left = (
        *("checkpoints/.unfinished.safetensors", "checkpoints/.tmp665r0C", ".tmpAb0Cd1"),
        *(".run.json.k3_x9a1b", ".weights.safetensors.4711", ".weights.json.abcd1234"),
    )
    others = (".tmp", ".tmp-mine", ".notes", ".run.json", "checkpoints/.keep", "tmp665r0C")
    for name in (*left, *others):
        (tmp_path / name).write_text("x")
    with TrainingFolder(tmp_path).held({"recipe": "tiny"}):
        pass
    assert {path for path in tmp_path.rglob("*")} == before | {tmp_path / name for name in others}


def test_a_directory_in_use_is_refused(tmp_path: Path) -> None:
    with (
        TrainingFolder(tmp_path).held({}),
        pytest.raises(StoreError, match="held by another process"),
        TrainingFolder(tmp_path).held({}),
    ):
        pass


def test_checkpoints_without_their_description_are_refused(tmp_path: Path) -> None:
    run(tmp_path)
    (tmp_path / "run.json").unlink()
    with pytest.raises(DataError, match=r"run.json: is missing beside checkpoints"):
        run(tmp_path)
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(DataError, match=r"run.json: does not parse"):
        run(tmp_path)


def test_gradients_are_those_of_the_weighted_loss(tmp_path: Path) -> None:
    """SGD moves twice as far where the loss counts twice; the logged loss is what it is."""
    one_step = replace(RECIPE, epochs=0, optimizer="sgd", weight_decay=0.0, warmup_epochs=0.0)
    start = Tiny().classifier.weight
    once, twice = (run(tmp_path / str(w), one_step, weight=w).network for w in (1.0, 2.0))
    assert (tmp_path / "1.0/losses.jsonl").read_bytes() == (
        tmp_path / "2.0/losses.jsonl"
    ).read_bytes()
    torch.testing.assert_close(
        twice.get_parameter("classifier.weight") - start,
        2 * (once.get_parameter("classifier.weight") - start),
    )
