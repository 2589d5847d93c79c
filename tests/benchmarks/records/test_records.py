"""A record survives its file."""

import json
from pathlib import Path

import pytest

from benchmarks.grid.cells import ImageCell
from benchmarks.grid.losses import nt_xent
from benchmarks.records.record import Record, append, latest, read
from tests.benchmarks.invented import record


def test_a_line_gives_the_record_back() -> None:
    original = record("eager", ratio=2.5, gradient_error=1e-7, compile_s=3.0, rounds_discarded=2)
    line = original.line()
    assert line.endswith("\n") and line.count("\n") == 1
    assert Record.from_line(line) == original


def test_a_line_with_another_schema_is_refused() -> None:
    line = record("eager").line().replace('"precision"', '"precison"')
    with pytest.raises(ValueError, match=r"\['precision', 'precison'\]"):
        Record.from_line(line)


def test_a_line_of_before_a_field_existed_has_its_default() -> None:
    original = record("eager", ratio=2.5)
    line = original.line().replace('"kernels":null,', "").replace('"device":"cpu",', "")
    assert "kernels" not in json.loads(line) and "device" not in json.loads(line)["cell"]
    assert Record.from_line(line) == original


def test_images_are_cells_too() -> None:
    original = record("kornia", ImageCell("augment", 64, 32, source=48), not_run="failed: no")
    assert Record.from_line(original.line()) == original


def test_appending_keeps_what_is_there_in_one_file_per_suite(tmp_path: Path) -> None:
    first, second = record("fused", ratio=1.0), record("eager", ratio=3.0)
    other = record("fused", suite="memory", peak_mb=30.0)
    append(tmp_path / "cpu", [first])
    append(tmp_path / "cpu", [second, other])
    assert sorted(path.name for path in (tmp_path / "cpu").iterdir()) == [
        "memory.jsonl",
        "standard.jsonl",
    ]
    assert read(tmp_path / "cpu") == [other, first, second]


def test_a_later_measurement_of_the_same_takes_the_place_of_the_earlier() -> None:
    old, new = record("eager", ratio=2.0), record("eager", ratio=3.0)
    tuned = record("eager", ratio=1.0, allocator="tuned")
    other = record("eager", nt_xent(512, 128), ratio=4.0)
    assert latest([old, tuned, other, new]) == [new, tuned, other]


def test_without_rounds_there_is_no_median_and_no_ratio() -> None:
    assert record("lightly", not_run="absent").median_ms is None
    assert record("lightly", not_run="absent").ratio is None
