"""The encoder cache: made once, read back to the bit, never read back damaged."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from simclr_bench.errors import DataError
from simclr_bench.training.encoder_cache import (
    cache_directory,
    encoder_key,
    encoder_paths,
    obtain_encoder,
    read_encoder,
)

IDENTITY = {"recipe": {"epochs": 1}, "code": "c"}


class Maker:
    """Makes a small state dict and counts how often."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        self.calls += 1
        weight = torch.arange(12.0).reshape(3, 4).T
        return {"w": weight, "n": torch.tensor(7)}, {"loss_by_epoch": [1.5]}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIMCLR_BENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_an_encoder_is_made_once_and_read_back_to_the_bit() -> None:
    make = Maker()
    first, second = obtain_encoder(IDENTITY, make), obtain_encoder(IDENTITY, make)
    assert make.calls == 1
    assert first.state.keys() == second.state.keys()
    for name, tensor in first.state.items():
        assert torch.equal(tensor, second.state[name]) and tensor.dtype == second.state[name].dtype
    assert second.history == {"loss_by_epoch": [1.5]}


def test_another_identity_is_another_encoder() -> None:
    make = Maker()
    obtain_encoder(IDENTITY, make)
    obtain_encoder({**IDENTITY, "code": "d"}, make)
    assert make.calls == 2


@pytest.mark.parametrize("position", [0, 9, 60, -1])
def test_a_flipped_byte_is_noticed(position: int) -> None:
    obtain_encoder(IDENTITY, Maker())
    weights, _ = encoder_paths(encoder_key(IDENTITY))
    data = bytearray(weights.read_bytes())
    data[position] ^= 1
    weights.write_bytes(bytes(data))
    with pytest.raises(DataError, match=r"\.safetensors: the cached encoder is corrupt \(its SHA"):
        read_encoder(encoder_key(IDENTITY))


def test_truncated_weights_are_noticed() -> None:
    obtain_encoder(IDENTITY, Maker())
    weights, _ = encoder_paths(encoder_key(IDENTITY))
    weights.write_bytes(weights.read_bytes()[:-8])
    with pytest.raises(DataError, match="delete it and run the command again"):
        obtain_encoder(IDENTITY, Maker())


@pytest.mark.parametrize("text", ["", "{", "[]", json.dumps({"sha256": ""})])
def test_a_damaged_description_is_noticed(text: str) -> None:
    obtain_encoder(IDENTITY, Maker())
    _, description = encoder_paths(encoder_key(IDENTITY))
    description.write_text(text)
    with pytest.raises(DataError, match=r"\.json: the cached encoder is corrupt \(does not parse"):
        read_encoder(encoder_key(IDENTITY))


def test_weights_of_a_stopped_run_are_made_again() -> None:
    make = Maker()
    obtain_encoder(IDENTITY, make)
    encoder_paths(encoder_key(IDENTITY))[1].unlink()
    assert read_encoder(encoder_key(IDENTITY)) is None
    obtain_encoder(IDENTITY, make)
    assert make.calls == 2


def test_an_unwritable_cache_is_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("SIMCLR_BENCH_CACHE", str(tmp_path / "file" / "cache"))
    make = Maker()
    with pytest.raises(
        DataError, match=r"the encoder cache cannot be made .*; set SIMCLR_BENCH_CACHE"
    ):
        obtain_encoder(IDENTITY, make)
    assert make.calls == 0


def test_the_cache_is_in_the_users_cache_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SIMCLR_BENCH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_directory() == Path("/somewhere/simclr-bench")
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", "/home/someone")
    assert cache_directory() == Path("/home/someone/.cache/simclr-bench")
