"""Markdown: tables that are tables, names that are names."""

import re
from typing import Any

import pytest

from simclr_bench.report.markdown import render_markdown
from tests.report import invented_document

JSON = dict[str, Any]


@pytest.fixture(scope="module")
def text() -> str:
    return render_markdown(invented_document.document())


def grids(text: str) -> list[list[list[str]]]:
    """Each table: its lines, as cells, split as GitHub splits them."""
    found = re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE)
    return [[re.split(r"(?<!\\)\|", line)[1:-1] for line in grid.splitlines()] for grid in found]


def test_a_row_reads_like_this(text: str) -> None:
    (line,) = [line for line in text.splitlines() if line.startswith("| Flipping only |")]
    assert line == (
        "| Flipping only | 0.841 [0.829, 0.853] | 0.837 [0.789, 0.881] | 0.726 [0.684, 0.766]"
        " | 0.870 [0.826, 0.894] | = equivalent |"
    )


def test_every_table_has_as_many_cells_in_each_line(text: str) -> None:
    found = grids(text)
    # Cells, claims, tables 1, 2, 3, 4 (two batch sizes), two controls, encoder, checklist.
    assert len(found) == 11
    for grid in found:
        assert len({len(line) for line in grid}) == 1
        assert all(cell.strip() == "---" for cell in grid[1])


def test_every_number_is_there(text: str) -> None:
    document = invented_document.document()
    cells = [cell.strip() for grid in grids(text) for line in grid for cell in line]
    for table in document["tables"]:
        for row in table["rows"]:
            for name, metric in row["measures"].items():
                low, high = metric["interval"]
                sign = "+" if name == "gap" else ""
                assert f"{metric['mean']:{sign}.3f} [{low:.3f}, {high:.3f}]" in cells


def test_names_are_not_markup(text: str) -> None:
    for written in (
        r"\<script\>alert(1)\</script\>",
        r"a \& b\_c%\$\#\{\}",
        r"\[bold\]x\[/bold\] \$x\_1\$ \| \`y\` \*z\*",
    ):
        assert written in text
    assert "<script" not in text.replace(r"\<script", "")


def test_a_line_within_a_name_does_not_end_the_table() -> None:
    document = invented_document.document()
    document["tables"][0]["rows"][0]["cells"][0] = "a\n\n| b | c |"
    assert "| a \\| b \\| c \\| | 0.84 [" in render_markdown(document)


@pytest.mark.parametrize(
    "words",
    [
        "**EMBEDDED:** Procedural images",
        "| 1 | singles-equal: “the accuracy is about the same when applied separately” | ✗ fails |",
        "| 4 | memory-stops-above-64: “we could not train with batch size larger than 64” |",
        "| ∅ not comparable | 5 |",
        "- As published, batch 64: for cats\\_vs\\_dogs, tf\\_flowers alone",
        "- Held-out, batch 32, most against it: tf\\_flowers minus \\<script\\>",
        "- verdicts compare: As published, margin 0.05",
        "\n\nCells: not comparable (procedural images; trained here)\n\n",
        "- stale: table 4: food\\_101, the code has changed",
        "| food\\_101 (stale) | 101 |",
        "? inconclusive (power 18% at 0.05; no number of seeds would settle it) |",
        "- Held-out: ✗ fails (mechanism check); Welch's t, Holm over the table;",
        "- the paper's own numbers: holds as printed; as evidence: not enough at n = 64",
        "2 seeds failed or diverged; they count as 0.",
        "- in the paper: Table 1 prints .873 and Table 4 .906 for the same run.",
        "Do fewer classes help when the images stay the same?"
        " **Accuracy falls from 0.950 to 0.404 as classes go from 2 to 47.**",
        "| Are intervals given? | ✗ no | nowhere |",
    ],
)
def test_the_text_says(text: str, words: str) -> None:
    assert words in text


def test_saved_figures_are_named() -> None:
    document = invented_document.document()
    assert "## Figures" not in render_markdown(document)
    document["figures"][0]["files"] = ["figures/figure-2.png"]
    assert "- Figure 2. The invented figure 2: figures/figure-2.png" in render_markdown(document)


def test_a_users_own_folder_has_a_table_of_its_own() -> None:
    text = render_markdown(invented_document.transfer())
    assert text.startswith("# The protocol on your images\n")
    assert "## The protocol on your images" in text and "paper" not in text.split("##")[2]
    assert "| tf\\_flowers | 0.734 [0.644, 0.825] | 0.722 [0.681, 0.763] | +0.013 [" in text
