"""Every bad input through the real command: one line, the right exit code, nothing half-written."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.command import Command, another_process_holding
from tests.data.test_folder import CORRUPT, encoded, make_folder, write

REPRODUCE = [sys.executable, "-m", "simclr_bench", "reproduce", "--table", "4"]


@pytest.mark.parametrize(
    ("words", "needles"),
    [
        (["reproduce", "--table", "5"], ["no table '5'", "1, 2, 3, 4"]),
        (["show", "table4"], ["no table 'table4'"]),
        (["reproduce", "--table", "1", "--rows", "dtd"], ["no row of table 1 'dtd'", "None"]),
        (["reproduce", "--figure", "4"], ["no figure '4'", "2, 6"]),
        (
            ["reproduce", "--table", "4", "--rows", "tf_flower"],
            ["no row of table 4 'tf_flower'", "did you mean tf_flowers?"],
        ),
        (["reproduce", "--table", "4", "--rows", "dtd,mnist"], ["'mnist'", "cats_vs_dogs"]),
        (["reproduce", "--table", "4", "--seeds", "1"], ["--seeds", "two seeds or more"]),
        (["reproduce", "--table", "4", "--seeds", "3:1"], ["--seeds", "'3:1'"]),
        (["reproduce", "--table", "4", "--seeds", "x"], ["--seeds", "'x'"]),
        (["reproduce"], ["--table"]),
        (["reproduec"], ["invalid choice", "reproduce"]),
        ([], ["COMMAND"]),
        (["transfer"], ["--data"]),
        (["transfer", "--data", "x", "--seeds", "1"], ["--seeds", "two seeds or more"]),
        (["transfer", "--data", "x", "--heldout", "1.5"], ["--heldout", "between 0 and 1"]),
        (["transfer", "--data", "x", "--batch-size", "0"], ["--batch-size", "positive"]),
        (["transfer", "--data", "x", "--split-seed", "-1"], ["--split-seed"]),
        (
            ["reproduce", "--table", "4", "--fail-on", "all"],
            ["--fail-on", "'all'", "different, fails"],
        ),
    ],
)
def test_a_usage_error_is_one_line_and_2(
    command: Command, words: list[str], needles: list[str]
) -> None:
    command(*words).assert_refused(2, *needles)


def test_a_missing_directory_is_3(command: Command, tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    result = command("transfer", "--data", missing, "--out", tmp_path / "run")
    result.assert_refused(3, str(missing), "does not exist")
    assert not (tmp_path / "run").exists()


def test_an_empty_class_folder_is_3(command: Command, tmp_path: Path) -> None:
    data = make_folder(tmp_path / "data")
    (data / "empty").mkdir()
    result = command("transfer", "--data", data, "--out", tmp_path / "run")
    result.assert_refused(3, str(data / "empty"), "the class folder is empty")


def test_a_single_class_is_3(command: Command, tmp_path: Path) -> None:
    data = make_folder(tmp_path / "data", classes=("only",))
    result = command("transfer", "--data", data, "--out", tmp_path / "run")
    result.assert_refused(3, "one class folder only (only)")


@pytest.mark.parametrize("name", ["truncated.jpg", "notes.txt"])  # tests/data has the others
def test_a_corrupt_file_is_3_and_costs_no_pretraining(
    command: Command, tmp_path: Path, name: str
) -> None:
    make, reason = CORRUPT[name]
    data = make_folder(tmp_path / "data")
    path = write(data / "b" / name, make())
    result = command("transfer", "--data", data, "--out", tmp_path / "run")
    assert result.code == 3 and result.stdout == ""
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith(f"simclr-bench: {path}: {reason}") and "--skip-corrupt" in last
    assert "Traceback" not in result.stderr
    assert not list((tmp_path / "run" / "records").iterdir())
    assert not (command.cache / "encoders").exists()


def test_an_unwritable_run_directory_is_3(command: Command, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    out = tmp_path / "file" / "run"
    result = command("reproduce", "--table", "4", "--out", out)
    result.assert_refused(3, str(out), "cannot be made (Not a directory)", "--out")


def test_an_unwritable_cache_is_3(command: Command, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    cache = str(tmp_path / "file" / "cache")
    out = tmp_path / "run"
    result = command("reproduce", "--table", "4", "--out", out, SIMCLR_BENCH_CACHE=cache)
    result.assert_refused(3, cache, "SIMCLR_BENCH_CACHE")


@pytest.fixture
def encoder_files(command: Command, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Where the command will look for the embedded encoder."""
    from simclr_bench.experiments.materials.encoders import EmbeddedEncoder
    from simclr_bench.training.encoder_cache import encoder_paths

    monkeypatch.setenv("SIMCLR_BENCH_CACHE", str(command.cache))
    weights, description = encoder_paths(EmbeddedEncoder().key)
    weights.parent.mkdir(parents=True)
    return weights, description


def test_a_corrupt_cached_encoder_is_3(
    command: Command, tmp_path: Path, encoder_files: tuple[Path, Path]
) -> None:
    weights, description = encoder_files
    weights.write_bytes(b"not what was written")
    description.write_text(json.dumps({"identity": {}, "history": {}, "sha256": "0" * 64}))
    result = command("reproduce", "--table", "4", "--out", tmp_path / "run")
    result.assert_refused(3, str(weights), "SHA-256 differs", "delete it and run the command again")
    assert not list((tmp_path / "run" / "records").iterdir())


def test_a_corrupt_cached_encoder_is_a_fault_for_doctor(
    command: Command, encoder_files: tuple[Path, Path]
) -> None:
    weights, description = encoder_files
    weights.write_bytes(b"")
    description.write_text("{")
    result = command("doctor")
    assert result.code == 3
    (line,) = [line for line in result.stdout.splitlines() if "weights:" in line]
    assert line.startswith("fault") and "delete it and run the command again" in line


def test_a_held_run_directory_is_5(command: Command, tmp_path: Path) -> None:
    with another_process_holding(tmp_path / "run") as pid:
        result = command("reproduce", "--table", "4", "--out", tmp_path / "run")
    result.assert_refused(5, f"held by another process (pid {pid})")


def test_a_newer_run_directory_is_5(command: Command, tmp_path: Path) -> None:
    out = tmp_path / "run"
    out.mkdir()
    (out / "store.json").write_text(json.dumps({"schema_version": 99}))
    result = command("reproduce", "--table", "4", "--out", out)
    result.assert_refused(5, "store schema 99", "upgrade simclr-bench")
    assert sorted(os.listdir(out)) == ["lock", "store.json"]


def test_a_run_directory_of_the_first_version_is_5(command: Command, tmp_path: Path) -> None:
    out = tmp_path / "run"
    (out / "records").mkdir(parents=True)
    (out / "store.json").write_text(json.dumps({"schema_version": 1}))
    old = out / "records" / f"{'0' * 24}.json"
    old.write_text("{}")
    needles = (f"{out}: written with store schema 1, this version knows 2", "give another --out")
    command("reproduce", "--table", "4", "--out", out).assert_refused(5, *needles)
    command("report", "--out", out).assert_refused(5, *needles)
    command("verify", "--out", out).assert_refused(5, *needles)
    command("diff", out, out).assert_refused(5, *needles)
    assert old.read_text() == "{}"


def test_a_report_on_no_run_is_3_and_writes_nothing(command: Command, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("empty", "missing"):
        result = command("report", "--out", tmp_path / name)
        result.assert_refused(3, f"{tmp_path / name}: is no run directory", "reproduce")
    assert os.listdir(tmp_path) == ["empty"] and not os.listdir(tmp_path / "empty")
    result = command("diff", tmp_path / "empty", tmp_path / "missing")
    result.assert_refused(3, str(tmp_path / "empty"))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_command_says_how_to_go_on(
    command: Command, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    child = subprocess.Popen(
        [*REPRODUCE, "--out", tmp_path / "run"],
        env=command.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A test run in the background hands down an ignored SIGINT.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        assert child.stderr is not None
        assert child.stderr.readline().startswith("pretraining the encoder")
        child.send_signal(number)
        stdout, stderr = child.communicate(timeout=120)
    finally:
        child.kill()
    assert child.returncode == code
    assert stdout == "" and "the same command continues" in stderr.splitlines()[-1]
    assert "Traceback" not in stderr
    assert not list((command.cache / "encoders").iterdir())
    command("report", "--out", tmp_path / "run").assert_refused(3, "no run is here")


def test_debug_shows_the_traceback_and_keeps_the_code(command: Command, tmp_path: Path) -> None:
    result = command("transfer", "--data", tmp_path / "missing", "--debug")
    assert result.code == 3
    assert "Traceback" in result.stderr
    assert result.stderr.strip().splitlines()[-1].startswith("simclr-bench: ")


def test_a_run_below_a_reader_that_leaves_ends_quietly(command: Command) -> None:
    done = subprocess.run(
        f"{sys.executable} -m simclr_bench show 4 | head -n 1",
        shell=True,
        capture_output=True,
        text=True,
        env=command.environment(),
    )
    assert done.returncode == 0 and done.stderr == ""


def test_hostile_names_are_only_text(command: Command, tmp_path: Path) -> None:
    data = make_folder(tmp_path / "data", classes=("[red]a", "b\x1b[31m"))
    write(data / "[red]a" / "[x].png", encoded("RGB", "PNG")[:50])
    result = command("transfer", "--data", data, "--out", tmp_path / "run")
    assert result.code == 3
    assert "[red]a/[x].png: does not decode" in result.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize("inside", [".", "a/b"])
def test_a_run_directory_inside_the_images_is_2(
    command: Command, tmp_path: Path, inside: str
) -> None:
    data = make_folder(tmp_path / "data")
    result = command("transfer", "--data", data, "--out", data / inside)
    result.assert_refused(2, "lies inside --data", "give an --out elsewhere")
    assert not (data / inside / "records").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["transfer", "--data", "x", "--split-seed", str(2**64)],
        ["transfer", "--data", "x", "--batch-size", "9" * 23],
        ["reproduce", "--table", "4", "--seeds", "100000000"],
        ["reproduce", "--table", "4", "--seeds", f"{2**64}:{2**64 + 4}"],
    ],
)
def test_a_number_beyond_reason_is_2(command: Command, words: list[str]) -> None:
    command(*words).assert_refused(2, words[-2])


def test_a_reader_that_left_before_the_first_line_ends_it_with_0(command: Command) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "simclr_bench", "list"],
        stdout=writer,
        stderr=subprocess.PIPE,
        env=command.environment(),
    )
    os.close(writer)
    assert done.returncode == 0 and done.stderr == b""


def test_a_terminal_that_cannot_show_every_sign_gets_the_others(command: Command) -> None:
    result = command("show", "4", PYTHONIOENCODING="ascii")
    assert result.code == 0 and "0.906" in result.stdout


def test_without_a_home_the_variable_is_named(command: Command, tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    program = (
        "import pathlib\n"
        "def home(): raise RuntimeError('Could not determine home directory.')\n"
        "pathlib.Path.home = home\n"
        "from simclr_bench.cli.main import main\n"
        f"raise SystemExit(main(['reproduce', '--table', '4', '--out', {str(tmp_path / 'run')!r}]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 3
    assert "set SIMCLR_BENCH_CACHE" in done.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize("seconds", [0.3, 0.8, 1.5])
def test_sigterm_is_obeyed_while_torch_is_imported(
    command: Command, tmp_path: Path, seconds: float
) -> None:
    child = subprocess.Popen(
        [*REPRODUCE, "--out", tmp_path / "run"],
        env=command.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    time.sleep(seconds)
    child.terminate()
    stdout, stderr = child.communicate(timeout=120)
    assert child.returncode == 143 and stdout == ""
    assert "terminated" in stderr.strip().splitlines()[-1]
