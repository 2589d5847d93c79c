"""Verification: a sound store passes, and whatever is changed in one is named."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from simclr_bench.errors import DataError, StoreError
from simclr_bench.experiments.provenance.verification import verify
from simclr_bench.results.store import Record, RunDirectory
from tests.experiments.running.invented import execute, job, measure, run_here

FIRST = job(0).key


@pytest.fixture
def store(tmp_path: Path) -> RunDirectory:
    run_here(tmp_path, [job(0), job(1), job(2, "diverge"), job(3, "raise")])
    return RunDirectory(tmp_path)


def faults(store: RunDirectory) -> list[str]:
    found = verify(store, measure).faults
    assert all("\n" not in fault for fault in found)
    return list(found)


def rewrite(store: RunDirectory, record: Record, arrays: dict[str, np.ndarray] | None) -> None:
    """A record with a right checksum, whatever it says."""
    with store.held():
        store.write(record, arrays)


def first(store: RunDirectory) -> Record:
    record = store.read(FIRST)
    assert record is not None
    return record


def snapshot(path: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def test_a_sound_store_passes_and_is_left_as_it_is(store: RunDirectory) -> None:
    before = snapshot(store.path)
    found = verify(store, measure)
    assert (found.records, found.predictions, found.faults, found.leftovers) == (4, 2, (), ())
    assert found.statuses == {"diverged": 1, "done": 2, "failed": 1}
    assert snapshot(store.path) == before


def test_a_flipped_byte_of_any_file_is_named(store: RunDirectory) -> None:
    files = [*store.records.iterdir(), *store.predictions.iterdir()]
    assert len(files) == 6
    for path in files:
        original = path.read_bytes()
        for position in np.random.default_rng(0).integers(len(original), size=20):
            flipped = bytearray(original)
            flipped[position] ^= 0x10
            path.write_bytes(bytes(flipped))
            (fault,) = faults(store)
            assert fault.startswith(f"{path}: ")
        path.write_bytes(original)
    assert faults(store) == []


def test_every_fault_is_found_not_only_the_first(store: RunDirectory) -> None:
    for path in store.predictions.iterdir():
        path.write_bytes(b"")
    assert len(faults(store)) == 2


def test_a_metric_that_does_not_follow_is_named_though_the_checksum_is_right(
    store: RunDirectory,
) -> None:
    """By one unit in the last place of a fraction whose counts are right."""
    record, arrays = first(store), execute(job(0)).arrays
    heldout = record.metrics["heldout"]
    forged = {**heldout, "value": float(np.nextafter(heldout["value"], 1))}
    rewrite(store, replace(record, metrics={**record.metrics, "heldout": forged}), arrays)
    assert faults(store) == [
        f"{store.records}/{FIRST}.json: differs from what its predictions give in heldout"
    ]


def test_a_metric_that_is_missing_or_invented_is_named(store: RunDirectory) -> None:
    record, arrays = first(store), execute(job(0)).arrays
    metrics = {"heldout": record.metrics["heldout"], "best": 1.0}
    rewrite(store, replace(record, metrics=metrics), arrays)
    (fault,) = faults(store)
    assert fault.endswith(".json: differs from what its predictions give in best, kind")


def test_predictions_that_give_no_metrics_are_named(store: RunDirectory) -> None:
    rewrite(store, first(store), {"x": np.zeros(3)})
    (fault,) = faults(store)
    assert fault.endswith(f"{FIRST}.npz: gives no metrics (KeyError: 'heldout_predicted')")


def test_a_key_that_is_not_its_jobs_hash_is_named(store: RunDirectory) -> None:
    """A record of learning rate 0.1 that says 0.2, with all checksums made again."""
    record, arrays = first(store), execute(job(0)).arrays
    settings = {**record.job["settings"], "seed": 9}
    rewrite(store, replace(record, job={**record.job, "settings": settings}), arrays)
    assert faults(store) == [
        f"{store.records}/{FIRST}.json: is named {FIRST}, but its job's hash is {job(9).key}"
    ]


def test_a_job_of_unknown_fields_is_named(store: RunDirectory) -> None:
    record = first(store)
    rewrite(store, replace(record, job={"kind": "head"}), execute(job(0)).arrays)
    (fault,) = faults(store)
    assert f"{FIRST}.json: its job does not parse" in fault


def test_a_done_job_without_predictions_is_named(store: RunDirectory) -> None:
    rewrite(store, first(store), None)
    assert faults(store) == [f"{store.records}/{FIRST}.json: is done, but names no predictions"]


@pytest.mark.parametrize("arrays", [None, {"x": np.zeros(3)}])
def test_what_a_failed_job_cannot_have_is_named(
    store: RunDirectory, arrays: dict[str, np.ndarray] | None
) -> None:
    failed = replace(first(store), status="failed", reason="x")
    (store.predictions / f"{FIRST}.npz").unlink()
    rewrite(store, failed, arrays)
    (fault,) = faults(store)
    what = "json: metrics" if arrays is None else "npz: predictions"
    assert fault.endswith(f"{FIRST}.{what} of a job that failed")


def test_files_that_no_run_wrote_are_named(store: RunDirectory) -> None:
    strangers = [store.records / "notes.txt", store.predictions / "mine.npz"]
    for path in strangers:
        path.write_bytes(b"")
    assert faults(store) == [
        f"{strangers[0]}: is no record's file; move it elsewhere",
        f"{strangers[1]}: is no record's file; move it elsewhere",
    ]


def test_what_a_killed_run_left_is_told_and_is_no_fault(store: RunDirectory) -> None:
    """A run killed between the two files of its first job, while it wrote the second."""
    os.remove(store.records / f"{FIRST}.json")
    unfinished = store.records / f".{FIRST}.json.abcdefgh"
    unfinished.write_bytes(b"{")
    found = verify(store, measure)
    assert found.faults == ()
    assert found.leftovers == (str(store.predictions / f"{FIRST}.npz"), str(unfinished))
    assert unfinished.exists()


def test_an_empty_store_passes_and_no_store_does_not(tmp_path: Path) -> None:
    with RunDirectory(tmp_path / "run").held():
        pass
    assert verify(RunDirectory(tmp_path / "run"), measure).records == 0
    with pytest.raises(DataError, match="is no run directory"):
        verify(RunDirectory(tmp_path / "other"), measure)


def test_another_schema_is_refused(store: RunDirectory) -> None:
    (store.path / "store.json").write_text('{"schema_version": 1}')
    with pytest.raises(StoreError, match="written with store schema 1"):
        verify(store, measure)
