"""An embedded base is made once, kept under a key of its own, and read back to the bit."""

from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from simclr_bench.experiments.materials import bases as module
from simclr_bench.experiments.materials.bases import EmbeddedBase
from simclr_bench.networks.shapes import EncoderShape, PlainShape
from simclr_bench.training.bases import BaseRecipe

TINY = BaseRecipe(
    shape=PlainShape(stages=((4,), (6,))),
    classes=4,
    per_class=8,
    epochs=2,
    batch_size=16,
    threads=1,
)


class Recorded:
    """A progress that remembers what it was told."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, int]] = []
        self.advanced = 0

    @contextmanager
    def stage(self, description: str, total: int):
        self.stages.append((description, total))
        yield self

    def advance(self, amount: int = 1, note: str = "") -> None:
        self.advanced += amount

    def say(self, text: str) -> None:
        raise AssertionError(text)


@pytest.fixture(autouse=True)
def recipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIMCLR_BENCH_CACHE", str(tmp_path))
    # With fewer than 8 channels, torch 2.11's strided 1 x 1 convolutions corrupt memory in their
    # backward on a CPU without AVX-512 (oneDNN's brgconv_strided:avx2, channels last).
    residual = replace(TINY, shape=EncoderShape(stem=8, widths=(8, 10), strides=(2, 2)))
    monkeypatch.setattr(module, "BASE_RECIPES", {"vgg16": TINY, "resnet50": residual})


@pytest.mark.parametrize("student", ["vgg16", "resnet50"])
def test_a_base_is_trained_once_and_read_back_to_the_bit(student: str) -> None:
    progress = Recorded()
    first = EmbeddedBase(student).obtain(progress)
    second = EmbeddedBase(student).obtain(progress)
    assert progress.stages == [(f"training the student base {student} (with labels)", 4)]
    assert progress.advanced == 4
    images = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert torch.equal(first(images), second(images))
    assert not any(parameter.requires_grad for parameter in first.parameters())


def test_a_base_can_be_obtained_in_silence() -> None:
    assert EmbeddedBase("vgg16").obtain().body.shape == TINY.shape


def test_the_key_follows_the_student_and_the_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [EmbeddedBase("vgg16").key, EmbeddedBase("resnet50").key]
    monkeypatch.setattr(module, "BASE_RECIPES", {"vgg16": replace(TINY, seed=2)})
    keys.append(EmbeddedBase("vgg16").key)
    assert len(set(keys)) == 3 and all(len(key) == 24 for key in keys)


def test_an_unknown_student_is_refused() -> None:
    message = "EmbeddedBase: student must be one of vgg16, resnet50, got alexnet"
    with pytest.raises(ValueError, match=message):
        EmbeddedBase("alexnet")
