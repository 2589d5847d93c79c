"""Fine-tuning and distillation through the real command, from weights that it pretrained."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from torchvision.io import write_png

from simclr_bench.weights.load import load_encoder
from tests.command import Command
from tests.end_to_end.here import here

SMALL = ("--image-size", "40", "--batch-size", "8", "--device", "cpu", "--json")


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Command:
    return Command(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("classes")
    generator = torch.Generator().manual_seed(0)
    for name, base in (("bright", 200), ("dark", 20)):
        (folder / name).mkdir()
        for number in range(10):
            noise = torch.randint(0, 40, (3, 18, 20), generator=generator)
            write_png((base + noise).to(torch.uint8), str(folder / name / f"{number}.png"))
    return folder


def bytes_of(out: Path) -> list[bytes]:
    names = ("weights.safetensors", "weights.json", "losses.jsonl", "result.json")
    return [(out / name).read_bytes() for name in names]


def test_pretrained_weights_are_fine_tuned_and_then_distilled(
    command: Command, classes: Path, tmp_path: Path
) -> None:
    one_thread = {"OMP_NUM_THREADS": "1"}
    start = tmp_path / "pretrained"
    words = ("--network", "r18", "--epochs", "1", "--data", classes, "--out", start)
    made = here(command, "pretrain", *words, *SMALL)
    assert made.code == 0, made.stderr

    words = ("finetune", "--data", classes, "--weights", start / "weights.safetensors")
    words = (*words, "--epochs", "2", "--checkpoint-every", "2", *SMALL)
    planned = here(command, *words, "--out", tmp_path / "none", "--batch-size", "99", "--dry-run")
    assert (planned.json["files"], planned.json["images"]) == (20, 16)
    assert planned.json["optimization"]["batch_size"] == 16 and planned.json["steps"] == 3
    tuned = here(command, *words, "--out", tmp_path / "tuned")
    assert tuned.code == 0, tuned.stderr
    document = tuned.json
    assert document["images"] == 16 and document["steps"] == 5
    assert document["heldout"]["n"] == 4
    ends = document["heldout"]["interval"]["ends"]
    assert ends[0] <= document["heldout"]["accuracy"] <= ends[1]
    result = json.loads((tmp_path / "tuned" / "result.json").read_text())
    right = sum(p["label"] == p["predicted"] for p in result["predictions"])
    assert right == document["heldout"]["correct"] == result["correct"]

    # Killed once, after its third step, and continued: the same bytes.
    again = tmp_path / "again"
    process = subprocess.Popen(
        [sys.executable, "-m", "simclr_bench", *map(str, words), "--out", str(again)],
        env=command.environment(**one_thread),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    log = again / "losses.jsonl"
    while process.poll() is None and not (log.exists() and log.read_bytes().count(b"\n") >= 3):
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    continued = command(*words, "--out", again, **one_thread)
    assert continued.code == 0, continued.stderr
    assert continued.json["done_before"] >= 2
    assert bytes_of(again) == bytes_of(tmp_path / "tuned")

    teacher = tmp_path / "tuned" / "weights.safetensors"
    words = ("--data", classes, "--teacher", teacher, "--epochs", "1", "--warmup-epochs", "0")
    student = here(command, "distill", *words, *SMALL, "--out", tmp_path / "student")
    assert student.code == 0, student.stderr
    loaded = load_encoder(tmp_path / "student" / "weights.safetensors")
    assert loaded.classifier is not None and loaded.classifier.out_features == 2
    assert loaded.projection is None

    words = ("--data", classes, "--teacher", start / "weights.safetensors")
    none = ("--out", tmp_path / "none", "--quiet")
    here(command, "distill", *words, *SMALL, *none).assert_refused(2, "has no classifier")
    words = ("--data", classes, "--teacher", teacher, "--student", "r17")
    here(command, "distill", *words, *SMALL, *none).assert_refused(2, "--student r17: depth")

    # What was scored is not made up where it is lost; as the message says, it is scored again.
    before = bytes_of(again)
    (again / "result.json").unlink()
    words = ("finetune", "--data", classes, "--weights", start / "weights.safetensors")
    words = (*words, "--epochs", "2", *SMALL, "--out", again, "--quiet")
    here(command, *words).assert_refused(3, "result.json: is missing", "again/weights.json")
    (again / "weights.json").unlink()
    assert here(command, *words).code == 0
    assert bytes_of(again) == before
