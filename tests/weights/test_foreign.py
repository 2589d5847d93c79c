"""Checkpoints of other libraries: renamed, equal in what they compute, refused where unknown."""

import copy
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch
import torchvision
from torch import Tensor, nn

from simclr_bench.errors import DataError
from simclr_bench.networks.shapes import ResNetShape
from simclr_bench.weights.build import IMAGENET_MEAN, IMAGENET_STD, Vgg16Features, build_encoder
from simclr_bench.weights.foreign import map_names, read_foreign
from tests.weights.invented import provenance, settle

TORCHVISION = ResNetShape(pool="symmetric")

State = dict[str, Tensor]


@pytest.fixture(scope="module")
def resnet50() -> nn.Module:
    torch.manual_seed(0)
    return settle(torchvision.models.resnet50())


@pytest.fixture(scope="module")
def state(resnet50: nn.Module) -> State:
    return resnet50.state_dict()


def without(state: State, prefix: str) -> State:
    return {name: tensor for name, tensor in state.items() if not name.startswith(prefix)}


def prefixed(state: State, prefix: str) -> State:
    return {f"{prefix}{name}": tensor for name, tensor in without(state, "fc.").items()}


def lightly_of_its_tutorial(resnet50: nn.Module) -> State:
    """As lightly's tutorial builds it: Sequential(*list(resnet.children())[:-1]) and a head."""
    backbone = nn.Sequential(*list(resnet50.children())[:-1])
    state = {f"backbone.{name}": tensor for name, tensor in backbone.state_dict().items()}
    # Names and shapes of lightly 1.6, SimCLRProjectionHead.
    for index, width in ((0, 2048), (3, 128)):
        state[f"projection_head.layers.{index}.weight"] = torch.zeros(width, 2048)
        for name in ("weight", "bias", "running_mean", "running_var"):
            state[f"projection_head.layers.{index + 1}.{name}"] = torch.ones(width)
        state[f"projection_head.layers.{index + 1}.num_batches_tracked"] = torch.tensor(1)
    return state


def lightly_of_its_benchmark(resnet50: nn.Module) -> State:
    head = {
        "online_classifier.classification_head.weight": torch.ones(9, 2048),
        "online_classifier.classification_head.bias": torch.ones(9),
        "projection_head.layers.0.weight": torch.zeros(2048, 2048),
    }
    return {"state_dict": prefixed(resnet50.state_dict(), "backbone.") | head}  # type: ignore


def solo_learn(resnet50: nn.Module) -> State:
    head = {
        "classifier.weight": torch.ones(9, 2048),
        "classifier.bias": torch.ones(9),
        "projector.0.weight": torch.zeros(2048, 2048),
        "projector.0.bias": torch.zeros(2048),
        "projector.2.weight": torch.zeros(128, 2048),
        "projector.2.bias": torch.zeros(128),
    }
    lightning = {"state_dict": prefixed(resnet50.state_dict(), "backbone.") | head, "epoch": 3}
    return lightning  # type: ignore


def solo_learn_of_old(resnet50: nn.Module) -> State:
    return prefixed(resnet50.state_dict(), "encoder.")


def vissl(resnet50: nn.Module) -> State:
    trunk = prefixed(resnet50.state_dict(), "_feature_blocks.")
    heads = {"0.clf.0.weight": torch.zeros(2048, 2048), "1.clf.0.weight": torch.zeros(128, 2048)}
    packed = {"base_model": {"model": {"trunk": trunk, "heads": heads}}, "phase_idx": 99}
    return {"classy_state_dict": packed, "phase": 99}  # type: ignore


def distributed(resnet50: nn.Module) -> State:
    return {f"module.{name}": tensor for name, tensor in resnet50.state_dict().items()}


CASES = [
    (lightly_of_its_tutorial, "lightly", ["encoder"], ["projection_head.* (12 tensors)"]),
    (lightly_of_its_benchmark, "lightly", ["encoder", "classifier"], ["projection_head.* (1 t"]),
    (solo_learn, "solo-learn", ["encoder", "classifier"], ["projector.* (4 tensors)"]),
    (solo_learn_of_old, "solo-learn", ["encoder"], []),
    (vissl, "VISSL", ["encoder"], ["heads (2 tensors)"]),
    (distributed, "torchvision", ["encoder", "classifier"], []),
]


@pytest.mark.parametrize(("pack", "library", "parts", "dropped"), CASES)
def test_each_library_is_recognized_and_renamed(
    resnet50: nn.Module,
    state: State,
    pack: Callable[[nn.Module], State],
    library: str,
    parts: list[str],
    dropped: list[str],
) -> None:
    mapped = map_names(pack(resnet50), "here")
    assert mapped.library == library and mapped.shape == TORCHVISION
    assert all(w.startswith(start) for w, start in zip(mapped.dropped, dropped, strict=True))
    encoder = {n: t for n, t in mapped.state.items() if n.startswith("encoder.")}
    wanted = {n for n in without(state, "fc.") if not n.endswith("num_batches_tracked")}
    assert {name.removeprefix("encoder.") for name in encoder} == wanted
    for name, tensor in encoder.items():
        assert torch.equal(tensor, state[name.removeprefix("encoder.")])
    assert list(dict.fromkeys(name.partition(".")[0] for name in mapped.state)) == parts


def images(size: int) -> Tensor:
    return torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(1))


def normalized(batch: Tensor) -> Tensor:
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    return (batch - mean) / std


def test_a_torchvision_network_computes_what_it_did(resnet50: nn.Module) -> None:
    mapped = map_names(resnet50.state_dict(), "here")
    stated = provenance(shape=mapped.shape, normalization="imagenet")
    loaded = build_encoder(mapped.state, stated, "here")
    # In float64 nothing is left but what differs in kind.
    original = copy.deepcopy(resnet50).double()
    loaded.network.double()
    assert loaded.classifier is not None
    loaded.classifier.double()
    batch = images(64).double()
    with torch.no_grad():
        features, raw = loaded.network(batch), loaded.network(batch, "simclr")
        torch.testing.assert_close(loaded.classify(features), original(normalized(batch)))
        torch.testing.assert_close(loaded.classify(raw), original(batch))
    assert features.shape == (2, 2048) and not torch.allclose(features, raw)


def test_vgg16_computes_what_it_did() -> None:
    # Of the real classifier's 124 million parameters only names and one value are needed.
    body = torchvision.models.vgg.make_layers(torchvision.models.vgg.cfgs["D"])
    state = {f"features.{name}": tensor for name, tensor in body.state_dict().items()}
    state |= {f"classifier.{i}.{n}": torch.zeros(1) for i in (0, 3, 6) for n in ("weight", "bias")}
    mapped = map_names(state, "here")
    assert mapped.shape == "vgg16" and mapped.library == "torchvision"
    assert mapped.dropped[0].startswith("classifier.* (6 tensors)")
    loaded = build_encoder(
        mapped.state, provenance(shape="vgg16", normalization="imagenet"), "here"
    )
    with torch.no_grad():
        wanted = body(normalized(images(64))).mean(dim=(2, 3))
        torch.testing.assert_close(loaded.network(images(64)), wanted)
    assert loaded.features == 512 and loaded.classifier is None


def test_the_names_of_vgg16_are_torchvisions() -> None:
    with torch.device("meta"):
        mapped = map_names(torchvision.models.vgg16().state_dict(), "here")
        ours = set(Vgg16Features().state_dict())
    assert {name.removeprefix("encoder.") for name in mapped.state} == ours


def wide() -> State:
    with torch.device("meta"):
        return torchvision.models.wide_resnet50_2().state_dict()


def test_a_network_that_only_looks_alike_is_refused() -> None:
    state = {name: torch.zeros(tensor.shape) for name, tensor in wide().items()}
    mapped = map_names(state, "here")
    with pytest.raises(DataError, match=r"misshapen: layer1\.0\.conv1\.weight \[128, 64, 1, 1\]"):
        build_encoder(mapped.state, provenance(shape=mapped.shape), "here")


def deep(channels: int) -> State:
    """Names of a ResNet-50, with as many channels in its stem."""
    names = [f"layer{g + 1}.{b}.conv3.weight" for g, n in enumerate((3, 4, 6, 3)) for b in range(n)]
    stem = torch.zeros(1, 3, 7, 7).expand(channels, -1, -1, -1)
    return {"conv1.weight": stem, **dict.fromkeys(names, torch.zeros(1))}


def shallow() -> State:
    with torch.device("meta"):
        return torchvision.models.resnet18().state_dict()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({}, "no state dict"),
        ({"epoch": 3}, "no state dict"),
        ([1, 2], "no state dict"),
        (torch.zeros(3), "no state dict"),
        ({"state_dict": torch.zeros(3)}, "none of VISSL's"),
        (deep(9 * 64), "conv1 has 576 channels: width must be a whole number of 1 to 8"),
        (deep(32), "conv1 has 32 channels: width must be a whole number of 1 to 8"),
        ({"blocks.0.attn.qkv.weight": torch.zeros(1)}, "none of VISSL's"),
        (shallow(), r"\[2, 2, 2, 2\] blocks"),
        (
            {"backbone.conv1.weight": torch.zeros(64, 3, 3, 3)},
            r"\[n, 3, 7, 7\], got \[64, 3, 3, 3\]",
        ),
    ],
)
def test_what_is_not_known_is_refused(content: object, words: str) -> None:
    with pytest.raises(DataError, match=f"file.pth: .*{words}"):
        map_names(content, "file.pth")


def test_an_unknown_tensor_is_refused_by_name(state: State) -> None:
    more = {**prefixed(state, "backbone."), "predictor.0.weight": torch.zeros(1)}
    with pytest.raises(DataError, match=r"here: no rule for predictor\.0\.weight"):
        map_names(more, "here")
    # Under torchvision's own names everything belongs to the network: the network refuses it.
    mapped = map_names({**state, "attention.weight": torch.zeros(1)}, "here")
    with pytest.raises(DataError, match=r"1 unexpected: attention\.weight"):
        build_encoder(mapped.state, provenance(shape=TORCHVISION), "here")


class Canary:
    """Pickled, it makes a directory when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., None], tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_a_malicious_pickle_is_refused_and_does_nothing(tmp_path: Path) -> None:
    canary, path = tmp_path / "canary", tmp_path / "evil.pth"
    torch.save({"conv1.weight": torch.zeros(64, 3, 7, 7), "x": Canary(canary)}, path)
    with pytest.raises(DataError) as caught:
        read_foreign(path)
    assert str(caught.value).startswith(
        f"{path}: refused, it holds more than tensors (posix.mkdir)"
    )
    assert "\n" not in str(caught.value)
    assert not canary.exists()
    torch.load(path, weights_only=False)  # the trap is a trap
    assert canary.exists()


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_a_file_that_is_none_is_one_line(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    for data in (b"", b"no checkpoint\n" * 40, b"PK\x03\x04broken"):
        path.write_bytes(data)
        with pytest.raises(DataError, match=f"{name}: not a readable") as caught:
            read_foreign(path)
        assert "\n" not in str(caught.value)


def test_a_flipped_byte_that_torch_takes_is_named(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    torch.save({"features.0.weight": torch.zeros(64, 3, 3, 3)}, path)
    sound = path.read_bytes()
    at = len(sound) // 2
    path.write_bytes(sound[:at] + bytes([sound[at] ^ 0x40]) + sound[at + 1 :])
    assert torch.load(path, weights_only=True)["features.0.weight"].any()
    with pytest.raises(DataError, match=rf"{path}: corrupt, the CRC of \S+/data/0 in it differs"):
        read_foreign(path)


def test_no_refusal_says_how_to_run_a_pickle(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    canary = tmp_path / "canary"
    for protocol in range(6):
        path.write_bytes(pickle.dumps({"x": Canary(canary)}, protocol))
        with pytest.raises(DataError) as caught:
            read_foreign(path)
        assert "weights_only" not in str(caught.value) and "likely succeed" not in str(caught.value)
    assert not canary.exists()


def test_safetensors_of_others_are_read(tmp_path: Path, state: State) -> None:
    path = tmp_path / "w.safetensors"
    safetensors.torch.save_file({**without(state, "fc."), "fc.weight": state["fc.weight"]}, path)
    assert read_foreign(path).shape == TORCHVISION
