"""What people read in a terminal, narrow or wide."""

import io
import re
from typing import Any

import pytest
from rich.console import Console

from simclr_bench.report.terminal import TerminalReport
from tests.report import invented_document

JSON = dict[str, Any]


def printed(document: JSON, width: int = 80, *, details: bool = True, **options: Any) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False, **options)
    console.print(TerminalReport(document, details=details))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.fixture(scope="module")
def narrow() -> str:
    return printed(invented_document.document())


@pytest.fixture(scope="module")
def wide() -> str:
    return printed(invented_document.document(), 120)


def words_of(text: str) -> str:
    return " ".join(text.split())


def test_a_row_reads_like_this_at_120_columns(wide: str) -> None:
    lines = wide.splitlines()
    (at,) = [number for number, line in enumerate(lines) if line.startswith("Flipping only  ")]
    assert [re.sub(" {2,}", "  ", line.rstrip()) for line in lines[at : at + 2]] == [
        "Flipping only  0.841  0.837  0.726  0.870  = equivalent",
        "  [0.829, 0.853]  [0.789, 0.881] [0.684, 0.766] [0.826, 0.894]",
    ]


def test_a_row_reads_like_this_at_80_columns(narrow: str) -> None:
    lines = narrow.splitlines()
    at, continued = [n for n, line in enumerate(lines) if line.startswith("Flipping only  ")]
    assert lines[at].split() == ["Flipping", "only", "0.841", "0.837", "0.726", "=", "equivalent"]
    # What has no room stands below, and the measure that is judged is not what gives way.
    assert lines[continued].split() == ["Flipping", "only", "0.870"]
    assert lines[continued + 1].split() == ["[0.826,", "0.894]"]


@pytest.mark.parametrize("width", [80, 81, 100, 119, 120, 200])
def test_no_line_is_too_long_and_nothing_is_cut(width: int) -> None:
    document = invented_document.document()
    text = printed(document, width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    for table in document["tables"]:
        for row in table["rows"]:
            for name, metric in row["measures"].items():
                low, high = metric["interval"]
                assert f"[{low:.3f}, {high:.3f}]" in text
                assert f"{metric['mean']:{'+' if name == 'gap' else ''}.3f}" in text


def test_the_printed_number_has_its_widest_interval(narrow: str) -> None:
    lines = narrow.splitlines()
    (at,) = [
        n for n, line in enumerate(lines) if line.startswith("Cropping only") and "0.84" in line
    ]
    # n = 64 and n = 3670 both print 0.84; the first has the wider interval.
    assert "[0.731, 0.922]" in lines[at + 1] and "[0.823, 0.856]" not in narrow


def test_the_papers_other_columns_stand_below_the_name(narrow: str) -> None:
    lines = [line.rstrip() for line in narrow.splitlines()]
    at = [number for number, line in enumerate(lines) if line.startswith("food_101 (stale)  ")]
    assert len(at) == 2  # batch 64, batch 32
    assert lines[at[1] + 1].startswith("101 · Varied (512 x 512)")
    batch_32 = narrow.split("batch size 32", 1)[1]
    assert "paper" not in batch_32.split("As published:")[0]


def test_no_verdict_is_shown_where_none_can_be_given(narrow: str) -> None:
    table_1, table_2 = narrow.split("Table 1. ")[1].split("Table 2. ")
    assert "Verdict" in table_1 and "≠ different" in table_1
    assert "Verdict" not in table_2.split("Verdicts compare")[0]
    assert table_2.split("Table 3. ")[0].count("not comparable") == 1


def test_table_3_is_shown_as_printed(narrow: str) -> None:
    block = narrow.split("Table 3. Hyper-parameters")[1].split("Table 4")[0]
    assert [line.split() for line in block.splitlines() if line.startswith("Learning")] == [
        ["Learning", "rate", "0.01"]
    ]


@pytest.mark.parametrize(
    "sentence",
    [
        "EMBEDDED: Procedural images and an encoder trained here",
        "Measured with simclr-bench 0.1.0, commit 0123456789ab, NT-Xent chunked, not compiled",
        "records from 2 environments",
        "Skipped 1 file: a/[bold]x[/bold]",
        "? inconclusive (power 18% at 0.05; no number of seeds would settle it): All",
        "Cells: not comparable (procedural images; trained here)",
        "! All: 3 seeds, of which seed 1 diverged (loss is not finite); seed 2 failed (OSError:",
        "! stale: the code has changed",
        "Verdicts compare: Held-out, margin 0.05.",
        "! In the paper: Table 1 prints .873 and Table 4 .906 for the same run.",
        "tf_flowers elsewhere: SimCLR v1, table 8, linear evaluation: 0.942.",
        "✗ fails EMBEDDED, Held-out (mechanism check)",
        "✓ holds EMBEDDED, As published, batch 64, for cats_vs_dogs, tf_flowers (mechanism check)",
        "✗ fails EMBEDDED, Held-out, batch 32 (mechanism check)",
        "trend p = 0.0083; rows in random order p = 0.027",
        "most against it: tf_flowers minus <script>alert(1)</script> -0.012",
        "the paper's own numbers: holds as printed; as evidence: not enough at n = 64",
        "∅ not testable: the authors' Colab runtime of 2021",
        "→ Accuracy falls from 0.950 to 0.404 as classes go from 2 to 47.",
        "table 1, Flipping + Cropping: 0.873 and table 4, tf_flowers: 0.906",
        "Records: runs/invented",
    ],
)
def test_the_output_says(narrow: str, wide: str, sentence: str) -> None:
    assert sentence in words_of(narrow) and sentence in words_of(wide)


def test_the_last_lines_are_all_verdicts(narrow: str) -> None:
    assert words_of(narrow.split("\nSummary\n")[1]) == words_of(
        """
        Replication.
        Cells: ≠ different 1, = equivalent 1, ≈ consistent 1, ? inconclusive 1, ∅ not comparable 5
        Claims, table 1: ✗ fails singles-equal; ✓ holds all-is-best; ? undecided none-is-worst
        Claims, table 2: ± mixed same-architecture-wins
        Claims, table 4: ± mixed fewer-classes-higher-accuracy; ∅ not testable 1
        A mechanism check: embedded images and an encoder trained here show how the recipe
        behaves, and are no evidence about the paper's data.
        ! 2 seeds failed or diverged; they count as 0.
        ! Stale: table 4: food_101, the code has changed
        """
    )


def test_color_adds_nothing_that_words_do_not_say(narrow: str) -> None:
    colored = printed(
        invented_document.document(), force_terminal=True, color_system="standard", no_color=False
    )
    assert "\x1b[" in colored and "\x1b[" not in narrow
    assert re.sub(r"\x1b\[[\d;]*m", "", colored) == narrow
    # Yellow, cyan and white vanish on a light background, blue and black on a dark one.
    codes = {
        int(code) for found in re.findall(r"\x1b\[([\d;]*)m", colored) for code in found.split(";")
    }
    assert codes <= {0, 1, 2, 31, 32, 35, 39}


def test_names_in_brackets_are_not_markup() -> None:
    document = invented_document.document()
    name = "[bold]x[/bold]"
    document["profile"] |= {"label": name, "notice": name}
    document["run_directory"] = name
    document["words"]["this_run"] = name
    document["data"][0]["dataset"] = document["encoder"]["check"][0]["dataset"] = name
    for table in document["tables"]:
        table |= {"caption": name, "notes": [name], "inconsistencies": [name], "header": [name] * 4}
        for row in table["rows"]:
            row |= {"label": name, "cells": [name] * 4, "stale": name}
        for claim in table["claims"]:
            claim |= {"sentence": name, "id": name}
    for control in document["controls"]:
        control |= {"title": name, "question": name, "finding": name, "notes": [name]}
        control["columns"] = [name for _ in control["columns"]]
        control["rows"][0] |= {"label": name}
        control["rows"][0]["cells"][0] = name
    text = printed(document, 400)
    assert "[/bold]" in text
    assert len(re.findall(r"\[bold\]x\[/bold\]", text)) == text.count("x[/bold]") > 150
    assert not re.search(r"(?<!\])\bx\b(?!\[)", text)


def test_a_name_cannot_speak_to_the_terminal() -> None:
    document = invented_document.document()
    document["data"][0]["dataset"] = "\x1b[2Jgone\r\x9b1A\x08"
    text = printed(document)
    assert "�[2Jgone��1A�" in text
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", text)


def test_figures_name_their_files() -> None:
    document = invented_document.document()
    document["figures"][1]["files"] = ["figures/figure-6.png", "figures/figure-6.svg"]
    text = words_of(printed(document))
    assert "(EMBEDDED): figures/figure-6.png, figures/figure-6.svg" in text
    assert "figure-2" not in text


def test_a_users_own_folder_has_neither_paper_nor_verdicts() -> None:
    text = printed(invented_document.transfer())
    assert "[0.831, 1.000]" in text
    for word in ("Verdict", "paper", "Claim", "Cells", "mechanism", "Table transfer"):
        assert word not in text.split("\n\n", 1)[1]
