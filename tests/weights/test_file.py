"""Weights files: what is written is read back, and nothing else ever is."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from simclr_bench.errors import DataError
from simclr_bench.weights import file
from simclr_bench.weights.file import (
    State,
    check_weights,
    part_of,
    read_provenance,
    read_weights,
    write_weights,
)
from tests.weights.invented import provenance

# No network: the file does not know what its tensors are for.
STATE: State = {
    "encoder.conv1.weight": torch.arange(24.0).view(2, 3, 2, 2),
    "encoder.bn1.num_batches_tracked": torch.tensor(7),
    "projection.dense.0.weight": torch.full((2, 2), -0.5),
    "classifier.weight": torch.tensor([[1.0, 2.0]]),
    "classifier.bias": torch.tensor([3.0]),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "library" / "weights.safetensors"
    write_weights(path, STATE, provenance())
    return path


def test_a_round_trip(path: Path) -> None:
    state, stated = read_weights(path)
    assert state.keys() == STATE.keys()
    for name, tensor in STATE.items():
        assert torch.equal(state[name], tensor) and state[name].dtype == tensor.dtype
    assert stated.parts == ["encoder", "projection", "classifier"]
    assert stated.name == "own/small" and stated.architecture == "r18_1x_sk0"
    assert stated.sha256 == check_weights(path).sha256 and len(stated.sha256) == 64
    assert part_of(state, "classifier").keys() == {"weight", "bias"}
    assert sorted(p.name for p in path.parent.iterdir()) == ["weights.json", "weights.safetensors"]
    assert path.stat().st_mode == path.with_suffix(".json").stat().st_mode


def test_a_channels_last_tensor_is_written_as_it_reads(tmp_path: Path) -> None:
    tensor = torch.randn(4, 3, 5, 5).contiguous(memory_format=torch.channels_last)
    path = tmp_path / "w.safetensors"
    write_weights(path, {"encoder.x": tensor}, provenance())
    assert torch.equal(read_weights(path)[0]["encoder.x"], tensor)


@pytest.mark.parametrize("name", ["weights.safetensors", "weights.json"])
def test_any_flipped_byte_is_found_in_the_file_that_it_is_in(path: Path, name: str) -> None:
    target = path.with_name(name)
    sound = target.read_bytes()
    for at in range(len(sound)):
        # White space becomes other white space, as good to a parser.
        blank = name.endswith("n") and sound[at : at + 1].isspace()
        for bits in (1 << at % 7, *((0x2A,) if blank else ())):
            target.write_bytes(sound[:at] + bytes([sound[at] ^ bits]) + sound[at + 1 :])
            with pytest.raises(DataError) as caught:
                read_weights(path)
            assert str(caught.value).startswith(f"{target}: the weights are corrupt"), at
    target.write_bytes(sound)
    read_weights(path)


@pytest.mark.parametrize("name", ["weights.safetensors", "weights.json"])
def test_truncation_anywhere_is_found_in_the_file_that_it_is_in(path: Path, name: str) -> None:
    target = path.with_name(name)
    sound = target.read_bytes()
    for length in range(0, len(sound), 7):
        target.write_bytes(sound[:length])
        with pytest.raises(DataError, match=f"{target.name}: the weights are corrupt"):
            read_weights(path)
    target.write_bytes(sound + b"\n")
    with pytest.raises(DataError, match=f"{target.name}: the weights are corrupt"):
        read_weights(path)


def test_tensors_of_another_file_are_not_taken(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.safetensors"
    write_weights(other, {**STATE, "classifier.bias": torch.tensor([4.0])}, provenance())
    path.write_bytes(other.read_bytes())
    with pytest.raises(DataError, match=r"weights\.safetensors: the weights are corrupt \(its SHA"):
        read_weights(path)


def edited(path: Path, change: Callable[[dict[str, object]], None]) -> None:
    stated = json.loads(path.with_suffix(".json").read_bytes())
    change(stated)
    path.with_suffix(".json").write_text(json.dumps(stated, indent=1) + "\n")


@pytest.mark.parametrize(
    "change",
    [
        lambda stated: stated.update(normalization="imagenet"),
        lambda stated: stated["origin"].update(official=True),
        lambda stated: stated.update(schema=2),
        lambda stated: stated.pop("golden"),
        lambda stated: stated.update(more=1),
        lambda stated: stated["shape"].update(depth=19),
    ],
)
def test_an_edited_provenance_is_refused(
    path: Path, change: Callable[[dict[str, object]], None]
) -> None:
    edited(path, change)
    with pytest.raises(DataError, match=r"weights\.json: the weights are corrupt"):
        read_provenance(path)


def test_missing_files_say_what_writes_them(path: Path) -> None:
    path.unlink()
    with pytest.raises(DataError, match=r"weights\.safetensors: cannot be read"):
        read_weights(path)
    path.with_suffix(".json").unlink()
    with pytest.raises(DataError, match=r"weights\.json: cannot be read .* `simclr-bench weights"):
        read_weights(path)


def test_a_write_that_is_stopped_leaves_nothing_that_counts(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(path: Path, data: bytes) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(file, "write_atomically", stop)
    with pytest.raises(KeyboardInterrupt):
        write_weights(path, {"encoder.x": torch.zeros(1)}, provenance())
    assert [p.name for p in path.parent.iterdir()] == ["weights.safetensors"]
    with pytest.raises(DataError, match="cannot be read"):
        read_weights(path)


def test_a_full_disk_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import safetensors.torch

    def fill(tensors: State, path: Path, metadata: dict[str, str]) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(safetensors.torch, "save_file", fill)
    with pytest.raises(DataError, match=r"w\.safetensors: cannot be written .*No space left"):
        write_weights(tmp_path / "w.safetensors", STATE, provenance())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("w.safetensors", {"encoder.x": torch.zeros(1), "head.x": torch.zeros(1)}),
        ("w.safetensors", {"classifier.weight": torch.zeros(1)}),
        ("w.pth", {"encoder.x": torch.zeros(1)}),
    ],
)
def test_what_is_no_weights_file_is_a_mistake_of_the_caller(
    tmp_path: Path, name: str, state: State
) -> None:
    with pytest.raises(ValueError, match="write_weights"):
        write_weights(tmp_path / name, state, provenance())


@pytest.mark.parametrize(
    "change",
    [
        {"origin": []},
        {"origin": {"kind": "file", "url": None, "files": {}}},
        {"origin": {"kind": "file", "url": 3, "files": {}, "official": False}},
        {"normalization": "other"},
        {"classifier_after": -1},
        {"classifier_after": "x"},
        {"golden": [1]},
        {"notes": 3},
        {"versions": None},
        {"name": 5},
        {"shape": {"depth": 50, "width": 10**6}},
        {"shape": {"depth": 50, "width": 1.5}},
    ],
    ids=str,
)
def test_a_description_that_nobody_here_wrote_is_refused(
    path: Path, change: dict[str, object]
) -> None:
    """Its checksum is right, and only what is in it is not."""
    write_weights(path, STATE, replace(provenance(), **change))  # type: ignore[arg-type]
    with pytest.raises(DataError, match=f"{path.with_suffix('.json')}: the weights are corrupt"):
        read_provenance(path)
