"""What the machine's check says of networks that have been trained."""

import shutil

import pytest

from simclr_bench.experiments.materials.bases import EmbeddedBase
from simclr_bench.training.encoder_cache import encoder_paths
from tests.command import Command


def test_trained_networks_are_found_and_a_damaged_base_is_a_fault(
    keeping: Command, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(keeping.cache / "encoders", command.cache / "encoders")
    checks = {check["name"]: check for check in command("doctor", "--json").json["checks"]}
    assert checks["weights"]["found"].endswith(
        "encoder, vgg16 base, resnet50 base are there, checksums right"
    )
    monkeypatch.setenv("SIMCLR_BENCH_CACHE", str(command.cache))
    weights, _ = encoder_paths(EmbeddedBase("resnet50").key)
    weights.write_bytes(weights.read_bytes()[:-1])
    result = command("doctor", "--json")
    assert result.code == 3
    (fault,) = [check for check in result.json["checks"] if check["status"] == "fault"]
    assert fault["name"] == "weights" and str(weights) in fault["found"]
