"""Checkpoints against kills, flipped bytes and full disks."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from simclr_bench.errors import DataError
from simclr_bench.training.engine.checkpoints import (
    UNFINISHED,
    Checkpoint,
    differences,
    read_newest,
    remove_unfinished,
    write_checkpoint,
)


def checkpoint(step: int) -> Checkpoint:
    tensors = {"network.weight": torch.arange(6.0).view(2, 3) + step}
    return Checkpoint(step=step, tensors=tensors, rest={"scaler": {"scale": 0.1 + step}})


def test_what_is_written_comes_back_to_the_bit(tmp_path: Path) -> None:
    state = {
        "strided": torch.rand(2, 3, 4, 5).to(memory_format=torch.channels_last),
        "half": torch.rand(3).bfloat16(),
        "count": torch.tensor(7),
    }
    rest = {"scaler": {"scale": 0.1 + 0.2, "growth": 3}, "history": [{"from": 0}]}
    write_checkpoint(tmp_path, Checkpoint(step=12, tensors=state, rest=rest), keep=2)
    back = read_newest(tmp_path)
    assert back is not None and back.step == 12 and back.rest == rest
    assert back.tensors.keys() == state.keys()
    for name, tensor in state.items():
        assert back.tensors[name].dtype == tensor.dtype
        assert torch.equal(back.tensors[name], tensor)


def test_the_newest_counts_and_only_the_last_are_kept(tmp_path: Path) -> None:
    assert read_newest(tmp_path) is None
    for step in (8, 9, 10, 100_000_000):
        write_checkpoint(tmp_path, checkpoint(step), keep=2)
    newest = read_newest(tmp_path)
    assert newest is not None and newest.step == 100_000_000
    assert sorted(path.name[:14] for path in tmp_path.iterdir()) == [
        "step-00000010.",
        "step-100000000",
    ]


def test_every_flipped_byte_is_named(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, checkpoint(1), keep=2)
    path = write_checkpoint(tmp_path, checkpoint(2), keep=2)
    sound = path.read_bytes()
    for at in range(0, len(sound), 7):
        flipped = bytearray(sound)
        flipped[at] ^= 1
        path.write_bytes(flipped)
        with pytest.raises(DataError, match=f"{path.name}: the checkpoint is corrupt"):
            read_newest(tmp_path)
    for length in (0, 8, len(sound) // 2, len(sound) - 1):
        path.write_bytes(sound[:length])
        with pytest.raises(DataError, match=f"{path.name}: the checkpoint is corrupt"):
            read_newest(tmp_path)
    path.unlink()  # as the message says
    before = read_newest(tmp_path)
    assert before is not None and before.step == 1


# Each write in a process of its own, all forked from one that has torch already.
KILLED = """
import os, signal, sys
from pathlib import Path
import safetensors.torch
from tests.training.engine.test_checkpoints import checkpoint
from simclr_bench.training.engine import checkpoints

def die(*arguments, **named):
    os.kill(os.getpid(), signal.SIGKILL)

def write(directory, where):
    save = safetensors.torch.save_file
    if where == "half of the file":
        def half(tensors, path, metadata):
            save(tensors, path, metadata)
            os.truncate(path, path.stat().st_size // 2)
            die()
        safetensors.torch.save_file = half
    elif where == "before the name":
        checkpoints.os.replace = die
    elif where == "after the name":
        checkpoints.sync_directory = die
    checkpoints.write_checkpoint(directory, checkpoint(2), keep=1)

for where in sys.argv[2:]:
    child = os.fork()
    if not child:
        try:
            write(Path(sys.argv[1], where), where)
        finally:
            os._exit(1)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
MOMENTS = {"half of the file": 1, "before the name": 1, "after the name": 2}


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[int]]:
    """Directories in which a second checkpoint was being written, and how the writers ended."""
    out = tmp_path_factory.mktemp("killed")
    for moment in MOMENTS:
        (out / moment).mkdir()
        write_checkpoint(out / moment, checkpoint(1), keep=1)
    words = [sys.executable, "-c", KILLED, str(out), *MOMENTS]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return out, [int(code) for code in done.stdout.split()]


@pytest.mark.parametrize("where", MOMENTS)
def test_a_kill_in_the_middle_of_a_write_loses_nothing(
    killed: tuple[Path, list[int]], where: str
) -> None:
    directory, counts = killed[0] / where, MOMENTS[where]
    assert killed[1] == [-signal.SIGKILL] * 3
    newest = read_newest(directory)
    assert newest is not None and newest.step == counts
    assert torch.equal(
        newest.tensors["network.weight"], checkpoint(counts).tensors["network.weight"]
    )
    remove_unfinished(directory)
    assert not (directory / UNFINISHED).exists()


def test_a_full_disk_keeps_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_checkpoint(tmp_path, checkpoint(1), keep=1)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match=r"cannot be written \(No space left on device\)"):
        write_checkpoint(tmp_path, checkpoint(2), keep=1)
    newest = read_newest(tmp_path)
    assert newest is not None and newest.step == 1
    assert not (tmp_path / UNFINISHED).exists()


def test_differences_are_named_by_their_place() -> None:
    before = {"recipe": {"epochs": 1, "shape": {"depth": 18}}, "code": "a" * 64, "images": 4}
    now = {"recipe": {"epochs": 2, "shape": {"depth": 50}}, "code": "b" * 64, "images": 4}
    assert differences(before, now) == [
        "recipe.epochs: 1 before, 2 now",
        "recipe.shape.depth: 18 before, 50 now",
        f"code: {'a' * 12}... before, {'b' * 12}... now",
    ]
    assert differences(before, before) == []
