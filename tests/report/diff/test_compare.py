"""The comparison of two documents, by hand, and its schema."""

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError
from scipy import stats

import simclr_bench.report.diff
from simclr_bench.report.diff import diff_documents, obstacle
from tests.report.diff.invented import document, judgement, metric, row, verdict

SCHEMA = json.loads((Path(simclr_bench.report.diff.__file__).parent / "schema.json").read_text())
VALIDATOR = Draft202012Validator(SCHEMA)


def compared(a: dict[str, Any], b: dict[str, Any]) -> dict[str, Any]:
    """The comparison, which is valid JSON whatever was compared."""
    before = copy.deepcopy((a, b))
    found = diff_documents(a, b)
    assert (a, b) == before
    VALIDATOR.validate(found)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    return found


def measured(a: dict[str, Any], b: dict[str, Any], name: str = "heldout") -> dict[str, Any]:
    ((found,),) = [
        [measure for measure in row["measures"] if measure["name"] == name]
        for row in compared(document([a]), document([b]))["tables"][0]["rows"]
    ]
    return dict(found)


def held(per_seed: list[float | None], n: int | None = 1000) -> dict[str, Any]:
    return {"heldout": metric(per_seed, n)}


def test_a_document_against_itself_has_no_differences() -> None:
    rows = [row("dtd", [0, 1], held([0.1, 0.2]), verdict=verdict("consistent"))]
    same = document(rows, [judgement("holds")])
    found = compared(same, copy.deepcopy(same))
    for part in ("environment", "inputs", "verdicts", "claims", "only_a", "only_b"):
        assert found[part] == []
    (only,) = found["tables"][0]["rows"]
    assert only["settings"] == [] and only["stale"] is None
    assert only["seeds"] == {"common": [0, 1], "only_a": [], "only_b": []}
    assert only["measures"][0]["change"] == {
        "mean": 0.0,
        "interval": [0.0, 0.0],
        "n_seeds": 2,
        "direction": "equal",
    }


def test_the_paired_change_by_hand() -> None:
    # Changes +0.02 and +0.06: mean 0.04, half width t(0.975, 1) * 0.02 = 12.7062 * 0.02.
    found = measured(row("dtd", [0, 1], held([0.5, 0.6])), row("dtd", [0, 1], held([0.52, 0.66])))
    assert found["title"] == "held-out"
    assert found["a"] == {"mean": pytest.approx(0.55), "n": 1000}
    assert found["b"] == {"mean": pytest.approx(0.59), "n": 1000}
    assert found["change"]["mean"] == pytest.approx(0.04)
    assert found["change"]["interval"] == pytest.approx([0.04 - 0.254124, 0.04 + 0.254124])
    assert found["change"]["direction"] == "undecided"


def test_the_paired_change_is_scipys_paired_t_interval() -> None:
    draw = random.Random(0)
    a = [draw.random() for _ in range(7)]
    b = [x * 0.9 + 0.01 * draw.random() for x in a]
    seeds = list(range(7))
    change = measured(row("dtd", seeds, held([*a])), row("dtd", seeds, held([*b])))["change"]
    reference = stats.ttest_rel(b, a).confidence_interval(0.95)
    assert change["interval"] == pytest.approx([reference.low, reference.high], rel=1e-12)
    assert change["direction"] == "lower"
    back = measured(row("dtd", seeds, held([*b])), row("dtd", seeds, held([*a])))["change"]
    assert back["direction"] == "higher" and back["mean"] == -change["mean"]


def test_seeds_are_paired_by_their_number_and_the_others_are_named() -> None:
    a = row("dtd", [0, 1, 2, 3], held([0.9, 0.5, 0.6, 0.1]))
    b = row("dtd", [3, 2, 1, 7], held([0.2, 0.7, 0.6, 0.9]))
    found = compared(document([a]), document([b]))["tables"][0]["rows"][0]
    assert found["seeds"] == {"common": [1, 2, 3], "only_a": [0], "only_b": [7]}
    change = found["measures"][0]["change"]
    assert change["mean"] == pytest.approx(0.1) and change["n_seeds"] == 3
    assert change["interval"] == pytest.approx([0.1, 0.1]) and change["direction"] == "higher"


def test_one_common_seed_has_no_interval_and_none_no_change() -> None:
    one = measured(row("dtd", [0, 1], held([0.5, 0.6])), row("dtd", [1, 2], held([0.7, 0.8])))
    assert one["change"]["interval"] is None and one["change"]["n_seeds"] == 1
    assert one["change"]["mean"] == pytest.approx(0.1)
    assert one["change"]["direction"] == "undecided"
    none = measured(row("dtd", [0, 1], held([0.5, 0.6])), row("dtd", [2, 3], held([0.7, 0.8])))
    assert none["change"] is None and none["a"]["mean"] == pytest.approx(0.55)


def test_a_failed_seed_counts_as_0_in_an_accuracy_and_is_named() -> None:
    a, b = row("dtd", [0, 1], held([0.5, 0.6])), row("dtd", [0, 1], held([0.5, None]))
    found = measured(a, b)
    assert found["failed"] == {"a": [], "b": [1]}
    assert found["change"]["mean"] == pytest.approx(-0.3)
    assert found["change"]["mean"] == pytest.approx(found["b"]["mean"] - found["a"]["mean"])


def test_a_failed_seed_leaves_a_difference_of_accuracies_out() -> None:
    a = row("dtd", [0, 1, 2], {"gap": metric([0.1, None, 0.2], None)})
    b = row("dtd", [0, 1, 2], {"gap": metric([0.2, 0.1, None], None)})
    found = measured(a, b, "gap")
    assert found["failed"] == {"a": [1], "b": [2]}
    assert found["change"]["n_seeds"] == 1 and found["change"]["mean"] == pytest.approx(0.1)


def test_rows_are_matched_by_table_label_and_batch_size() -> None:
    a = document([row("dtd", [0, 1], held([0.1, 0.2])), row("food_101", [0, 1], held([0.1, 0.2]))])
    b = document([row("dtd", [0, 1], held([0.1, 0.2]), batch_size=32)])
    b["tables"] += [{**copy.deepcopy(b["tables"][0]), "id": "1"}]
    found = compared(a, b)
    assert found["tables"] == []
    assert found["only_a"] == [
        {"table": "4", "label": "dtd", "batch_size": 64},
        {"table": "4", "label": "food_101", "batch_size": 64},
    ]
    assert found["only_b"] == [
        {"table": "4", "label": "dtd", "batch_size": 32},
        {"table": "1", "label": "dtd", "batch_size": 32},
    ]


def test_settings_that_differ_are_named_within_objects_too() -> None:
    a = row("dtd", [0, 1], held([0.1, 0.2]))
    b = copy.deepcopy(a)
    b["settings"] = {"learning_rate": 0.2, "widths": [512, 64], "teacher": {"iterations": 31}}
    b["settings"]["optimizer"] = "lars"
    b["dataset"] = "dtd"
    found = compared(document([a]), document([b]))["tables"][0]["rows"][0]
    assert found["settings"] == [
        {"field": "dataset", "a": "tf_flowers", "b": "dtd"},
        {"field": "learning_rate", "a": 0.1, "b": 0.2},
        {"field": "widths", "a": [512], "b": [512, 64]},
        {"field": "teacher.iterations", "a": 30, "b": 31},
        {"field": "optimizer", "a": None, "b": "lars"},
    ]


def test_environment_encoder_and_data_that_differ_are_named() -> None:
    a, b = document([]), document([], run_directory="runs/b")
    b["environment"] |= {"packages": {"torch": "2.11.1"}, "gpu": "an invented one"}
    b["encoder"] = {"key": "def", "check": []}
    b["data"][0]["train_images"] = 401
    found = compared(a, b)
    assert (found["a"], found["b"]) == ("runs/a", "runs/b")
    assert found["environment"] == [
        {"field": "packages.torch", "a": "2.11.0", "b": "2.11.1"},
        {"field": "gpu", "a": None, "b": "an invented one"},
    ]
    assert found["inputs"] == [
        {"field": "encoder", "a": "abc", "b": "def"},
        {"field": "data.tf_flowers.train_images", "a": 400, "b": 401},
    ]


@pytest.mark.parametrize(
    ("before", "after"),
    [("consistent", "different"), (None, "inconclusive"), ("not comparable", None)],
)
def test_a_verdict_that_flipped_is_named(before: str | None, after: str | None) -> None:
    words = [word and verdict(word) for word in (before, after)]
    a, b = (row("dtd", [0, 1], held([0.1, 0.2]), verdict=found) for found in words)
    (flip,) = compared(document([a]), document([b]))["verdicts"]
    assert flip == {"table": "4", "label": "dtd", "batch_size": 64, "a": words[0], "b": words[1]}


def test_a_verdict_with_other_words_around_it_did_not_flip() -> None:
    a = row("dtd", [0, 1], held([0.1, 0.2]), verdict=verdict("consistent"))
    b = copy.deepcopy(a)
    b["verdict"]["text"] = "consistent at 16 seeds"
    assert compared(document([a]), document([b]))["verdicts"] == []


def test_a_claim_that_flipped_is_named_for_the_measure_that_flipped() -> None:
    a = document([], [judgement("holds"), judgement("holds", "gap"), judgement("fails", "x")])
    b = document([], [judgement("holds"), judgement("undecided", "gap"), judgement("holds", "y")])
    assert compared(a, b)["claims"] == [
        {
            "table": "4",
            "id": "fewer",
            "measure": "gap",
            "where": "batch 64",
            "sentence": "fewer classes, higher accuracy",
            "a": "holds",
            "b": "undecided",
        }
    ]


def test_stale_rows_and_measures_of_one_side_are_named() -> None:
    a = row("dtd", [0, 1], held([0.1, 0.2]), stale="the code changed")
    b = row("dtd", [0, 1], {**held([0.1, 0.2]), "gap": metric([0.1, 0.2], None)})
    found = compared(document([a]), document([b]))["tables"][0]["rows"][0]
    assert found["stale"] == {"a": "the code changed", "b": None}
    assert found["measures_only_a"] == [] and found["measures_only_b"] == ["gap"]


def test_other_profiles_and_schemas_are_obstacles() -> None:
    a, b = document([]), document([])
    assert obstacle(a, b) is None
    b["profile"] = {"name": "folder", "label": "YOUR IMAGES", "notice": ""}
    assert obstacle(a, b) == "the first is of the profile 'embedded', the second of 'folder'"
    b["schema_version"] = 3
    assert obstacle(a, b) == "the second has document schema 3, this version compares 2"
    assert obstacle(b, a) == "the first has document schema 3, this version compares 2"
    with pytest.raises(ValueError, match="document schema 3"):
        diff_documents(a, b)


@pytest.fixture
def full() -> dict[str, Any]:
    """A comparison with every part filled."""
    a = document(
        [
            row("dtd", [0, 1], held([0.1, 0.2]), verdict=verdict("consistent"), stale="old"),
            row("only a", [0, 1], held([0.1, 0.2])),
        ],
        [judgement("holds")],
    )
    b = document(
        [
            row("dtd", [0, 1], held([0.2, 0.2]), verdict=verdict("different"), settings={"x": 1}),
            row("only b", [0, 1], held([0.1, 0.2])),
        ],
        [judgement("fails")],
        environment={},
        encoder={"key": "def"},
    )
    return compared(a, b)


def test_the_schema_is_one_and_closed(full: dict[str, Any]) -> None:
    Draft202012Validator.check_schema(SCHEMA)
    seen = list(_objects(full))
    assert len(seen) >= 15
    for thing in seen:
        for name in list(thing):
            value = thing.pop(name)
            with pytest.raises(ValidationError):
                VALIDATOR.validate(full)
            thing[name] = value
        thing["surplus"] = 1
        with pytest.raises(ValidationError):
            VALIDATOR.validate(full)
        del thing["surplus"]
    VALIDATOR.validate(full)


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for part in value.values():
            yield from _objects(part)
    elif isinstance(value, list):
        for part in value:
            yield from _objects(part)
