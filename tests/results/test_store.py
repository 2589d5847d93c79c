"""The run directory: what is written is read back, and nothing else is."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from simclr_bench.errors import DataError, StoreError
from simclr_bench.results.store import Record, RunDirectory
from tests.command import another_process_holding

RECORD = Record(
    key="abc",
    job={"kind": "head", "settings": {"seed": 3, "learning_rate": 0.1}},
    outcome={"heldout": {"value": 0.1 + 0.2, "correct": 3, "n": 10}},
    environment={"python": "3.11"},
    started="2026-01-01T00:00:00+00:00",
    seconds=1.25,
)


@pytest.fixture
def store(tmp_path: Path) -> RunDirectory:
    directory = RunDirectory(tmp_path / "run")
    with directory.held():
        directory.write(RECORD)
    return directory


def test_a_record_is_read_back_to_the_bit(store: RunDirectory) -> None:
    assert store.read("abc") == RECORD


def test_an_unfinished_job_has_no_record(store: RunDirectory) -> None:
    assert store.read("other") is None


def test_every_flipped_byte_of_a_record_is_noticed(store: RunDirectory) -> None:
    path = store.path / "records" / "abc.json"
    original = path.read_bytes()
    noticed = 0
    for position in range(len(original)):
        flipped = bytearray(original)
        flipped[position] ^= 0x01
        path.write_bytes(bytes(flipped))
        try:
            # White space may change without changing the content.
            assert store.read("abc") == RECORD
        except DataError as error:
            assert str(path) in str(error)
            noticed += 1
    assert noticed > 0.7 * len(original)


@pytest.mark.parametrize("length", [0, 1, 100])
def test_a_truncated_record_is_refused_by_name(store: RunDirectory, length: int) -> None:
    path = store.path / "records" / "abc.json"
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(DataError, match=r"abc.json: the record is corrupt \(does not parse\)"):
        store.read("abc")


def test_another_jobs_record_under_this_name_is_refused(store: RunDirectory) -> None:
    with store.held():
        store.write(replace(RECORD, key="def"))
    (store.path / "records" / "def.json").rename(store.path / "records" / "abc.json")
    with pytest.raises(DataError, match="it is another job's record"):
        store.read("abc")


def test_a_held_directory_names_its_holder_and_is_freed_by_its_death(tmp_path: Path) -> None:
    second = RunDirectory(tmp_path)
    with another_process_holding(tmp_path) as pid:
        refusal = rf"held by another process \(pid {pid}\)"
        with pytest.raises(StoreError, match=refusal), second.held():
            pass
    with second.held():
        second.write(RECORD)


def test_a_newer_store_is_refused(store: RunDirectory) -> None:
    (store.path / "store.json").write_text(json.dumps({"schema_version": 2}))
    refusal = "store schema 2, this version knows 1; upgrade"
    with pytest.raises(StoreError, match=refusal), store.held():
        pass


def test_a_damaged_marker_is_refused(store: RunDirectory) -> None:
    (store.path / "store.json").write_text("{")
    with pytest.raises(DataError, match=r"store.json: does not parse"), store.held():
        pass


def test_a_lock_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "precious"
    victim.write_text("precious")
    run = tmp_path / "run"
    run.mkdir()
    (run / "lock").symlink_to(victim)
    with pytest.raises(DataError, match="lock: cannot be locked"), RunDirectory(run).held():
        pass
    assert victim.read_text() == "precious"


@pytest.mark.parametrize("version", ['"2"', "0", "true", "null"])
def test_a_version_that_is_none_is_refused(store: RunDirectory, version: str) -> None:
    (store.path / "store.json").write_text(f'{{"schema_version": {version}}}')
    with pytest.raises(DataError, match="does not parse"), store.held():
        pass
