"""BENCHMARKS.md says what the records say."""

import json
from pathlib import Path

from benchmarks.page import PAGE, ROOT, read_records, render

RECORD = {
    "loss": "nt_xent",
    "impl": "fused",
    "rows": 256,
    "columns": 128,
    "dtype": "float32",
    "median_ms": 0.5,
    "times_ms": [0.4, 0.5, 0.6],
    "gradient_error": 1.5e-7,
    "environment": {"gpu": "A GPU", "torch": "2.11.0", "commit": "0123456789abcdef"},
}


def test_the_page_is_what_the_records_give() -> None:
    assert PAGE.read_text() == render(read_records(ROOT / "results"))


def test_without_records_it_holds_no_number_and_says_so(tmp_path: Path) -> None:
    assert "not measured" in render(read_records(tmp_path))


def test_a_record_is_a_line_with_its_n_and_hardware(tmp_path: Path) -> None:
    path = tmp_path / "gpu" / "losses.jsonl"
    path.parent.mkdir()
    path.write_text(json.dumps(RECORD) + "\n")
    page = render(read_records(tmp_path))
    assert (
        "| nt_xent | 256 x 128 | float32 | fused | 0.500 (3) | 1.5e-07 |"
        " A GPU, torch 2.11.0, commit 0123456789ab |" in page
    )
