"""Weights into the library: fetched, converted, refused."""

import copy
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import safetensors.torch
import torch

from simclr_bench.errors import DataError, UsageError
from simclr_bench.networks.resnet import ResNet
from simclr_bench.networks.shapes import ResNetShape
from simclr_bench.storage.files import file_sha256
from simclr_bench.storage.pins import read_pins
from simclr_bench.weights import file as weights_file
from simclr_bench.weights.build import random_encoder
from simclr_bench.weights.catalog import WEIGHTS, WeightsFile
from simclr_bench.weights.file import Provenance, read_provenance, write_weights
from simclr_bench.weights.install import convert, fetch
from simclr_bench.weights.library import folder_of, is_installed, path_of
from simclr_bench.weights.load import load_base, load_encoder
from simclr_bench.weights.pins import pins_path
from tests.weights.conftest import NAME, Publisher
from tests.weights.invented import SMALL, encoder_state, heads, provenance

DATA = "model.ckpt-751.data-00000-of-00001"


def fetched() -> Provenance:
    return fetch(WEIGHTS[NAME])


def test_fetched_weights_are_official_and_compute_what_they_should(
    publisher: Publisher, network: ResNet
) -> None:
    stated = fetched()
    assert stated.official and stated.origin["kind"] == "fetched"
    assert stated.origin["url"] == WEIGHTS[NAME].url
    assert stated.origin["files"].keys() == {"model.ckpt-751.index", DATA}
    assert stated.versions["tensorflow"] == "2.0" and stated.classifier_after == 1
    assert stated.notes == ["global_step 751", "3 variables left out: slots of the optimizer"]
    loaded = load_encoder(NAME)
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        features = network(images)
        torch.testing.assert_close(loaded.network(images), features)
        # The classifier of 1 % of the labels is behind the first layer of the head.
        state = publisher.state
        assert loaded.projection is not None and loaded.classifier is not None
        dense = features @ state["projection.dense.0.weight"].T / (1 + 1e-5) ** 0.5
        logits = dense.relu() @ state["classifier.weight"].T + state["classifier.bias"]
        torch.testing.assert_close(loaded.classify(features), logits, rtol=1e-4, atol=1e-5)
    assert not loaded.network.training
    assert not any(p.requires_grad for p in loaded.network.parameters())


def test_what_is_there_and_sound_is_not_fetched_again(publisher: Publisher) -> None:
    first = fetched()
    assert fetched() == first and len(publisher.downloads) == 2
    path = path_of(NAME)
    path.write_bytes(path.read_bytes()[:-1] + b"\x7f")
    assert fetched() == first  # made again, of what was downloaded
    assert len(publisher.downloads) == 2
    load_encoder(NAME)


def test_files_from_another_host_are_not_official(publisher: Publisher) -> None:
    publisher.redirected = "https://mirror.example.org/x"
    assert not fetched().official
    pin = read_pins(pins_path(NAME))[DATA]
    assert pin.url == publisher.redirected and not pin.official


def test_a_checkpoint_of_another_step_is_not_the_published_one(publisher: Publisher) -> None:
    publisher.step = 700
    with pytest.raises(DataError, match=f"global_step must be 751 for {NAME}, got 700"):
        fetched()
    assert not is_installed(NAME)


def test_dead_networks_are_refused_before_anything_is_written(publisher: Publisher) -> None:
    # As a public converter made them (SimCLRv2-Pytorch, issue 5): all-zero features.
    publisher.state = {name: torch.zeros_like(t) for name, t in publisher.state.items()}
    with pytest.raises(DataError, match=f"{NAME}: the network gives features that are all zero"):
        fetched()
    assert not is_installed(NAME)


def test_a_flipped_byte_of_a_fetched_checkpoint_is_found_by_name(publisher: Publisher) -> None:
    fetched()
    for file in ("model.ckpt-751.index", DATA):
        original = folder_of(NAME) / "original" / file
        sound = original.read_bytes()
        for broken in (sound[:-1], sound[:-1] + b"?", b"?" + sound[1:], b""):
            original.write_bytes(broken)
            with pytest.raises(DataError, match=f"{original}: SHA-256 must be"):
                convert(original, name=NAME)
        original.write_bytes(sound)
    assert convert(original, name=NAME).official  # by its hash, which the download pinned


def test_without_tensorflow_nothing_is_downloaded(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has no TensorFlow, .*--python"):
        fetch(WEIGHTS[NAME], python=Path(sys.executable))
    assert not (folder_of(NAME) / "original").exists()
    with pytest.raises(UsageError, match="nothing: cannot be run"):
        fetch(WEIGHTS[NAME], python=tmp_path / "nothing")
    with pytest.raises(UsageError, match="--python /bin/true: is no Python interpreter"):
        fetch(WEIGHTS[NAME], python=Path("/bin/true"))


def checkpoint(directory: Path, text: str = "abc") -> Path:
    directory.mkdir(exist_ok=True)
    for file in ("model.ckpt-751.index", DATA):
        (directory / file).write_text(text)
    return directory / "model.ckpt-751"


def test_a_users_own_checkpoint_is_pinned_but_not_official(
    publisher: Publisher, tmp_path: Path
) -> None:
    prefix = checkpoint(tmp_path / "mine")
    stated = convert(prefix, name=NAME)
    assert not stated.official and stated.origin["kind"] == "file"
    checkpoint(tmp_path / "mine", "abd")
    with pytest.raises(DataError, match=f"{prefix}.index: SHA-256 must be"):
        convert(prefix, name=NAME)
    convert(prefix, name="own/other")
    # A download may replace what was only a user's.
    assert fetched().official


def test_what_was_refused_is_not_pinned(
    cache: Path, tmp_path: Path, network: ResNet, publisher: Publisher
) -> None:
    """A download that was cut off must not stand in the way of the whole file."""
    path = tmp_path / "mine.safetensors"
    path.write_bytes(b"half of it")
    with pytest.raises(DataError, match=f"{path}: not a readable safetensors file"):
        convert(path, name="own/mine")
    ours(path, network)
    path.with_suffix(".json").unlink()
    with pytest.raises(DataError, match=f"{path}: "):  # of a network that no library has
        convert(path, name="own/mine")
    assert read_pins(pins_path("own/mine")) == {}
    publisher.step = 700
    prefix = checkpoint(tmp_path / "cut")
    with pytest.raises(DataError, match="global_step"):
        convert(prefix, name=NAME)
    publisher.step = 751
    checkpoint(tmp_path / "cut", "whole")
    stated = convert(prefix, name=NAME)
    pins = read_pins(pins_path(NAME))
    assert {file: pin.sha256 for file, pin in pins.items()} == stated.origin["files"]
    assert not any(pin.official for pin in pins.values())


def test_what_is_not_there_says_what_was_looked_for(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"x\.ckpt: not there, and no x\.ckpt\.index either"):
        convert(tmp_path / "x.ckpt", name="own/x")
    with pytest.raises(UsageError, match="cannot name weights"):
        convert(tmp_path / "x.ckpt", name="../x")


def ours(path: Path, network: ResNet, name: str = "own/small") -> Path:
    write_weights(path, encoder_state(network) | heads(SMALL.features), provenance(name))
    return path


def test_our_own_files_are_taken_with_their_provenance(
    cache: Path, tmp_path: Path, network: ResNet
) -> None:
    path = ours(tmp_path / "trained.safetensors", network)
    stated = convert(path, name="own/again")
    assert stated.origin["kind"] == "trained" and stated.name == "own/again"
    assert stated.golden is not None and stated.golden["tolerance"] < 5e-3
    with pytest.raises(DataError, match=f"holds own/small, not {NAME}"):
        convert(path, name=NAME)


def test_a_network_that_computes_something_else_stops_the_run(
    cache: Path, tmp_path: Path, network: ResNet
) -> None:
    stated = convert(ours(tmp_path / "w.safetensors", network), name="own/a")
    symmetric = replace(stated, shape={**stated.shape, "pool": "symmetric"})
    write_weights(path_of("own/a"), encoder_state(network) | heads(SMALL.features), symmetric)
    with pytest.raises(DataError, match="own/a: the network does not compute what it did"):
        load_encoder("own/a")
    load_encoder("own/a", check_golden=False)


def test_weights_that_do_not_fit_are_reported(cache: Path, tmp_path: Path, network: ResNet) -> None:
    state = encoder_state(network)
    del state["encoder.conv1.weight"]
    path = tmp_path / "w.safetensors"
    write_weights(path, state | {"encoder.fc.weight": torch.ones(1)}, provenance())
    with pytest.raises(DataError) as caught:
        load_encoder(path)
    assert str(caught.value).startswith(f"{path}, encoder: does not fit ResNet")
    assert "1 missing: conv1.weight; 1 unexpected: fc.weight" in str(caught.value)


@pytest.mark.parametrize(
    ("part", "strange", "words"),
    [
        ("classifier.weight", torch.ones(10), r"classifier: .*misshapen: weight \[10\] for"),
        ("classifier.weight", torch.ones(10, 100), r"weight \[10, 100\] for \[10, 512\]"),
        (
            "projection.dense.1.weight",
            torch.ones(()),
            r"projection: .*weight \[\] for",
        ),
    ],
)
def test_heads_that_do_not_fit_the_features_are_reported(
    cache: Path,
    tmp_path: Path,
    network: ResNet,
    part: str,
    strange: torch.Tensor,
    words: str,
) -> None:
    path = tmp_path / "w.safetensors"
    state = encoder_state(network) | heads(SMALL.features) | {part: strange}
    write_weights(path, state, provenance())
    with pytest.raises(DataError, match=f"{path}, {words}" if ":" in words else words):
        load_encoder(path)


def test_a_killed_process_leaves_what_was_there_and_no_litter(
    cache: Path, tmp_path: Path, network: ResNet
) -> None:
    path = ours(tmp_path / "w.safetensors", network)
    first = convert(path, name="own/a")
    for moment in ("save_file", "file_sha256"):
        child = os.fork()
        if child == 0:  # dies as it writes the tensors, and before it gives them their name
            torch.set_num_threads(1)  # OpenMP's others were not forked: it would wait for them
            module = safetensors.torch if moment == "save_file" else weights_file
            kill: Any = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)  # noqa: E731
            setattr(module, moment, kill)
            state = encoder_state(network) | heads(SMALL.features)
            write_weights(path_of("own/a"), state, provenance("own/a"))
        assert os.waitpid(child, 0)[1] == signal.SIGKILL
        assert read_provenance(path_of("own/a")) == first
        load_encoder("own/a")
    assert list(path_of("own/a").parent.glob(".weights.safetensors.*"))
    convert(path, name="own/a")
    assert not list(path_of("own/a").parent.glob(".weights.safetensors.*"))


@pytest.fixture
def vgg16(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Torchvision's cache with a VGG16 in it, whose hash is then the published one."""
    import torchvision

    torch.manual_seed(0)
    body = torchvision.models.vgg.make_layers(torchvision.models.vgg.cfgs["D"])
    state = {f"features.{name}": tensor for name, tensor in body.state_dict().items()}
    path = tmp_path / "torch" / "hub" / "checkpoints" / "vgg16-397923af.pth"
    path.parent.mkdir(parents=True)
    torch.save({**state, "classifier.0.weight": torch.zeros(1)}, path)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    entry = WEIGHTS["torchvision/vgg16"]
    file = WeightsFile(name=path.name, url=entry.files[0].url, sha256=file_sha256(path))
    monkeypatch.setitem(WEIGHTS, entry.name, replace(entry, files=(file,)))
    return path


def test_a_base_comes_from_torchvisions_cache(vgg16: Path, tmp_path: Path) -> None:
    base = load_base("torchvision/vgg16")
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        native, simclr = base(images), base(images, "simclr")
        by_hand = base.body((images - base.mean) / base.std)
    assert native.shape == (2, 512) and base.features == 512
    assert torch.equal(native, by_hand) and torch.equal(simclr, base.body(images))
    assert not torch.allclose(native, simclr)
    stated = load_encoder("torchvision/vgg16").provenance
    assert stated.official and stated.origin["kind"] == "file"
    assert stated.origin["url"] == "https://download.pytorch.org/models/vgg16-397923af.pth"
    assert any("dense layers" in note for note in stated.notes)
    # By its path it is the same, under any name.
    copied = tmp_path / "vgg.pth"
    copied.write_bytes(vgg16.read_bytes())
    loaded = load_encoder(copied)
    assert loaded.provenance.official and loaded.provenance.sha256 == file_sha256(copied)
    with torch.no_grad():
        assert torch.equal(loaded.network(images), native)


@pytest.fixture
def server(vgg16: Path) -> Iterator[str]:
    """A server of the files in torchvision's cache."""

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *words: object) -> None:
            pass

    handler = partial(Handler, directory=str(vgg16.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as served:
        Thread(target=served.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{served.server_port}"
        served.shutdown()


def test_a_file_that_a_server_gives_is_taken_by_its_published_hash(
    vgg16: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = WEIGHTS["torchvision/vgg16"]
    file = replace(entry.files[0], url=f"{server}/{vgg16.name}")
    entry = replace(entry, files=(file,))
    monkeypatch.setitem(WEIGHTS, entry.name, entry)
    with pytest.raises(DataError, match=f"{vgg16.name}: .*the network is forbidden"):
        fetch(entry, offline=True)
    stated = fetch(entry)
    assert stated.origin["kind"] == "fetched" and stated.official
    assert stated.origin["files"] == {vgg16.name: file.sha256}
    # Another file under the address is not taken, and what is there stays.
    vgg16.write_bytes(vgg16.read_bytes()[:-1] + b"?")
    (folder_of(entry.name) / "original" / vgg16.name).unlink()
    assert fetch(entry) == stated
    path_of(entry.name).write_bytes(b"broken")
    with pytest.raises(DataError, match=f"{vgg16.name}.*{file.sha256} wanted"):
        fetch(entry)


def test_a_corrupt_file_of_torchvisions_cache_is_named(vgg16: Path) -> None:
    sound = vgg16.read_bytes()
    for at in (len(sound) // 2, len(sound) - 1, 0):
        vgg16.write_bytes(sound[:at] + bytes([sound[at] ^ 1]) + sound[at + 1 :])
        for name in ("torchvision/vgg16", vgg16):
            with pytest.raises(DataError, match=f"{vgg16}: SHA-256 must be"):
                load_base(name)
    vgg16.write_bytes(sound[: len(sound) // 2])
    with pytest.raises(DataError, match=f"{vgg16}: SHA-256 must be"):
        load_base("torchvision/vgg16")
    vgg16.unlink()
    with pytest.raises(DataError, match="`simclr-bench weights fetch torchvision/vgg16` gets it"):
        load_base("torchvision/vgg16")


def test_published_weights_must_hold_the_published_network(
    vgg16: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = replace(WEIGHTS["torchvision/vgg16"], shape=ResNetShape(pool="symmetric"))
    monkeypatch.setitem(WEIGHTS, entry.name, entry)
    with pytest.raises(DataError, match=r"torchvision/vgg16 must be .*'depth': 50.*, got"):
        convert(vgg16, name="torchvision/vgg16")
    with pytest.raises(UsageError, match="--shape is for TensorFlow"):
        convert(vgg16, name="own/vgg", shape=SMALL)


def test_random_encoders_are_determined_by_their_seed() -> None:
    one, same, other = (random_encoder(SMALL, seed) for seed in (3, 3, 4))
    assert one.provenance == same.provenance
    assert one.provenance.sha256 != other.provenance.sha256
    assert one.provenance.origin == {"kind": "random", "url": None, "files": {}, "official": False}
    state = copy.deepcopy(one.network.state_dict())
    assert all(torch.equal(state[n], t) for n, t in same.network.state_dict().items())
    assert one.projection is None and one.classifier is None and one.features == 512
    with pytest.raises(DataError, match="no classifier"):
        one.classify(torch.zeros(1, 512))
