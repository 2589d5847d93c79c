"""The short form of the terminal's output: one line a row, and every word that decides."""

import io
import re
from typing import Any

import pytest
from rich.console import Console

from simclr_bench.report.reading import papers_numbers, stale_lines
from simclr_bench.report.terminal import TerminalReport
from tests.report import invented_document, parts
from tests.report.parts import claim, judgement

JSON = dict[str, Any]


def printed(document: JSON, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False)
    console.print(TerminalReport(document))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def words_of(text: str) -> str:
    return " ".join(text.split())


@pytest.fixture(scope="module")
def text() -> str:
    return printed(invented_document.document())


def line_of(text: str, start: str) -> str:
    (line,) = [line for line in text.splitlines() if line.startswith(start)]
    return re.sub(" {2,}", "  ", line.rstrip())


def test_a_row_is_a_line(text: str) -> None:
    assert line_of(text, "Flipping only") == (
        "Flipping only  0.841 0.837 [0.789, 0.881] 0.726 [0.684, 0.766] = equivalent"
    )
    assert line_of(text, "food_101 · 101, batch 64 (stale)").endswith(
        "0.125 0.031 [0.000, 0.122] 0.019 [0.000, 0.060]"
    )
    # The paper prints no number for batch 32.
    assert line_of(text, "tf_flowers · 5, batch 32").split()[5] == "—"


def test_it_is_a_fraction_of_all_details(text: str) -> None:
    console = Console(file=io.StringIO(), width=100)
    console.print(TerminalReport(invented_document.document(), details=True))
    assert isinstance(console.file, io.StringIO)
    assert text.count("\n") < 0.6 * console.file.getvalue().count("\n")


@pytest.mark.parametrize("width", [80, 99, 120])
def test_no_line_is_too_long_and_no_number_is_cut(width: int) -> None:
    document = invented_document.document()
    # Longest numbers, in the control with most columns.
    wide = parts.metric(-0.2131, -0.2604, -0.1662)
    document["controls"][1] |= {
        "columns": ["taught by the teacher", "taught by labels", "difference"],
        "rows": [{"label": "the teacher itself", "cells": [wide, wide, wide], "records": []}],
    }
    text = printed(document, width)
    assert max(map(len, text.splitlines())) <= width
    assert text.count("[-0.260, -0.166]") == 3
    judged = {"1": "heldout", "2": "agreement_last", "4": "as_published"}
    for table in document["tables"]:
        for row in table["rows"] if table["measures"] else []:
            low, high = row["measures"][judged[table["id"]]]["interval"]
            assert f"[{low:.3f}, {high:.3f}]" in text


def test_the_reason_why_cells_are_not_comparable_is_given_once(text: str) -> None:
    assert text.count("Cells: not comparable (other weights)") == 1
    assert text.count("not comparable") == 3  # tables 2 and 4, and the count of the summary
    header = [line for line in text.splitlines() if line.rstrip().endswith("verdict")]
    assert len(header) == 1 and header[0].startswith("Operations")


@pytest.mark.parametrize(
    "sentence",
    [
        "Table 1. Effect of data augmentation operations on SimCLR fine-tuning, EMBEDDED (arXiv",
        "? inconclusive (power 18% at 0.05; no number of seeds would settle it): All",
        "! All: 3 seeds, of which seed 1 diverged (loss is not finite); seed 2 failed",
        "Also measured: Clean training pass. Verdicts compare: Held-out, margin 0.05.",
        "On this table: 1 inconsistency of the paper and 1 note; see `simclr-bench report`.",
        "Claims (EMBEDDED, mechanism check)",
        "✗ fails singles-equal: “the accuracy is about the same when applied separately” in each"
        " of 2 comparisons (p = 0.0032 to 0.98); the paper: holds as printed; as evidence: not"
        " enough at n = 64",
        "✓ holds Agreement last (p = 0.012); ? undecided Label last (p = 0.012); the paper:",
        "✓ holds As published [batch 64, cats_vs_dogs, tf_flowers alone] (p = 0.012); ✗ fails"
        " Held-out (p = 0.98);",
        "∅ not testable: memory-stops-above-64",
        "Control, EMBEDDED: Classes subsampled within one data set → Accuracy falls from 0.950",
        "Printed more than once: table 1, Flipping + Cropping: 0.873 and table 4, tf_flowers",
        "Records: runs/invented. All numbers: with --details, or by `simclr-bench report`.",
    ],
)
def test_the_output_says(text: str, sentence: str) -> None:
    assert sentence in words_of(text)


def test_what_is_long_stands_once(text: str) -> None:
    assert text.count("Intervals, ") == 1 and text.count("A mechanism check: ") == 1
    assert "Table 1 prints .873" not in text and "Colab" not in text


def test_the_last_lines_are_the_verdicts(text: str) -> None:
    last = words_of(text.split("\nSummary\n")[1])
    assert last.startswith("Replication. Cells: ≠ different 1,")
    assert last.endswith("! Stale: table 4: food_101, the code has changed")


def test_a_group_of_judgements_has_its_places_and_the_range_of_what_decided() -> None:
    document = invented_document.document()
    table = document["tables"][3]
    holds = {"p_holds": 0.031, "p_fails": 1.0}
    open_ = {"p_holds": 0.36, "p_fails": 0.14}
    table["claims"] = [
        claim(
            "many",
            "a " * 200,
            judgement("as_published", "batch 64", "undecided", **open_),
            judgement("as_published", "batch 32", "undecided", **open_ | {"p_fails": 0.7}),
            judgement("heldout", "batch 64", "holds", **holds),
            judgement("heldout", "batch 32", "undecided", **open_ | {"p_fails": 0.2}),
        ),
        claim("all", "short", *[judgement("heldout", b, "fails", p_fails=0.03) for b in "ab"]),
    ]
    text = printed(document)
    found = words_of(text)
    # Of an undecided claim the smaller p counts: 0.14, 0.36 and 0.2.
    assert "? undecided As published and Held-out [batch 32] (p = 0.14 to 0.36); ✓ holds" in found
    assert "✓ holds Held-out [batch 64] (p = 0.031); the paper" in found
    assert "✗ fails all: “short” in each of 2 comparisons (p = 0.03); the paper" in found
    (sentence,) = [line for line in text.splitlines() if "  many: " in line]
    assert sentence.rstrip().endswith("a …”") and len(sentence.rstrip()) in (99, 100)


def test_evidence_that_depends_on_n_is_counted() -> None:
    document = invented_document.document()
    paper = document["tables"][0]["claims"][0]["paper"]
    paper |= {"evidence": "enough only as one, two and three"}
    paper["details"] = [{"meaning": "x", "enough": n < 3, "short": []} for n in range(5)]
    found = words_of(printed(document))
    assert "as evidence: enough in 3 of 5 readings of its numbers" in found
    assert "enough only as" not in found


def test_a_control_whose_rows_recur_has_a_line_for_each_label() -> None:
    document = invented_document.document()
    cells = {
        ("2 classes", "fixed"): (0.912, 0.825),
        ("5 classes", "fixed"): (0.792, 0.741),
        ("2 classes", "converged"): (0.969, 0.938),
    }
    document["controls"][0] |= {
        "columns": ["regime", "held-out", "gain"],
        "rows": [
            {
                "label": label,
                "cells": [regime, *(parts.metric(m, m - 0.1, m + 0.01) for m in pair)],
                "records": [],
            }
            for (label, regime), pair in cells.items()
        ],
    }
    text = printed(document)
    assert line_of(text, "gain  ").split() == ["gain", "fixed", "converged"]
    assert line_of(text, "2 classes") == ("2 classes +0.825 [0.725, 0.835] +0.938 [0.838, 0.948]")
    assert line_of(text, "5 classes") == "5 classes +0.741 [0.641, 0.751] —"
    assert "0.912" not in text


def test_inconsistencies_are_named_by_number() -> None:
    table = {"inconsistencies": [f"{n}. Text. More" for n in (1, 4, 5, 9, 10, 11, 25)]}
    assert papers_numbers(table) == "1, 4, 5, 9 to 11, 25"
    assert papers_numbers({"inconsistencies": ["No number."]}) == ""
    document = invented_document.document()
    document["tables"][0] |= table
    assert "7 inconsistencies of the paper (1, 4, 5, 9 to 11, 25)" in words_of(printed(document))


def stale(section: str, label: str, reason: str = "other code") -> JSON:
    return {"section": section, "label": label, "seeds": [0, 1], "reason": reason}


def test_stale_rows_are_grouped_by_section_and_reason() -> None:
    found = [stale("table 4", f"set {n}") for n in range(10)]
    found += [stale("table 4", "dtd", "other data"), stale("class count", "2 classes")]
    assert stale_lines(found) == [
        "table 4: 10 rows, other code",
        "table 4: dtd, other data",
        "class count: 2 classes, other code",
    ]
    assert stale_lines([]) == []


def test_stale_rows_take_a_dozen_lines_at_most() -> None:
    dozen = [stale(f"section {n}", "row") for n in range(12)]
    assert len(stale_lines(dozen)) == 12 and "other rows" not in stale_lines(dozen)[-1]
    more = stale_lines([*dozen, *(stale("section 12", f"row {n}") for n in range(3))])
    assert len(more) == 12 and more[-1] == "and 4 other rows"
    assert more[-2] == "section 10: row, other code"
    assert len({*more}) == 12


def test_a_users_own_folder_has_neither_paper_nor_claims() -> None:
    text = printed(invented_document.transfer(), 80)
    assert line_of(text, "cats_vs_dogs, batch 64").endswith(
        "0.922 [0.831, 1.000] 0.909 [0.868, 0.950]"
    )
    for word in ("verdict", "paper", "Claims", "Cells", "mechanism", "On this table", "p: "):
        assert word not in text.split("\n\n", 1)[1]


def test_a_name_is_neither_markup_nor_a_command() -> None:
    document = invented_document.document()
    name = "[bold]x[/bold]\x1b[2J"
    table = document["tables"][0]
    table["rows"][0]["cells"][0] = table["claims"][0]["id"] = name
    document["controls"][0]["title"] = document["controls"][0]["finding"] = name
    text = printed(document)
    assert text.count("[bold]x[/bold]�[2J") >= 4 and "\x1b" not in text
