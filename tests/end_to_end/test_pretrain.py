"""Pretraining through the real command: killed, resumed, spread over processes, refused."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from torchvision.io import write_jpeg, write_png

from simclr_bench.weights.file import read_weights
from tests.command import Command, Result
from tests.end_to_end.here import here

# Seven steps of a full ResNet-18. With the stem of ImageNet, views of 40 pixels, which are blurred,
# take less time than views of 16 with CIFAR's.
WORDS = (
    *("pretrain", "--network", "r18", "--image-size", "40", "--batch-size", "4", "--epochs", "2"),
    *("--warmup-epochs", "1", "--learning-rate", "1", "--device", "cpu", "--checkpoint-every", "2"),
)
STEPS = 7


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Command:
    return Command(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve images of several sizes and both formats, some of them deeper."""
    folder = tmp_path_factory.mktemp("photos")
    generator = torch.Generator().manual_seed(0)
    for number in range(12):
        shape = (3, 20 + number % 3, 24)
        pixels = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
        place = folder / "deeper" / "still" if number % 2 else folder
        place.mkdir(parents=True, exist_ok=True)
        if number % 3:
            write_png(pixels, str(place / f"{number}.png"))
        else:
            write_jpeg(pixels, str(place / f"{number}.jpg"))
    return folder


def started(command: Command, *words: str | Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "simclr_bench", *map(str, words)],
        env=command.environment(OMP_NUM_THREADS="1"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def steps_logged(out: Path) -> int:
    log = out / "losses.jsonl"
    return log.read_bytes().count(b"\n") if log.exists() else 0


def outcome(out: Path) -> dict[str, bytes]:
    names = ("weights.safetensors", "weights.json", "losses.jsonl", "run.json")
    return {name: (out / name).read_bytes() for name in names}


@pytest.fixture(scope="module")
def whole(
    command: Command, photos: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Result]:
    """A run that nobody stops, without threads that read ahead."""
    out = tmp_path_factory.mktemp("whole") / "run"
    words = ("--data", photos, "--out", out, "--workers", "0", "--json")
    return out, command(*WORDS, *words, OMP_NUM_THREADS="1")


def test_the_command_says_what_it_made(whole: tuple[Path, Result], photos: Path) -> None:
    out, result = whole
    assert result.code == 0, result.stderr
    document = result.json
    assert document["steps"] == STEPS and document["images"] == 12
    assert document["done_before"] == 0 and document["skipped"] == []
    state, provenance = read_weights(Path(document["weights"]))
    assert provenance.sha256 == document["sha256"]
    assert provenance.parts == ["encoder", "projection"]
    assert provenance.origin["kind"] == "trained" and not provenance.official
    assert state["encoder.conv1.weight"].shape == (64, 3, 7, 7)
    assert state["projection.dense.2.weight"].shape == (128, 512)
    lines = [json.loads(line) for line in (out / "losses.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, STEPS + 1))
    assert lines[-1]["loss"] == document["last_loss"]


def test_killed_and_terminated_at_random_moments_it_ends_with_the_same_bytes(
    command: Command, photos: Path, whole: tuple[Path, Result], tmp_path: Path
) -> None:
    out, draws, kills = tmp_path / "run", random.Random(5), 0
    words = (*WORDS, "--data", photos, "--out", out, "--workers", "3")
    # Two steps in, then further on each time; the last is in the middle of what ends a training.
    for after, end in (
        (2, signal.SIGKILL),
        (3, signal.SIGTERM),
        (5, signal.SIGKILL),
        (7, signal.SIGKILL),
    ):
        process = started(command, *words)
        while process.poll() is None and steps_logged(out) < after:
            time.sleep(0.002)
        if end == signal.SIGTERM:  # it saves, and what it saved is looked at
            process.terminate()
            assert process.wait() == 143
            refuses_what_is_not_its_own(command, photos, out)
        else:
            time.sleep(draws.uniform(0, 0.3))
            process.kill()
            kills += process.wait() == -signal.SIGKILL
    assert kills >= 2  # after the last step there may be nothing left to kill
    last = command(*words, OMP_NUM_THREADS="1")
    assert last.code == 0, last.stderr
    assert outcome(out) == outcome(whole[0])
    assert not list(out.rglob(".*"))  # nothing half-written is left


def refuses_what_is_not_its_own(command: Command, photos: Path, out: Path) -> None:
    """Another recipe, another folder and a flipped byte; all is as it was afterwards."""
    words = (*WORDS, "--data", photos, "--out", out)
    path = sorted((out / "checkpoints").iterdir())[-1]
    here(command, *words, "--seed", "4", "--epochs", "3").assert_refused(
        2, "holds another training", "epochs: 2 before, 3 now", "seed: 0 before, 4 now"
    )
    (photos / "new.png").write_bytes((photos / "2.png").read_bytes())
    try:
        here(command, *words).assert_refused(2, "data: ", "images: 12 before, 13 now")
    finally:
        (photos / "new.png").unlink()
    sound = path.read_bytes()
    path.write_bytes(sound[:-1000] + bytes([sound[-1000] ^ 4]) + sound[-999:])
    here(command, *words, "--quiet").assert_refused(
        3, path.name, "the checkpoint is corrupt (its SHA-256 differs)"
    )
    path.write_bytes(sound)


def test_the_same_command_again_does_nothing_and_a_lost_log_is_named(
    command: Command, photos: Path, whole: tuple[Path, Result]
) -> None:
    before = outcome(whole[0])
    words = (*WORDS, "--data", photos, "--out", whole[0], "--json")
    again = here(command, *words)
    assert again.code == 0, again.stderr
    assert again.json["done_before"] == STEPS
    assert outcome(whole[0]) == before
    log = whole[0] / "losses.jsonl"
    log.unlink()
    try:
        here(command, *words).assert_refused(3, "losses.jsonl: is missing", "another --out")
    finally:
        log.write_bytes(before["losses.jsonl"])


def test_an_output_among_the_images_is_refused_before_it_is_one_of_them(
    command: Command, photos: Path, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(photos)
    for out in (photos, photos / "deeper" / "run", tmp_path / "link" / "run"):
        refused = here(command, *WORDS, "--data", photos, "--out", out)
        refused.assert_refused(2, f"--out {out}: is inside --data {photos}", "outside it")
    assert not list(photos.rglob("run*"))


def test_a_corrupt_image_is_named_or_left_out_by_request(
    command: Command, photos: Path, tmp_path: Path
) -> None:
    bad = photos / "deeper" / "broken.jpg"
    bad.write_bytes((photos / "0.jpg").read_bytes()[:300])
    words = (*WORDS, "--data", photos, "--epochs", "1", "--quiet", "--json")
    try:
        here(command, *words, "--out", tmp_path / "a").assert_refused(
            3, "broken.jpg: does not decode"
        )
        skipping = here(command, *words, "--out", tmp_path / "b", "--skip-corrupt")
    finally:
        bad.unlink()
    assert skipping.code == 0, skipping.stderr
    assert skipping.json["images"] == 12
    assert [found["file"] for found in skipping.json["skipped"]] == ["deeper/broken.jpg"]


def test_two_processes_of_torchrun_have_the_losses_of_one(
    command: Command, photos: Path, whole: tuple[Path, Result], tmp_path: Path
) -> None:
    run = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    words = [sys.executable, *run, "-m", "simclr_bench", *WORDS]
    done = subprocess.run(
        [*words, "--data", str(photos), "--out", str(tmp_path / "two"), "--json"],
        env=command.environment(OMP_NUM_THREADS="1", GLOO_SOCKET_IFNAME="lo"),
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["steps"] == STEPS
    losses = [
        [json.loads(line)["loss"] for line in (out / "losses.jsonl").read_text().splitlines()]
        for out in (tmp_path / "two", whole[0])
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3), losses
