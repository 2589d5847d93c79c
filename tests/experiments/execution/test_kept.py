"""Features on disk: whole or not there, checked, computed once whoever asks."""

import json
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from simclr_bench.errors import DataError
from simclr_bench.experiments.execution.blocks import block_features, joined
from simclr_bench.experiments.execution.extraction import Extractor
from simclr_bench.experiments.execution.kept import Block, KeptBlocks, features_directory

IDENTITY = {"network": "n", "views": {"center": "train"}}
BLOCKS, ROWS = 6, 5


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIMCLR_BENCH_CACHE", str(tmp_path))
    return tmp_path


def parts(count: int = BLOCKS) -> dict[int, np.ndarray]:
    return {number: np.arange(ROWS * number, ROWS * (number + 1)) for number in range(count)}


def network(images: Tensor) -> Tensor:
    return images.mean(dim=(2, 3)).repeat(1, 2)


def view(index: np.ndarray) -> Tensor:
    return torch.from_numpy(index).float()[:, None, None, None].expand(-1, 3, 4, 4) / 7


class Counted:
    """Views, and which blocks they were made for."""

    def __init__(self) -> None:
        self.made: list[int] = []

    def __call__(self, index: np.ndarray) -> Tensor:
        self.made.append(int(index[0]) // ROWS)
        return view(index)


def obtain(
    views: Counted, identity: Mapping | None = IDENTITY, count: int = BLOCKS, workers: int = 0
) -> Tensor:
    blocks = block_features(
        network, parts(count), views, Extractor(), workers=workers, identity=identity
    )
    return joined(blocks)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_block_is_computed_once_and_read_back_to_the_bit(workers: int) -> None:
    first, second, none = Counted(), Counted(), Counted()
    features = obtain(first, count=4, workers=workers)
    assert torch.equal(obtain(second, workers=workers)[: 4 * ROWS], features)
    assert sorted(first.made) == [0, 1, 2, 3] and sorted(second.made) == [4, 5]
    assert torch.equal(obtain(none), obtain(Counted(), identity=None)) and none.made == []


def test_other_networks_and_views_have_other_blocks() -> None:
    obtain(Counted())
    for other in ({**IDENTITY, "network": "m"}, {**IDENTITY, "views": {"center": "heldout"}}):
        counted = Counted()
        obtain(counted, other)
        assert len(counted.made) == BLOCKS
    assert json.loads((features_directory(IDENTITY) / "set.json").read_text()) == IDENTITY


def test_a_flipped_byte_or_a_missing_one_is_named() -> None:
    obtain(Counted())
    path = features_directory(IDENTITY) / "00003.block"
    whole = path.read_bytes()
    for place in (0, 1, 20, len(whole) // 2, len(whole) - 33, len(whole) - 1):
        changed = bytearray(whole)
        changed[place] ^= 1 << place % 8
        path.write_bytes(changed)
        with pytest.raises(DataError, match=r"00003\.block: .* corrupt .* delete the file"):
            obtain(Counted())
    for length in (0, 1, 31, 32, 33, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"00003\.block: .* corrupt"):
            obtain(Counted())
    path.write_bytes(whole + b"\0")
    with pytest.raises(DataError, match=r"00003\.block: .* corrupt"):
        obtain(Counted())
    path.unlink()
    counted = Counted()
    obtain(counted)
    assert counted.made == [3]


def in_process(work: Callable[..., None], *arguments: object) -> multiprocessing.Process:
    def alone() -> None:
        torch.set_num_threads(1)  # OpenMP's others are not forked: it would wait for them
        work(*arguments)

    process = multiprocessing.get_context("fork").Process(target=alone)
    process.start()
    return process


def until(done: object) -> None:
    deadline = time.monotonic() + 30
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def slow_run(log: Path, pause: float) -> None:
    """Computes all blocks slowly, and writes down which."""

    def views(index: np.ndarray) -> Tensor:
        time.sleep(pause)
        with log.open("a") as file:
            file.write(f"{int(index[0]) // ROWS}\n")
        return view(index)

    block_features(network, parts(), views, Extractor(), workers=0, identity=IDENTITY)


def test_processes_share_the_work_and_no_block_is_computed_twice(tmp_path: Path) -> None:
    logs = [tmp_path / f"log {number}" for number in range(3)]
    processes = [in_process(slow_run, log, 0.05) for log in logs]
    for process in processes:
        process.join(30)
        assert process.exitcode == 0
    made = [log.read_text().split() if log.exists() else [] for log in logs]
    assert sorted(number for each in made for number in each) == [
        str(number) for number in range(BLOCKS)
    ]
    assert sum(bool(each) for each in made) > 1
    counted = Counted()
    assert torch.equal(obtain(counted), obtain(Counted(), identity=None)) and not counted.made


def test_a_killed_process_leaves_whole_blocks_and_no_lock(tmp_path: Path) -> None:
    process = in_process(slow_run, tmp_path / "log", 0.3)
    directory = features_directory(IDENTITY)
    until(lambda: len(list(directory.glob("*.block"))) >= 2)
    # Another process waits for the block that this one is at.
    waiting = in_process(slow_run, tmp_path / "other log", 0.0)
    until(lambda: len(list(directory.glob("*.block"))) >= BLOCKS - 1)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    waiting.join(30)
    assert waiting.exitcode == 0
    counted = Counted()
    assert torch.equal(obtain(counted), obtain(Counted(), identity=None)) and not counted.made


def test_a_claim_is_one_processs_alone(tmp_path: Path) -> None:
    def hold() -> None:
        kept = KeptBlocks(IDENTITY)
        assert kept.claim(2, wait=False)
        (tmp_path / "held").touch()
        time.sleep(60)

    holder = in_process(hold)
    until((tmp_path / "held").exists)
    kept = KeptBlocks(IDENTITY)
    assert not kept.claim(2, wait=False) and kept.claim(1, wait=False)
    os.kill(holder.pid, signal.SIGKILL)
    holder.join()
    assert kept.claim(2, wait=True)
    kept.close()


def test_a_block_keeps_how_it_was_made() -> None:
    kept = KeptBlocks(IDENTITY)
    rows = torch.tensor([[1.5, -0.0, float("inf")], [1e-42, 3.0, 7.0]])
    kept.write(4, Block(rows, {"device": "cuda", "at_a_time": 8}))
    read = kept.read(4)
    assert read is not None and read.made == {"device": "cuda", "at_a_time": 8}
    assert read.features.numpy().tobytes() == rows.numpy().tobytes()
    assert kept.read(5) is None
    kept.close()


def test_an_unwritable_cache_is_named(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (cache / "features").write_text("a file")
    with pytest.raises(DataError, match=r"feature cache .* SIMCLR_BENCH_CACHE"):
        obtain(Counted())
