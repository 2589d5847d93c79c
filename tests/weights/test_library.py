"""The library: names, pins, what is there."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from simclr_bench.errors import DataError, UsageError
from simclr_bench.storage.pins import Pin, add_pins, read_pins
from simclr_bench.weights import catalog
from simclr_bench.weights.catalog import WEIGHTS, WeightsFile
from simclr_bench.weights.file import write_weights
from simclr_bench.weights.library import (
    find_weights,
    folder_of,
    installed,
    is_installed,
    path_of,
    state_of,
    weights_directory,
)
from simclr_bench.weights.pins import (
    check_files,
    is_official,
    is_publishers,
    official_hash,
    pins_path,
)
from tests.weights.invented import provenance

NAME = "simclrv2/finetuned_1pct/r50_1x_sk0"
BUCKET = "https://storage.googleapis.com/simclr-checkpoints"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIMCLR_BENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def put(name: str) -> None:
    write_weights(path_of(name), {"encoder.x": torch.ones(3)}, provenance(name))


@pytest.mark.parametrize("name", ["../x", "/x", "a//b", "a/../b", "", "a b", "x/original", ".x"])
def test_a_name_cannot_leave_the_library(name: str) -> None:
    with pytest.raises(UsageError, match="cannot name weights"):
        folder_of(name)


def test_what_is_there_is_listed(cache: Path) -> None:
    assert installed() == [] and not is_installed(NAME)
    put(NAME)
    put("own/b")
    assert [found.name for found in installed(check=True)] == ["own/b", NAME]
    assert all(not found.fault for found in installed(check=True))
    assert weights_directory() == cache / "weights"
    # Tensors whose description was never written do not count.
    path_of("own/b").with_suffix(".json").unlink()
    assert [found.name for found in installed()] == [NAME]


def test_what_is_wrong_is_a_fault_that_names_the_file() -> None:
    put("own/a")
    path = path_of("own/a")
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    assert installed()[0].fault == ""  # the tensors are read only on demand
    assert installed(check=True)[0].fault.startswith(f"{path}: the weights are corrupt")
    path.unlink()
    assert installed()[0].fault.startswith(f"{path}: missing")
    path.with_suffix(".json").write_text("{}")
    found = installed()[0]
    assert found.provenance is None and "weights.json: the weights are corrupt" in found.fault


def test_states_of_published_weights() -> None:
    entry = WEIGHTS[NAME]
    assert state_of(entry) == "missing"
    original = folder_of(NAME) / "original"
    original.mkdir(parents=True)
    (original / entry.files[0].name).touch()
    assert state_of(entry) == "missing"
    (original / entry.files[1].name).touch()
    assert state_of(entry) == "fetched"
    put(NAME)
    assert state_of(entry) == "converted"


def test_weights_are_found_by_name_and_by_path(tmp_path: Path) -> None:
    put("own/a")
    assert find_weights("own/a") == path_of("own/a")
    other = tmp_path / "some.pth"
    other.touch()
    assert find_weights(str(other)) == find_weights(other) == other
    with pytest.raises(DataError, match=f"`simclr-bench weights fetch {NAME}` gets it"):
        find_weights(NAME)
    with pytest.raises(DataError, match=r"nowhere\.pth: neither weights of the library nor a file"):
        find_weights("nowhere.pth")


def files(directory: Path, text: str = "") -> dict[str, Path]:
    paths = {file.name: directory / file.name for file in WEIGHTS[NAME].files}
    for name, path in paths.items():
        path.write_text(f"{name}{text}")
    return paths


def hashes_of(pins: dict[str, Pin]) -> dict[str, str]:
    return {name: pin.sha256 for name, pin in pins.items()}


def test_a_flipped_byte_of_what_is_pinned_is_named(tmp_path: Path) -> None:
    paths = files(tmp_path)
    found = check_files(NAME, paths)
    assert read_pins(pins_path(NAME)) == {}  # nobody knows yet that they are right
    add_pins(pins_path(NAME), found)
    assert check_files(NAME, paths) == found == read_pins(pins_path(NAME))
    assert [pin.bytes for pin in found.values()] == [len(name) for name in paths]
    hashes = hashes_of(found)
    data = paths["model.ckpt-751.data-00000-of-00001"]
    sound = data.read_bytes()
    for at in range(len(sound)):
        data.write_bytes(sound[:at] + bytes([sound[at] ^ 4]) + sound[at + 1 :])
        with pytest.raises(DataError, match=f"{data}: SHA-256 must be {hashes[data.name]}"):
            check_files(NAME, paths)
        data.write_bytes(sound[:at])
        with pytest.raises(DataError, match=f"{data}: SHA-256 must be"):
            check_files(NAME, paths)


def test_only_what_its_publisher_sent_is_official(tmp_path: Path) -> None:
    found = check_files(NAME, files(tmp_path))
    hashes = hashes_of(found)
    assert not is_official(NAME, hashes)
    add_pins(pins_path(NAME), found)
    assert not is_official(NAME, hashes)
    assert official_hash(NAME, "model.ckpt-751.index") is None  # a download may replace it
    sent = {
        name: replace(pin, url=f"{BUCKET}/x", official=is_publishers(f"{BUCKET}/x"))
        for name, pin in found.items()
    }
    add_pins(pins_path(NAME), sent)
    assert is_official(NAME, hashes)
    assert official_hash(NAME, "model.ckpt-751.index") == hashes["model.ckpt-751.index"]
    # All of them, and no others.
    assert not is_official(NAME, {"model.ckpt-751.index": hashes["model.ckpt-751.index"]})
    assert not is_official(NAME, {name: "0" * 64 for name in hashes})
    assert not is_official("own/a", hashes)


@pytest.mark.parametrize(
    ("url", "publishers"),
    [
        (f"{BUCKET}/x", True),
        ("https://download.pytorch.org/models/x.pth", True),
        ("https://example.org/model.ckpt-751.index", False),
        (f"{BUCKET.replace('https', 'http')}/x", False),
        ("https://storage.googleapis.com.example.org/x", False),
        ("https://storage.googleapis.com@example.org/x", False),
    ],
)
def test_a_publisher_is_known_by_scheme_and_host(url: str, publishers: bool) -> None:
    assert is_publishers(url) is publishers


def test_a_published_hash_needs_no_pin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mine.pth"
    path.write_bytes(b"abc")
    sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # of FIPS 180-2
    entry = replace(
        WEIGHTS["torchvision/vgg16"],
        files=(WeightsFile(name="v.pth", url=f"{catalog.TORCHVISION}/v.pth", sha256=sha256),),
    )
    monkeypatch.setitem(WEIGHTS, entry.name, entry)
    assert is_official(entry.name, hashes_of(check_files(entry.name, {"v.pth": path})))
    path.write_bytes(b"abd")
    with pytest.raises(DataError, match=f"{path}: SHA-256 must be {sha256}"):
        check_files(entry.name, {"v.pth": path})
