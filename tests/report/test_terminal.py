"""What people read, at the width of a narrow terminal."""

import io
from typing import Any

import pytest
from rich.console import Console

from simclr_bench.report.terminal import TerminalReport
from tests.report import invented


def printed(document: dict[str, Any], width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(TerminalReport(document))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.fixture
def text() -> str:
    return printed(invented.document())


def test_a_row_reads_like_this(text: str) -> None:
    lines = text.splitlines()
    (at,) = [i for i, line in enumerate(lines) if line.startswith("dtd (47)") and "0.656" in line]
    assert [lines[at].rstrip(), lines[at + 1].rstrip()] == [
        "dtd (47)         0.656          0.172          0.185          -0.013",
        "                 [0.527, 0.771] [0.000, 0.370] [0.121, 0.249] [-0.148, 0.122]",
    ]


def test_nothing_is_cut_off_at_80_columns(text: str) -> None:
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text


def test_batch_32_shows_a_dash_for_the_paper(text: str) -> None:
    after = text.split("batch size 32, 30 iterations")[1]
    rows = [line for line in after.splitlines() if line.startswith("food_101 (101)")]
    assert rows[0].split()[2] == "—"


@pytest.mark.parametrize(
    "sentence",
    [
        "EMBEDDED: Procedural images",
        "EMBEDDED, batch size 64, 30 iterations, 2 seeds",
        "EMBEDDED, what pretraining is worth",
        "encoder and the held-out images are fixed",
        "960, 384, 41, 19, 19 examples per class",
        "n = 32 fits every printed number too",
        "EMBEDDED, as published, batch 64, on the means: fails (food_101 is not below cifar_100)",
        "EMBEDDED, held-out, batch 64, on the means: holds",
        "cifar_100 over food_101 p = 0.11",
        "The whole order by luck: p = 0.0083",
        "Measured with simclr-bench 0.1.0, commit 0123456789ab, NT-Xent chunked, not compiled",
        "Records: runs/invented",
    ],
)
def test_the_output_says(text: str, sentence: str) -> None:
    assert " ".join(sentence.split()) in " ".join(text.split())


def test_skipped_files_are_named() -> None:
    document = invented.document()
    document["data"][0]["skipped"] = [{"file": "a/[b].png", "reason": "the file is empty"}]
    text = " ".join(printed(document).split())
    assert "Skipped 1 files: a/[b].png (the file is empty)" in text


def test_names_in_brackets_are_not_markup() -> None:
    document = invented.document()
    document["tables"][0]["rows"][0]["label"] = "[bold]x[/bold]"
    assert "[bold]x[/bold]" in printed(document, 120)


def test_a_long_name_wraps_and_no_number_is_cut() -> None:
    document = invented.document()
    for row in document["tables"][0]["rows"]:
        row["label"] = "birds-of-north-america-resized-to-256-pixels-square"
    text = printed(document)
    assert "…" not in text and "[0.121, 0.249]" in text


def test_a_claim_judged_on_some_rows_names_them() -> None:
    document = invented.document()
    document["tables"][0]["claims"][0]["ours"][0]["rows"] = ["dtd", "food_101"]
    assert "for dtd, food_101 alone" in " ".join(printed(document).split())
