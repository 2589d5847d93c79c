"""Files that appear whole or not at all."""

import hashlib
import os
import random
from pathlib import Path

import pytest

from simclr_bench.errors import DataError
from simclr_bench.storage import files
from simclr_bench.storage.files import (
    canonical_json,
    file_sha256,
    make_directory,
    sha256_of,
    write_atomically,
)


def test_canonical_json_does_not_depend_on_the_order_of_keys() -> None:
    assert canonical_json({"b": 1, "a": [1.5, None]}) == '{"a":[1.5,null],"b":1}'
    assert sha256_of({"b": 1, "a": 2}) == sha256_of({"a": 2, "b": 1})
    assert sha256_of({"a": 1}) != sha256_of({"a": 2})


def test_canonical_json_refuses_nan() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical_json({"loss": float("nan")})


def test_a_written_file_replaces_the_old_one_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    write_atomically(path, b"old")
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_failed_write_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = tmp_path / "record.json"
    write_atomically(path, b"old")

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, call, full)
    with pytest.raises(DataError, match=r"record.json: cannot be written \(No space left"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupted_write_leaves_no_half_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(files.os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "record.json", b"new")
    assert not list(tmp_path.iterdir())


def test_a_directory_below_a_file_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(
        DataError, match=r"file/run: the run directory cannot be made \(Not a directory\); give"
    ):
        make_directory(tmp_path / "file" / "run", "the run directory", "give another")


def test_write_atomically_into_a_missing_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be written"):
        write_atomically(tmp_path / "missing" / "x", b"")
    assert os.listdir(tmp_path) == []


def test_file_sha256_reads_a_file_in_pieces(tmp_path: Path) -> None:
    path = tmp_path / "file"
    data = random.Random(2).randbytes(2 * 2**20 + 3)
    path.write_bytes(data)
    counted: list[int] = []
    assert file_sha256(path, counted.append) == hashlib.sha256(data).hexdigest()
    assert sum(counted) == len(data) and len(counted) == 3
    path.write_bytes(b"")
    assert file_sha256(path) == hashlib.sha256(b"").hexdigest()
    with pytest.raises(DataError, match="nowhere: cannot be read"):
        file_sha256(tmp_path / "nowhere")
