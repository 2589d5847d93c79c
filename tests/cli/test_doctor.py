"""`doctor`: one line per check, a remedy where one is needed."""

from pathlib import Path

import pytest

from tests.command import Command

NAMES = ["python", "torch", "torchvision", "extension", "cuda device", "data", "weights", "disk"]


def test_a_sound_machine_passes_with_one_line_per_check(command: Command) -> None:
    result = command("doctor")
    assert result.code == 0, result.stdout
    lines = result.stdout.splitlines()
    assert [line.split(":")[0].split(maxsplit=1)[1] for line in lines] == NAMES
    assert not any(line.startswith("fault") for line in lines)
    (weights,) = [line for line in lines if " weights:" in line]
    assert f"{command.cache}: without encoder, vgg16 base, resnet50 base; the first" in weights


def test_json_holds_the_same_checks(command: Command) -> None:
    from simclr_bench.losses import compiled_extension

    document = command("doctor", "--json").json
    checks = {check["name"]: check["found"] for check in document["checks"]}
    assert list(checks) == NAMES
    assert document["faults"] == 0
    # The extension's line says what it was built with.
    info = compiled_extension().build_info
    assert info is not None
    assert info["compiler"] in checks["extension"]
    for architecture in info["architectures"]:
        assert architecture in checks["extension"]


def shadow(folder: Path, module: str, source: str) -> str:
    """A PYTHONPATH on which `module` is this source instead of the real one."""
    (folder / module).mkdir(parents=True)
    (folder / module / "__init__.py").write_text(source)
    return str(folder)


NMS = "raise RuntimeError('operator torchvision::nms does not exist')\n"


def test_the_broken_pair_is_recognized(command: Command, tmp_path: Path) -> None:
    path = shadow(tmp_path / "shadow", "torchvision", NMS)
    result = command("doctor", PYTHONPATH=path)
    assert result.code == 3
    (line,) = [line for line in result.stdout.splitlines() if " torchvision:" in line]
    assert line.startswith("fault") and "is not built for torch" in line
    assert "pip install torch==2.11.0 torchvision==0.26.0" in line


def test_other_commands_point_at_doctor(command: Command, tmp_path: Path) -> None:
    path = shadow(tmp_path / "shadow", "torchvision", NMS)
    (tmp_path / "data").mkdir()
    result = command("transfer", "--data", tmp_path / "data", PYTHONPATH=path)
    result.assert_refused(3, "the installation is broken", "`simclr-bench doctor`")


@pytest.mark.parametrize("module", ["torch", "torchvision"])
def test_a_package_that_does_not_import_is_a_fault(
    command: Command, tmp_path: Path, module: str
) -> None:
    path = shadow(tmp_path / "shadow", module, "raise ImportError('libgone.so: missing')\n")
    result = command("doctor", PYTHONPATH=path)
    assert result.code == 3 and "Traceback" not in result.stderr
    (line,) = [line for line in result.stdout.splitlines() if f" {module}:" in line]
    assert "libgone.so: missing" in line and "pip install" in line


def test_a_corrupt_file_of_the_library_is_a_fault(command: Command) -> None:
    path = command.cache / "weights" / "own" / "mine" / "weights.safetensors"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"tensors")
    path.with_suffix(".json").write_text("{}")
    result = command("doctor")
    assert result.code == 3
    (line,) = [line for line in result.stdout.splitlines() if " weights:" in line]
    assert line.startswith("fault") and f"{path.with_suffix('.json')}: the weights are corr" in line
    assert "fetch or convert them again" in line
