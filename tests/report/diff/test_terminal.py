"""The comparison in a terminal: what matters is there, in words, in 80 columns."""

import io
from typing import Any

import pytest
from rich.console import Console

from simclr_bench.report.diff import DiffReport, diff_documents
from tests.report.diff.invented import document, judgement, metric, row, verdict


def shown(a: dict[str, Any], b: dict[str, Any], width: int = 80) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width, highlight=False).print(DiffReport(diff_documents(a, b)))
    return stream.getvalue()


def words(text: str) -> str:
    return " ".join(text.split())


@pytest.fixture
def pair() -> tuple[dict[str, Any], dict[str, Any]]:
    quiet = row("food_101", [0, 1], {"heldout": metric([0.1, 0.2])})
    before = {"heldout": metric([0.50, 0.60, 0.7])}
    long = "[red]a label of a data set that somebody named with great care and no end"
    a = document(
        [
            row("dtd", [0, 1, 2], before, verdict=verdict("different")),
            quiet,
            row(long, [0, 1], {"heldout": metric([0.5, None])}),
        ],
        [judgement("holds")],
    )
    b = document(
        [
            row("dtd", [1, 2, 3], {"heldout": metric([0.61, 0.72, 0.7])}, stale="code changed"),
            quiet,
            row(long, [0, 1], {"heldout": metric([0.6, 0.7])}, settings={"widths": [512]}),
            row("new", [0, 1], {"heldout": metric([0.1, 0.2])}),
        ],
        [judgement("undecided")],
        run_directory="runs/b",
        environment={"python": "3.11.8", "packages": {"torch": "2.11.0"}, "gpu": None},
    )
    return a, b


@pytest.mark.parametrize("width", [80, 120])
def test_everything_that_changed_is_said(
    pair: tuple[dict[str, Any], dict[str, Any]], width: int
) -> None:
    text = shown(*pair, width)
    assert max(map(len, text.splitlines())) <= width
    said = words(text)
    for needle in (
        "EMBEDDED: what changed from A to B",
        "python: 3.11.7 -> 3.11.8",
        "Encoder and data: the same",
        "Table 4. Transfer",
        "dtd, batch 64 (2 seeds in both; unpaired in A: 0; unpaired in B: 3)",
        "stale in B: code changed",
        # Changes +0.01 and +0.02: half width 12.7062 * 0.005.
        "0.600 0.677 +0.015 [-0.049, +0.079] undecided",
        "seeds without a value, A: 1",
        "learning_rate: 0.1 -> null",
        "The same in every seed: food_101, batch 64",
        "Table 4, dtd, batch 64: different -> no verdict",
        "fewer (heldout, batch 64): holds -> undecided; “fewer classes, higher accuracy”",
        "Rows in B alone: Table 4, new, batch 64",
        "[red]a label of",
    ):
        assert needle in said, needle
    assert "Rows in A alone" not in said and "\x1b" not in text


def test_nothing_changed_is_short() -> None:
    same = document([row("dtd", [0, 1], {"heldout": metric([0.1, 0.2])})])
    text = shown(same, same)
    assert "The same in every seed: dtd, batch 64" in text
    assert "Verdicts of cells: none flipped" in text and "Verdicts of claims: none" in text
    assert "Measure" not in text


def test_one_and_no_common_seed_are_said() -> None:
    a, b, c = (
        document([row("dtd", seeds, {"heldout": metric([0.5, 0.6])})])
        for seeds in ([0, 1], [1, 2], [2, 3])
    )
    assert "-0.100 (one seed: no interval)" in words(shown(a, b))
    assert "no seed has it in both" in words(shown(a, c))
    assert "0 seeds in both" in words(shown(a, c))


@pytest.mark.parametrize(
    "changes",
    [
        {"stale": "code changed"},
        {"settings": {"widths": [64]}},
        {"seeds": [0, 1, 2], "measures": {"heldout": metric([0.1, 0.2, 0.3])}},
        {"measures": {"heldout": metric([0.1, 0.2]), "gap": metric([0.1, 0.1], None)}},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_row_of_equal_numbers_is_shown_if_anything_else_changed(changes: dict[str, Any]) -> None:
    before = row("dtd", [0, 1], {"heldout": metric([0.1, 0.2])})
    text = shown(document([before]), document([{**before, **changes}]))
    assert "The same in every seed" not in text and "dtd, batch 64 (2 seeds in both" in text


def test_a_seed_that_failed_in_both_is_shown() -> None:
    same = document([row("dtd", [0, 1], {"heldout": metric([0.1, None])})])
    assert "seeds without a value, A: 1; B: 1" in words(shown(same, same))
