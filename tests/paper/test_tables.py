"""The tables as data: every printed cell entered twice, and every name leads somewhere."""

from dataclasses import replace
from itertools import product

import pytest

from simclr_bench.paper.claims import PARAMETERS
from simclr_bench.paper.equal import equal_runs
from simclr_bench.paper.spec import Above, Claim, Compared, Distillation, Untestable, stated
from simclr_bench.paper.tables import DISTILLATION, FIGURES, TABLE_4, TABLES

# A second transcription, made from the paper and never from tables.py.
SECOND = {
    "1": [
        ["Cropping only", "0.84"],
        ["Flipping only", "0.841"],
        ["Color distortion only", "0.839"],
        ["Cropping + Color distortion", "0.87"],
        ["Flipping + Cropping", "0.873"],
        ["All", "0.898"],
        ["None", "0.784"],
    ],
    "2": [["VGG16", "ResNet50", "0.65"], ["ResNet50", "ResNet50", "0.71"]],
    "3": [
        ["Epoch", "100"],
        ["Learning rate", "0.01"],
        ["Momentum", "0.9"],
        ["Weight decay", "0.0001"],
        ["Temperature", "1.0"],
    ],
    "4": [
        ["cats_vs_dogs", "2", "Varied", "1.0"],
        ["tf_flowers", "5", "Varied (250x500)", "0.906"],
        ["dtd", "47", "Varied (300x640)", "0.656"],
        ["cifar_100", "100", "32 x 32", "0.25"],
        ["food_101", "101", "Varied (512 x 512)", "0.125"],
    ],
}


@pytest.mark.parametrize("number", SECOND)
def test_printed_cells_match_a_second_transcription(number: str) -> None:
    assert TABLES[number].cells[1:] == SECOND[number]


def test_there_are_four_tables() -> None:
    assert list(TABLES) == list(SECOND)


def test_scores_are_the_last_column_as_printed() -> None:
    assert TABLES["4"].scores["tf_flowers"] == "0.906"
    assert TABLES["3"].scores == {}


def test_table_3_is_the_base_of_table_2() -> None:
    table = TABLES["3"]
    assert TABLES["2"].base == table.base == DISTILLATION
    for label in table.rows:
        assert table.experiment(label) == DISTILLATION
    for (_, printed), changes in zip(table.cells[1:], table.rows.values(), strict=True):
        (value,) = changes.values()
        assert float(printed) == value


def test_rows_of_a_table_of_results_are_distinct_experiments() -> None:
    for table in TABLES.values():
        if table.measured:
            experiments = [table.experiment(label) for label in table.rows]
            assert len(set(experiments)) == len(experiments)


def test_flip_and_crop_of_table_1_is_the_flowers_row_of_table_4() -> None:
    (equal,) = equal_runs()
    assert [(run.table, run.label, run.printed) for run in equal.runs] == [
        ("1", "Flipping + Cropping", "0.873"),
        ("4", "tf_flowers", "0.906"),
    ]
    assert equal.note.endswith("one experiment; the paper prints 0.873 and 0.906")


def test_runs_that_differ_in_one_field_are_not_equal() -> None:
    other = replace(TABLE_4, base=replace(TABLE_4.base, learning_rate=0.2))
    assert equal_runs([TABLES["1"], other]) == []


def test_every_choice_names_a_field_and_gives_a_reason() -> None:
    for table in TABLES.values():
        for name, reason in table.choices.items():
            assert hasattr(table.base, name) and len(reason) > 10


def test_momentum_is_a_choice_wherever_the_paper_does_not_state_it() -> None:
    assert "momentum" in TABLES["1"].choices and "momentum" in TABLES["4"].choices
    assert isinstance(TABLES["2"].base, Distillation) and "momentum" not in TABLES["2"].choices


def test_choices_say_what_they_leave_open() -> None:
    assert "not stated" in TABLES["2"].choices["teacher"]
    assert "32 and 64" in TABLES["1"].choices["batch_size"]
    # With LARS a student learns as well: its steps are small, but there are thousands.
    assert "up to ten times that with momentum" in TABLES["2"].choices["optimizer"]


def test_claims_have_their_sentence_and_its_section() -> None:
    for table in TABLES.values():
        for claim in table.claims:
            assert len(claim.sentence) > 20 and claim.source.startswith(("section 6", "section 7"))
    names = [claim.id for table in TABLES.values() for claim in table.claims]
    assert len(set(names)) == len(names) == 19


def test_what_cannot_be_tested_says_why_and_all_else_is_a_statement() -> None:
    reasons = {
        claim.id: claim.statement.reason
        for table in TABLES.values()
        for claim in table.claims
        if isinstance(claim.statement, Untestable)
    }
    assert len(reasons) == 8 and all(len(reason) > 40 for reason in reasons.values())
    assert "375 million" in reasons["moco-has-400-million"]


def test_no_student_is_smaller_than_the_teacher() -> None:
    (claim,) = [claim for claim in TABLES["2"].claims if claim.id == "student-is-smaller"]
    assert isinstance(claim.statement, Compared) and isinstance(claim.statement.statement, Above)
    said = claim.statement.statement
    assert {*said.upper, *said.lower} == set(PARAMETERS)
    assert [PARAMETERS[name] for name in said.lower] == [138_357_544, 25_557_032]
    assert [PARAMETERS[name] for name in said.upper] == [25_557_032]


def test_a_statement_reads_like_this() -> None:
    assert [stated(claim.statement) for claim in TABLES["4"].claims[:2]] == [
        "cats_vs_dogs > tf_flowers > dtd > cifar_100 > food_101",
        "mean accuracy over the data sets, at equal iterations, examples and passes: batch 64"
        " > batch 32",
    ]


def test_every_figure_belongs_to_a_table() -> None:
    assert {figure.id: figure.table for figure in FIGURES.values()} == {"2": "1", "6": "4"}
    assert all(figure.table in TABLES for figure in FIGURES.values())


def test_table_1_and_its_added_row_are_all_subsets_of_three_operations() -> None:
    table = TABLES["1"]
    labels = [*table.rows, *table.added_rows]
    augments = [table.experiment(label).augment for label in labels]
    assert sorted(augments) == sorted(
        tuple(
            operation for operation, on in zip(("crop", "flip", "color"), chosen, strict=True) if on
        )
        for chosen in product((False, True), repeat=3)
    )
    assert list(table.added_rows) == ["Flipping + Color distortion"]


def test_a_printed_row_cannot_be_added() -> None:
    with pytest.raises(ValueError, match=r"printed, so not ours to add: \['dtd'\]"):
        replace(TABLE_4, added_rows={"dtd": {}})


def test_a_row_that_is_not_printed_is_refused() -> None:
    with pytest.raises(ValueError, match=r"table 4: rows are \['dtd'\], printed are"):
        replace(TABLE_4, rows={"dtd": {}})


def test_a_ragged_line_is_refused() -> None:
    with pytest.raises(ValueError, match="table 4: not 4 cells"):
        replace(TABLE_4, printed=TABLE_4.printed.replace("32 x 32            | 0.25", "0.25"))


def test_an_unknown_field_is_refused() -> None:
    rows = {**TABLE_4.rows, "dtd": {"datset": "dtd"}}
    with pytest.raises(ValueError, match=r"table 4, 'dtd': no such field: \['datset'\]"):
        replace(TABLE_4, rows=rows)


def test_a_choice_for_no_field_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a choice for no field: \['speed'\]"):
        replace(TABLE_4, choices={"speed": "fast"})


def test_a_claim_about_no_row_is_refused() -> None:
    claim = Claim(id="x", sentence="", source="", statement=Above(("dtd",), ("mnist",)))
    with pytest.raises(ValueError, match=r"claim x: no such row: \['mnist'\]"):
        replace(TABLE_4, claims=(claim,))
