"""The run directory: what is written is read back, and nothing else is."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from simclr_bench.errors import DataError, StoreError
from simclr_bench.results.store import Record, RunDirectory
from simclr_bench.storage import files
from tests.command import another_process_holding

KEY, OTHER = "0123456789abcdef01234567", "76543210fedcba9876543210"
RECORD = Record(
    key=KEY,
    job={"kind": "head", "settings": {"seed": 3, "learning_rate": 0.1}},
    status="done",
    reason="",
    metrics={"heldout": {"value": 0.1 + 0.2, "correct": 3, "n": 10}},
    details={"loss": [2.5, 1e-05], "data": {"skipped": [{"file": "é\udcff.png", "reason": "x"}]}},
    predictions=None,
    environment={"python": "3.11"},
    started="2026-01-01T00:00:00+00:00",
    seconds=1.25,
)
ARRAYS = {"predicted": np.array([1, 2, 3], np.uint8), "label": np.array([1, 0, 3], np.uint8)}


@pytest.fixture
def store(tmp_path: Path) -> RunDirectory:
    directory = RunDirectory(tmp_path / "run")
    with directory.held():
        directory.write(RECORD, ARRAYS)
    return directory


def written(store: RunDirectory) -> Record:
    record = store.read(KEY)
    assert record is not None
    return record


def test_a_record_is_read_back_to_the_bit(store: RunDirectory) -> None:
    assert replace(written(store), predictions=None) == RECORD
    assert store.read_all() == [written(store)]


def test_the_record_commits_its_predictions(store: RunDirectory) -> None:
    record = written(store)
    assert record.predictions is not None and record.predictions["file"] == f"{KEY}.npz"
    arrays = store.read_arrays(record)
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype and arrays[name].tolist() == array.tolist()


def test_a_record_without_predictions_has_no_arrays(store: RunDirectory) -> None:
    with store.held():
        failed = store.write(replace(RECORD, key=OTHER, status="failed", reason="x"), None)
    assert store.read(OTHER) == failed
    assert store.read_arrays(failed) == {}


def test_a_record_is_plain_json(store: RunDirectory) -> None:
    content = json.loads((store.records / f"{KEY}.json").read_bytes())
    assert content["metrics"] == RECORD.metrics


def test_a_job_that_never_ended_has_no_record(store: RunDirectory) -> None:
    assert store.read(OTHER) is None


def test_every_flipped_byte_of_a_record_is_noticed(store: RunDirectory) -> None:
    """By the lowest bit, and by the one that turns a into A."""
    path = store.records / f"{KEY}.json"
    original = path.read_bytes()
    for position in range(len(original)):
        for bit in (0, 5):
            flipped = bytearray(original)
            flipped[position] ^= 1 << bit
            path.write_bytes(bytes(flipped))
            with pytest.raises(DataError, match=f"{KEY}.json: the record is corrupt"):
                store.read(KEY)


def test_every_flipped_byte_of_predictions_is_noticed(store: RunDirectory) -> None:
    path, record = store.predictions / f"{KEY}.npz", written(store)
    original = path.read_bytes()
    for position in range(len(original)):
        flipped = bytearray(original)
        flipped[position] ^= 1 << position % 8
        path.write_bytes(bytes(flipped))
        with pytest.raises(DataError, match=rf"{KEY}.npz: .* corrupt .*; delete .*{KEY}.json"):
            store.read_arrays(record)


@pytest.mark.parametrize(
    ("length", "how"),
    [(0, "does not parse"), (1, "does not parse"), (100, "its checksum differs")],
)
def test_a_truncated_record_is_refused_by_name(store: RunDirectory, length: int, how: str) -> None:
    path = store.records / f"{KEY}.json"
    path.write_bytes(path.read_bytes()[:length])
    for read in (lambda: store.read(KEY), store.read_all):
        with pytest.raises(DataError, match=rf"{KEY}.json: the record is corrupt \({how}\)"):
            read()


def test_missing_and_truncated_predictions_are_refused_by_name(store: RunDirectory) -> None:
    path, record = store.predictions / f"{KEY}.npz", written(store)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=f"{KEY}.npz: the predictions are corrupt"):
        store.read_arrays(record)
    path.unlink()
    with pytest.raises(DataError, match=rf"{KEY}.npz: .* cannot be read \(No such file"):
        store.read_arrays(record)


def test_a_record_cannot_name_a_file_elsewhere(store: RunDirectory) -> None:
    assert written(store).predictions
    elsewhere = replace(written(store), predictions={"file": "../../x.npz", "sha256": ""})
    with pytest.raises(DataError, match="its record names another file"):
        store.read_arrays(elsewhere)


def test_predictions_that_are_none_are_refused_by_name(
    store: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sound by its hash, so written as it is: by hand, or by a faulty version."""
    monkeypatch.setattr("simclr_bench.results.predictions.encode_arrays", lambda arrays: b"PK")
    with store.held():
        record = store.write(replace(RECORD, key=OTHER), ARRAYS)
    with pytest.raises(DataError, match=f"{OTHER}.npz: the predictions do not parse"):
        store.read_arrays(record)


def test_another_jobs_record_under_this_name_is_refused(store: RunDirectory) -> None:
    with store.held():
        store.write(replace(RECORD, key=OTHER), None)
    (store.records / f"{OTHER}.json").rename(store.records / f"{KEY}.json")
    with pytest.raises(DataError, match="it is another job's record"):
        store.read(KEY)


def test_the_next_writer_removes_what_a_killed_one_left_and_nothing_else(
    store: RunDirectory,
) -> None:
    left = [
        store.path / ".store.json.abc_123",
        store.records / f".{OTHER}.json.k2j3h4g5",
        store.predictions / f".{OTHER}.npz.k2j3h4g5",
        store.predictions / f"{OTHER}.npz",
    ]
    others = [
        store.path / ".gitignore",
        store.path / "notes.txt",
        store.records / ".DS_Store",
        store.predictions / "mine.npz",
        store.predictions / ".mine.npz.k2j3h4g5",
    ]
    for path in left + others:
        path.write_bytes(b"")
    assert store.leftovers() == sorted(left)
    with store.held():
        assert store.leftovers() == []
    assert not any(path.exists() for path in left)
    assert all(path.exists() for path in others)
    assert store.read_arrays(written(store)).keys() == ARRAYS.keys()


@pytest.mark.parametrize("failing", [1, 2, 4, 5])
def test_a_full_disk_keeps_earlier_records_and_adds_none(
    store: RunDirectory, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    """At each sync and rename of the two files; every third call is a folder's."""
    before = store.read_all()
    calls = 0
    with store.held():
        for name in ("fsync", "replace"):
            original = getattr(files.os, name)

            def full(*arguments: object, original=original) -> object:  # type: ignore[no-untyped-def]
                nonlocal calls
                calls += 1
                if calls == failing:
                    raise OSError(28, "No space left on device")
                return original(*arguments)

            monkeypatch.setattr(files.os, name, full)
        with pytest.raises(DataError, match=rf"{OTHER}.*: cannot be written \(No space left"):
            store.write(replace(RECORD, key=OTHER), ARRAYS)
        monkeypatch.undo()
    assert store.read_all() == before
    with store.held():
        assert store.leftovers() == []


def test_a_second_try_killed_between_its_files_leaves_no_predictions_beside_the_first(
    store: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = files.os.replace

    def killed(source: str, target: Path) -> None:
        if target.suffix == ".json":
            raise KeyboardInterrupt
        original(source, target)

    with store.held():
        store.write(replace(RECORD, key=OTHER, status="failed", reason="x"), None)
        monkeypatch.setattr(files.os, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            store.write(replace(RECORD, key=OTHER), ARRAYS)
        monkeypatch.undo()
    assert store.read(OTHER) is None
    assert store.leftovers() == [store.predictions / f"{OTHER}.npz"]


def test_a_file_in_place_of_a_folder_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "predictions").write_bytes(b"")
    with (
        pytest.raises(DataError, match=r"predictions: the run directory cannot be made .*give"),
        RunDirectory(tmp_path).held(),
    ):
        pass


def test_a_held_directory_names_its_holder_and_is_freed_by_its_death(tmp_path: Path) -> None:
    second = RunDirectory(tmp_path)
    with another_process_holding(tmp_path) as pid:
        refusal = rf"held by another process \(pid {pid}\)"
        with pytest.raises(StoreError, match=refusal), second.held():
            pass
    with second.held():
        second.write(RECORD, ARRAYS)


@pytest.mark.parametrize(
    ("version", "refusal"),
    [
        (1, "written with store schema 1, this version knows 2; give another --out"),
        (3, "written with store schema 3, this version knows 2; upgrade simclr-bench or give"),
    ],
)
def test_another_schema_is_refused_untouched(tmp_path: Path, version: int, refusal: str) -> None:
    store = RunDirectory(tmp_path)
    (tmp_path / "store.json").write_text(json.dumps({"schema_version": version}))
    with pytest.raises(StoreError, match=refusal), store.held():
        pass
    with pytest.raises(StoreError, match=refusal):
        store.read_all()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lock", "store.json"]


def test_what_is_no_run_directory_is_refused_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"runs: is no run directory \(it has no store.json\)"):
        RunDirectory(tmp_path / "runs").read_all()
    assert not (tmp_path / "runs").exists()


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


def test_records_are_read_without_torch_and_without_numpy(store: RunDirectory) -> None:
    program = (
        "import pathlib, sys\n"
        "from simclr_bench.results.store import RunDirectory\n"
        "assert len(RunDirectory(pathlib.Path(sys.argv[1])).read_all()) == 1\n"
        "sys.exit(len({'torch', 'numpy'} & set(sys.modules)))\n"
    )
    assert subprocess.run([sys.executable, "-c", program, store.path]).returncode == 0
