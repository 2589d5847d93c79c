"""The document: its numbers by hand, and its schema, from which nothing can be left out."""

import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError

import simclr_bench.report
from simclr_bench.experiments.plan import plan_folder
from simclr_bench.experiments.profiles import EMBEDDED, FOLDER
from simclr_bench.paper.tables import TABLE_4
from simclr_bench.report.document import build_document
from tests.report import invented

SCHEMA = json.loads((Path(simclr_bench.report.__file__).parent / "schema.json").read_text())
VALIDATOR = Draft202012Validator(SCHEMA)


@pytest.fixture
def document() -> dict[str, Any]:
    return invented.document()


def row(document: dict[str, Any], label: str, batch_size: int = 64) -> dict[str, Any]:
    rows = document["tables"][0]["rows"]
    (found,) = [r for r in rows if (r["label"], r["batch_size"]) == (label, batch_size)]
    return dict(found)


def test_the_schema_is_one(document: dict[str, Any]) -> None:
    Draft202012Validator.check_schema(SCHEMA)
    VALIDATOR.validate(document)


def test_the_document_is_json(document: dict[str, Any]) -> None:
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_means_and_the_paired_gap_by_hand(document: dict[str, Any]) -> None:
    flowers = row(document, "tf_flowers")
    assert flowers["as_published"]["mean"] == (48 / 64 + 52 / 64) / 2
    assert flowers["as_published"]["per_seed"] == [48 / 64, 52 / 64]
    assert flowers["as_published"]["n"] == 64 and flowers["heldout"]["n"] == 1000
    assert flowers["heldout"]["mean"] == pytest.approx(0.71)
    # Two seeds: half width = t(0.975, 1) |a - b| / 2 = 12.7062 * 0.02 / 2.
    assert flowers["heldout"]["interval"] == pytest.approx([0.71 - 0.127062, 0.71 + 0.127062])
    assert flowers["gap"]["per_seed"] == pytest.approx([0.05, 0.0925])


def test_an_accuracys_interval_stays_within_zero_and_one(document: dict[str, Any]) -> None:
    assert row(document, "cats_vs_dogs")["as_published"]["interval"][1] == 1.0
    assert row(document, "food_101")["as_published"]["interval"] == [6 / 64, 6 / 64]


def test_the_printed_number_belongs_to_batch_64_alone(document: dict[str, Any]) -> None:
    paper = row(document, "dtd")["paper"]
    assert (paper["printed"], paper["n"]) == ("0.656", 64)
    assert paper["interval"] == pytest.approx([0.527, 0.771], abs=5e-4)
    assert [(c["n"], c["correct"]) for c in paper["candidates"]] == [(64, 42), (32, 21)]
    assert row(document, "dtd", 32)["paper"] == {
        "printed": None,
        "n": None,
        "interval": None,
        "candidates": [],
    }


def test_examples_per_class_are_counted(document: dict[str, Any]) -> None:
    assert [round(row(document, name)["examples_per_class"]) for name in invented.CLASSES] == [
        960,
        384,
        41,
        19,
        19,
    ]
    assert "960, 384, 41, 19, 19 examples per class" in document["tables"][0]["notes"][-1]


def test_the_claim_is_judged_on_the_means(document: dict[str, Any]) -> None:
    claim = document["tables"][0]["claims"][0]
    verdicts = {(v["metric"], v["batch_size"]): v for v in claim["ours"]}
    # As published, cifar_100 has 10 of 128 and food_101 12 of 128: the order breaks there.
    assert verdicts["as_published", 64]["verdict"] == "fails"
    assert verdicts["as_published", 64]["breaks"] == [["cifar_100", "food_101"]]
    assert verdicts["heldout", 64]["verdict"] == "holds"
    assert len(verdicts) == 4


def test_a_tie_does_not_fall(monkeypatch: pytest.MonkeyPatch) -> None:
    tied = {**invented.CORRECT, "food_101": invented.CORRECT["cifar_100"]}
    monkeypatch.setattr(invented, "CORRECT", tied)
    claim = invented.document()["tables"][0]["claims"][0]
    assert {v["verdict"] for v in claim["ours"]} == {"fails"}


def test_the_papers_own_evidence_stands_beside_the_claim(document: dict[str, Any]) -> None:
    paper = document["tables"][0]["claims"][0]["paper"]
    assert paper["verdict"] == "holds" and paper["order_p_value"] == 1 / 120
    p_values = [step["p_value"] for step in paper["steps"]]
    assert p_values == pytest.approx([0.028, 0.001, 7e-6, 0.11], rel=0.15)


def test_claims_beyond_the_rows_say_what_they_need(document: dict[str, Any]) -> None:
    for claim in document["tables"][0]["claims"][1:]:
        assert claim["needs"] and not claim["ours"] and claim["paper"] is None


def test_the_encoder_check_is_paired(document: dict[str, Any]) -> None:
    check = document["encoder"]["check"][0]
    assert check["difference"]["per_seed"] == pytest.approx([0.3, 0.3])
    assert check["difference"]["interval"] == pytest.approx([0.3, 0.3])


def test_several_environments_are_counted() -> None:
    plan = invented.plan()
    records = {job.key: invented.record(job) for job in plan.jobs}
    last = plan.jobs[-1]
    other = invented.record(last, {**invented.ENVIRONMENT, "cpu": "Another"})
    records[last.key] = replace(other, started="2026-02-01T00:00:00+00:00")
    environment = build_document(plan, records, EMBEDDED, TABLE_4, "x")["environment"]
    assert environment["distinct_environments"] == 2 and environment["cpu"] == "Another"


def test_a_folders_document_has_no_paper() -> None:
    choices = {
        "heldout_fraction": 0.2,
        "split_seed": 0,
        "single_pass": False,
        "skip_corrupt": True,
        "shorter_side": 64,
    }
    plan = plan_folder(
        "dtd",
        10,
        {"code": "c", "encoder": "e", "data": "d"},
        batch_sizes=(64,),
        seeds=(0, 1),
        choices=choices,
    )
    records = {job.key: invented.record(job) for job in plan.jobs}
    document = build_document(plan, records, FOLDER, None, "runs/transfer")
    VALIDATOR.validate(document)
    assert document["tables"][0]["rows"][0]["paper"]["printed"] is None
    assert document["tables"][0]["claims"] == [] and document["profile"]["label"] == "YOUR IMAGES"


def required_keys(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every key of every object in a document."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield (*path, key)
            yield from required_keys(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value[:2]):
            yield from required_keys(item, (*path, index))


def test_every_key_is_required_and_no_other_is_allowed(document: dict[str, Any]) -> None:
    paths = list(required_keys(document))
    assert len(paths) > 150
    for path in paths:
        if "choices" in path[:-1]:  # one entry per choice of the paper: a map, not an object
            continue
        broken = copy.deepcopy(document)
        parent = broken
        for step in path[:-1]:
            parent = parent[step]
        value = parent.pop(path[-1])
        with pytest.raises(ValidationError):
            VALIDATOR.validate(broken)
        parent[path[-1]] = value
        parent["surplus"] = 1
        with pytest.raises(ValidationError):
            VALIDATOR.validate(broken)
