"""`simclr-bench weights`: what is published, fetched, converted, inspected."""

import json
from pathlib import Path
from typing import Any

import pytest

from simclr_bench.cli.main import main
from simclr_bench.networks.resnet import ResNet
from simclr_bench.weights.file import write_weights
from simclr_bench.weights.library import path_of
from tests.command import Command
from tests.weights.conftest import NAME, Publisher, cache, network, publisher  # noqa: F401
from tests.weights.invented import SMALL, encoder_state, heads, provenance


class Output:
    """What a command that ran in this process printed."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *words: str | Path) -> tuple[int, str, str]:
        code = main(["weights", *map(str, words)])
        captured = self._capsys.readouterr()
        return code, captured.out, captured.err

    def json(self, *words: str | Path) -> Any:
        code, out, _ = self(*words, "--json")
        assert code == 0
        return json.loads(out)

    def refused(self, code: int, *words: str | Path) -> str:
        got, out, err = self(*words)
        assert got == code and out == "", err
        line = err.strip().splitlines()[-1]
        assert line.startswith("simclr-bench: ")
        return line


@pytest.fixture
def weights(capsys: pytest.CaptureFixture[str]) -> Output:
    return Output(capsys)


def own(path: Path, network: ResNet) -> Path:  # noqa: F811
    write_weights(path, encoder_state(network) | heads(SMALL.features), provenance())
    return path


def test_the_real_command_lists_without_torch(command: Command) -> None:
    document = command("weights", "list", "--json").json
    assert document["directory"] == str(command.cache / "weights")
    assert len(document["weights"]) == 77
    first = document["weights"][0]
    assert first["name"] == NAME and first["state"] == "missing" and first["top1"] == 0.579
    assert first["urls"][0].startswith("https://storage.googleapis.com/simclr-checkpoints/")
    program = (
        "import sys; from simclr_bench.cli.main import main; main(['weights', 'list', 'torch']);"
        "sys.exit('torch' in sys.modules)"
    )
    import subprocess
    import sys

    done = subprocess.run([sys.executable, "-c", program], env=command.environment())
    assert done.returncode == 0


def test_a_list_of_some(cache: Path, weights: Output) -> None:  # noqa: F811
    code, out, _ = weights("list", "torchvision/")
    assert code == 0
    assert "vgg16" in out and "553 MB" in out and "71.6" in out and "simclrv2" not in out
    assert "begin with 'nothing'" in weights.refused(2, "list", "nothing")


@pytest.mark.parametrize(
    ("words", "needles"),
    [
        (["weights"], ["COMMAND"]),
        (["weights", "show"], ["'show'", "list"]),
        (["weights", "fetch"], ["NAME"]),
        (["weights", "fetch", "simclrv2/pretrained/r50"], ["did you mean simclrv2/pretrained/r50"]),
        (
            ["weights", "convert", "x", "--shape", "r51_1x_sk0"],
            ["'r51_1x_sk0' is none of r50_1x_sk0"],
        ),
        (["weights", "convert", "x", "--name", "a/../b"], ["'a/../b' cannot name weights"]),
    ],
)
def test_usage_errors(
    cache: Path,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    needles: list[str],
) -> None:
    assert main(words) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and len(captured.err.strip().splitlines()) == 1
    assert all(needle in captured.err for needle in needles), captured.err


def test_fetch_list_inspect(publisher: Publisher, weights: Output) -> None:  # noqa: F811
    (made,) = weights.json("fetch", NAME)["weights"]
    assert made["origin"]["official"] and made["path"] == str(path_of(NAME))
    row = weights.json("list", NAME)["weights"][0]
    assert row["state"] == "converted" and row["official"]
    assert "official" in weights("list", NAME)[1]
    found = weights.json("inspect", NAME)
    assert found["faults"] == [] and 0 <= found["golden"] < 1
    assert found["parameters"] == {
        "encoder": SMALL.parameters,
        "projection": 512 * 512 + 2 * 512 + 512 * 16 + 16,
        "classifier": 512 * 10 + 10,
    }
    assert found["sha256"] == made["sha256"] and found["shape"]["depth"] == 18
    code, out, _ = weights("fetch", NAME)
    assert code == 0 and f"{NAME}: r18_1x_sk0" in out and "official" in out
    code, out, _ = weights("inspect", NAME)
    assert code == 0 and "faults" in out and "none" in out and "11,180,736" in out


def test_a_fault_is_named_and_3(
    cache: Path,  # noqa: F811
    tmp_path: Path,
    network: ResNet,  # noqa: F811
    weights: Output,
) -> None:
    source = own(tmp_path / "my net.safetensors", network)
    (made,) = weights.json("convert", source)["weights"]
    assert made["name"] == "own/my-net"
    path = path_of("own/my-net")
    assert [row["name"] for row in weights.json("list", "own")["weights"]] == ["own/my-net"]
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)
    code, out, _ = weights("inspect", "own/my-net", "--json")
    assert code == 3
    (fault,) = json.loads(out)["faults"]
    assert fault.startswith(f"{path}: the weights are corrupt (its SHA-256 is")
    code, out, _ = weights("inspect", path)
    assert code == 3 and "the weights are corrupt" in " ".join(out.split())
    path.with_suffix(".json").write_text("{}")
    row = weights.json("list", "own")["weights"][0]
    assert row["state"] == "fault" and "weights.json" in row["fault"]


def test_every_file_that_is_wrong_is_named(
    cache: Path,  # noqa: F811
    tmp_path: Path,
    network: ResNet,  # noqa: F811
    weights: Output,
) -> None:
    weights.json("convert", own(tmp_path / "a.safetensors", network))
    path = path_of("own/a")
    files = [path.with_name("pins.json"), path.with_suffix(".json"), path]
    files[0].write_text("{")
    files[1].write_text(files[1].read_text() + " ")
    path.write_bytes(path.read_bytes()[:-1])
    code, out, _ = weights("inspect", "own/a", "--json")
    faults = json.loads(out)["faults"]
    assert code == 3 and len(faults) == 3
    assert all(fault.startswith(f"{file}: ") for fault, file in zip(faults, files, strict=True))
    for place in ("", "."):
        assert "neither weights" in weights.refused(3, "inspect", place) or place
        assert "wanted the files of one checkpoint" in weights.refused(3, "convert", place)


def test_what_cannot_be_inspected_is_refused(cache: Path, weights: Output) -> None:  # noqa: F811
    assert f"weights fetch {NAME}`" in weights.refused(3, "inspect", NAME)
    assert "neither weights" in weights.refused(3, "inspect", "nowhere.pth")
    assert "not there" in weights.refused(3, "convert", "nowhere.pth")


def test_a_checkpoint_of_tensorflow_is_to_be_converted(
    cache: Path,  # noqa: F811
    tmp_path: Path,
    weights: Output,
) -> None:
    (tmp_path / "model.ckpt-7.index").touch()
    assert "`weights convert` reads it" in weights.refused(3, "inspect", tmp_path / "model.ckpt-7")
