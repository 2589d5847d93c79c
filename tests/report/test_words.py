"""How numbers are written, and what is picked out of a document."""

import pytest

from simclr_bench.report import reading, words
from simclr_bench.verdicts import cells
from tests.report import invented_document, parts


def test_numbers_have_three_decimals_and_no_negative_zero() -> None:
    assert words.number(0.12345) == "0.123" and words.number(1) == "1.000"
    assert words.number(-0.0001) == "0.000" and words.number(None) == "—"
    assert words.number(0.0127, signed=True) == "+0.013"
    assert words.number(-0.0004, signed=True) == "+0.000"
    assert words.interval([-0.00001, 0.98765]) == "[0.000, 0.988]" and words.interval(None) == "—"


@pytest.mark.parametrize(
    ("value", "written"),
    [(0.0000999, "p < 0.0001"), (0.0001, "p = 0.0001"), (1 / 120, "p = 0.0083"), (1.0, "p = 1")],
)
def test_p_values(value: float, written: str) -> None:
    assert words.p_value(value) == written


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (True, "yes"),
        (None, "—"),
        (0.1, "0.1"),
        (64, "64"),
        ([], "none"),
        (["crop", "flip"], "crop, flip"),
        ({"torch": "2.11", "lr": 0.1}, "torch 2.11, lr 0.1"),
    ],
)
def test_values_of_settings(value: object, written: str) -> None:
    assert words.plain(value) == written


def test_every_word_of_a_verdict_has_its_own_symbol() -> None:
    assert tuple(words.CELL_SYMBOLS) == (*cells.WORDS, cells.NOT_COMPARABLE)
    assert len(set(words.CELL_SYMBOLS.values())) == 5
    assert words.CELL_MEANINGS.keys() == words.CELL_SYMBOLS.keys()
    assert len({words.CLAIM_SYMBOLS[word] for word in ("holds", "fails", "undecided")}) == 3


def test_what_follows_the_word_of_a_verdict() -> None:
    verdict = parts.verdict("not comparable", "heldout", "not comparable: a: b", "a: b")
    assert words.beyond_the_word(verdict) == "a: b"
    assert words.beyond_the_word(parts.verdict("different", "heldout")) == ""


def test_the_widest_candidate_is_shown() -> None:
    near = parts.candidate(3670, 1, 1, 0.4, 0.42)
    far = parts.candidate(64, 1, 1, 0.3, 0.5)
    assert reading.widest(parts.paper("0.41", near, far)) is far
    assert reading.widest(parts.paper("0.41")) is None


@pytest.mark.parametrize(
    ("found", "word"),
    [
        (("holds", "holds"), "holds"),
        (("holds", "undecided"), "mixed"),
        (("fails",), "fails"),
        ((), "not judged"),
    ],
)
def test_one_word_for_a_claim(found: tuple[str, ...], word: str) -> None:
    judged = [parts.judgement("heldout", "", each) for each in found]
    assert reading.claim_word(parts.claim("x", "y", *judged)) == word
    untestable = parts.claim("x", "y", *judged, testable=False, reason="z")
    assert reading.claim_word(untestable) == "not testable"


def test_the_judged_measure_stands_first() -> None:
    table = invented_document.document()["tables"][0]
    names = [measure["name"] for measure in reading.judged_first(table, table["rows"])]
    assert names == ["heldout", "progressive", "train_pass"]
    judged = reading.judged(table, table["rows"][0])
    assert judged is not None and judged[0]["name"] == "heldout"
    ours_alone = reading.judged(table, table["rows"][4])
    assert ours_alone is not None and ours_alone[0]["name"] == "progressive"


def test_a_measure_has_its_n_and_its_seeds() -> None:
    table = invented_document.document()["tables"][3]
    published, heldout, gap = table["measures"]
    assert reading.meaning_of(table, published) == "the last batch (n = 32 to 64, 3 seeds)"
    table["rows"][0]["measures"]["heldout"]["n_seeds"] = 10
    assert (
        reading.meaning_of(table, heldout) == "the whole held-out split (n = 1000, 3 to 10 seeds)"
    )
    assert reading.meaning_of(table, gap) == "as published minus held-out (3 seeds)"
    assert reading.meaning_of(table | {"rows": []}, gap) == "as published minus held-out"


def test_cells_are_counted_by_word_and_seeds_that_failed() -> None:
    document = invented_document.document()
    assert reading.cell_counts(document["tables"]) == {
        "different": 1,
        "equivalent": 1,
        "consistent": 1,
        "inconclusive": 1,
        "not comparable": 5,
    }
    assert reading.failed_seeds(document) == 2
    assert [figure["id"] for figure in reading.all_figures(document)] == ["2", "6", "class-count"]


def test_rows_are_named_where_some_are_missing() -> None:
    table = invented_document.document()["tables"][3]
    claim = table["claims"][0]
    some, all_of_them = claim["judgements"]
    assert reading.rows_to_name(table, claim, some) == ["cats_vs_dogs", "tf_flowers"]
    assert reading.rows_to_name(table, claim, all_of_them) == []


def test_what_speaks_most_against_a_claim() -> None:
    found = [
        {"first": "a", "second": each, "difference": 0.1, "p_holds": 0.5, "p_fails": p}
        for each, p in (("b", 0.2), ("c", 0.04), ("d", 0.9))
    ]
    fails = parts.judgement("heldout", "", "fails", comparisons=found)
    against = reading.most_against(fails)
    assert against is not None and against["second"] == "c"
    assert reading.most_against(fails | {"verdict": "holds"}) is None
    assert reading.most_against(fails | {"comparisons": []}) is None
