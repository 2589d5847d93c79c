"""CSV: one line for each row, measure and seed, in full, and no formula."""

import csv
import io
from typing import Any

import pytest

from simclr_bench.report.delimited import render_csv
from tests.report import invented_document

JSON = dict[str, Any]


@pytest.fixture(scope="module")
def document() -> JSON:
    return invented_document.document()


def lines_of(document: JSON) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(render_csv(document), newline="")))


def test_every_row_measure_and_seed_has_its_line(document: JSON) -> None:
    lines = lines_of(document)
    expected = [
        (table["id"], row["batch_size"], measure["name"], seed, value)
        for table in document["tables"]
        for row in table["rows"]
        for measure in table["measures"]
        for seed, value in zip(
            row["seeds"], row["measures"][measure["name"]]["per_seed"], strict=True
        )
    ]
    assert len(lines) == 3 * (5 * 3 + 2 * 7 + 11 * 3)
    found = [
        (
            line["table"],
            int(line["batch_size"]),
            line["measure"],
            int(line["seed"]),
            float(line["accuracy"]) if line["accuracy"] else None,
        )
        for line in lines
    ]
    assert found == expected  # numbers in full: they come back as they were


def test_a_line_by_hand(document: JSON) -> None:
    lines = [
        line for line in lines_of(document) if (line["row"], line["measure"]) == ("All", "heldout")
    ]
    assert [line["status"] for line in lines] == ["done", "diverged", "failed"]
    assert [line["accuracy"] for line in lines] == ["0.8629", "", ""]
    first = lines[0]
    assert (first["printed"], first["printed_low"], first["printed_high"]) == (
        "0.898",
        "0.8325",
        "0.9447",
    )
    assert (first["verdict"], first["verdict_measure"]) == ("inconclusive", "heldout")
    assert (first["difference_low"], first["difference_high"]) == ("-0.2617", "-0.0833")
    assert first["n"] == "1000" and first["mean"] == "0.8629" and first["ours_alone"] == "no"


def test_a_row_of_ours_alone_has_neither_number_nor_verdict(document: JSON) -> None:
    line = next(line for line in lines_of(document) if line["ours_alone"] == "yes")
    assert line["printed"] == line["printed_low"] == line["verdict"] == line["difference_low"] == ""


@pytest.mark.parametrize(
    "name", ["=cmd()", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "  =x", "\n=x", "-"]
)
def test_no_text_begins_a_formula(name: str) -> None:
    document = invented_document.document()
    row = document["tables"][0]["rows"][0]
    row |= {"label": name, "dataset": name, "command": name, "stale": name}
    first = lines_of(document)[0]
    assert {first[key] for key in ("row", "dataset", "command", "stale")} == {f"'{name}"}


def test_numbers_and_other_text_are_left_alone(document: JSON) -> None:
    lines = lines_of(document)
    gaps = [line["accuracy"] for line in lines if line["measure"] == "gap"]
    assert "-0.0021" in gaps
    rows = {line["row"] for line in lines}
    assert rows >= {"'=cmd()", "<script>alert(1)</script>", "a & b_c%$#{}"}


def test_commas_quotes_and_lines_within_a_name_stay_within_it() -> None:
    document = invented_document.document()
    document["tables"][0]["rows"][0]["label"] = 'a,"b"\nc'
    assert lines_of(document)[0]["row"] == 'a,"b"\nc'


def test_a_users_own_folder_has_lines_without_a_paper() -> None:
    lines = lines_of(invented_document.transfer())
    assert len(lines) == 11 * 3 * 3 and {line["printed"] for line in lines} == {""}
