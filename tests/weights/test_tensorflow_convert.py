"""Finding the files of a checkpoint, and what goes wrong with the interpreter."""

from pathlib import Path

import pytest

from simclr_bench.errors import DataError, UsageError
from simclr_bench.weights.tensorflow import convert
from simclr_bench.weights.tensorflow.convert import convert_checkpoint, find_checkpoint

NAME = "model.ckpt-250228"
INDEX = f"{NAME}.index"
DATA = f"{NAME}.data-00000-of-00001"


def write(directory: Path, *names: str) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    for name in names:
        (directory / name).write_bytes(b"")
    return directory


@pytest.mark.parametrize("given", ["", NAME, INDEX, DATA, f"{NAME}.meta"])
def test_the_prefix_is_found_from_any_of_its_files(given: str, tmp_path: Path) -> None:
    write(tmp_path, INDEX, DATA, f"{NAME}.meta", "checkpoint")
    found = find_checkpoint(tmp_path / given)
    assert found == (tmp_path / NAME, [tmp_path / INDEX, tmp_path / DATA])


def test_shards_and_odd_names_of_directories(tmp_path: Path) -> None:
    shards = [f"variables.data-{i:05}-of-00002" for i in range(2)]
    module = tmp_path / "r50 [1x] *"
    inside = write(module / "variables", "variables.index", *shards)
    prefix, files = find_checkpoint(module)
    assert prefix == inside / "variables"
    assert [path.name for path in files] == ["variables.index", *shards]


@pytest.mark.parametrize(
    "names, given, complaint",
    [
        ([], "", r"wanted the files of one checkpoint, got none"),
        ([INDEX, "other.index"], "", r"got model.ckpt-250228.index, other.index"),
        ([], NAME, r"model.ckpt-250228.index is not there"),
        ([DATA], NAME, r"model.ckpt-250228.index is not there"),
        ([INDEX], NAME, r"wanted 1 files model.ckpt-250228.data-\*-of-00001 .*, got 0"),
        (
            [INDEX, f"{NAME}.data-00001-of-00003", f"{NAME}.data-00002-of-00003"],
            NAME,
            r"wanted 3 files model.ckpt-250228.data-\*-of-00003 .*, got 2",
        ),
    ],
)
def test_files_that_are_not_there(
    names: list[str], given: str, complaint: str, tmp_path: Path
) -> None:
    write(tmp_path, *names)
    with pytest.raises(DataError, match=f"^{tmp_path}.*{complaint}"):
        find_checkpoint(tmp_path / given)


def interpreter(directory: Path, *lines: str) -> Path:
    path = directory / "python"
    path.write_text("\n".join(["#!/bin/sh", *lines]))
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    "line, error, complaint",
    [
        ("exit 4", DataError, r"python has no TensorFlow.*'simclr-bench\[convert\]'.*--python"),
        ("echo first >&2; echo why >&2; exit 3", DataError, r"model.ckpt-250228: why$"),
        ("exit 1", DataError, r"reading it ended with exit code 1: no message"),
        ("kill -9 $$", DataError, r"reading it ended with exit code -9"),
        ("exit 0", UsageError, r"--python .*python: is no Python interpreter"),
        ("echo hello", UsageError, r"--python .*python: is no Python interpreter"),
    ],
)
def test_what_an_interpreter_says(
    line: str, error: type[Exception], complaint: str, tmp_path: Path
) -> None:
    write(tmp_path, INDEX, DATA)
    with pytest.raises(error, match=complaint) as caught:
        convert_checkpoint(tmp_path, python=interpreter(tmp_path, line))
    assert "\n" not in str(caught.value)


def test_an_interpreter_that_is_not_there(tmp_path: Path) -> None:
    write(tmp_path, INDEX, DATA)
    with pytest.raises(UsageError, match=r"--python .*absent: cannot be run \(No such file"):
        convert_checkpoint(tmp_path, python=tmp_path / "absent")


def test_this_interpreter_reads_unless_another_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, INDEX, DATA)
    modules = tmp_path / "modules"
    modules.mkdir()
    (modules / "tensorflow.py").write_text("raise ImportError('not in this environment')")
    monkeypatch.setenv("PYTHONPATH", str(modules))
    with pytest.raises(DataError, match=f"^{convert.sys.executable} has no TensorFlow"):
        convert_checkpoint(tmp_path)


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "checkpoint", INDEX, DATA)
    scratch = write(tmp_path / "scratch")
    monkeypatch.setattr(convert.tempfile, "tempdir", str(scratch))
    with pytest.raises(DataError, match="no message"):
        convert_checkpoint(
            tmp_path / "checkpoint", python=interpreter(tmp_path, 'echo half > "$3"; exit 1')
        )
    assert list(scratch.iterdir()) == []
