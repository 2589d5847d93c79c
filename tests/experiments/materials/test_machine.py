"""What the losses run on is asked once, and asked again when it may have changed."""

import json
from pathlib import Path

import pytest

from simclr_bench.experiments.materials.machine import compiled_losses
from simclr_bench.losses import compiled_extension


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIMCLR_BENCH_CACHE", str(tmp_path))
    return tmp_path / "machine"


def test_the_answer_is_that_of_the_extension(cache: Path) -> None:
    extension = compiled_extension()
    expected = {"build_info": extension.build_info, "cpu_capability": extension.cpu_capability}
    assert compiled_losses() == expected == compiled_losses()
    assert len(list(cache.iterdir())) == 1


def test_the_answer_is_kept(cache: Path) -> None:
    compiled_losses()
    (path,) = cache.iterdir()
    path.write_text(json.dumps({"build_info": None, "cpu_capability": "kept"}))
    assert compiled_losses()["cpu_capability"] == "kept"


def test_another_choice_of_kernels_is_another_question(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled_losses()
    monkeypatch.setenv("SIMCLR_BENCH_CPU_CAPABILITY", "another")
    compiled_losses()
    assert len(list(cache.iterdir())) == 2


@pytest.mark.parametrize("text", ["", "{", "[]", '{"build_info": 1}'])
def test_a_broken_answer_is_asked_for_again(cache: Path, text: str) -> None:
    found = compiled_losses()
    (path,) = cache.iterdir()
    path.write_text(text)
    assert compiled_losses() == found
