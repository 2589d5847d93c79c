"""A record survives its file."""

from pathlib import Path

import pytest

from benchmarks.grid import nt_xent
from benchmarks.records import Record, append, latest, read
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


def test_appending_keeps_what_is_there_in_one_file_per_suite(tmp_path: Path) -> None:
    first, second = record("fused", ratio=1.0), record("eager", ratio=3.0)
    other = record("fused", suite="memory", peak_mb=30.0)
    append(tmp_path / "cpu", [first])
    append(tmp_path / "cpu", [second, other])
    assert sorted(path.name for path in (tmp_path / "cpu").iterdir()) == [
        "acceptance.jsonl",
        "memory.jsonl",
    ]
    assert read(tmp_path / "cpu") == [first, second, other]


def test_a_later_measurement_of_the_same_takes_the_place_of_the_earlier() -> None:
    old, new = record("eager", ratio=2.0), record("eager", ratio=3.0)
    tuned = record("eager", ratio=1.0, allocator="tuned")
    other = record("eager", nt_xent(512, 128), ratio=4.0)
    assert latest([old, tuned, other, new]) == [new, tuned, other]


def test_without_rounds_there_is_no_median_and_no_ratio() -> None:
    assert record("lightly", not_run="absent").median_ms is None
    assert record("lightly", not_run="absent").ratio is None
