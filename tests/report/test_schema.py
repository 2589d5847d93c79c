"""The schema: from a document nothing can be left out, and nothing can be added."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

import simclr_bench.report
from simclr_bench.experiments.profiles import FOLDER
from tests.report import invented, official

SCHEMA = json.loads((Path(simclr_bench.report.__file__).parent / "schema.json").read_text())
VALIDATOR = Draft202012Validator(SCHEMA)

# One entry per measure, choice or hyper-parameter: maps, not objects.
MAPS = ("measures", "choices", "experiment", "variant")

Path_ = tuple[Any, ...]


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return everything()


def everything() -> dict[str, Any]:
    """A document with something in every list, and few of each."""
    plan = invented.plan()
    records = invented.records_of(plan)
    lost = plan.series[0].jobs[2].key
    records[lost] = invented.failed(records[lost])
    some = next(iter(records))
    records[some].details["data"]["skipped"].append({"file": "a.png", "reason": "empty"})
    old = {"section": "table 4", "label": "dtd", "variant": {"batch_size": 64}}
    stale = [old | {"seeds": [0], "reason": "other code"}]
    document = invented.document(plan, records, stale=stale)
    document["environment"]["extension"] = {
        "compiler": "g++",
        "flags": "-O3",
        "cuda": None,
        "cuda_flags": "",
        "architectures": ["sm_90"],
        "source_hash": "s",
        "torch": "2.11.0",
    }
    return document


def test_the_schema_is_one_and_the_document_meets_it(document: dict[str, Any]) -> None:
    Draft202012Validator.check_schema(SCHEMA)
    VALIDATOR.validate(document)


def test_comparable_cells_meet_it_too() -> None:
    document = official.document()
    VALIDATOR.validate(document)
    assert [row["verdict"]["power"] for row in document["tables"][0]["rows"] if row["verdict"]]


def test_a_folders_document_meets_it_too() -> None:
    VALIDATOR.validate(invented.document(invented.transfer_plan(), profile=FOLDER))


def test_the_document_is_json(document: dict[str, Any]) -> None:
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def objects(value: Any, path: Path_ = ()) -> Iterator[Path_]:
    """The path of every object in a document."""
    if isinstance(value, dict):
        yield path
        for key, item in value.items():
            yield from objects(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from objects(item, (*path, index))


def at(value: Any, path: Path_) -> Any:
    for step in path:
        value = value[step]
    return value


def one_of_each(document: dict[str, Any]) -> list[Path_]:
    """A path to an object of each kind: by its place, but for indices and entries of maps."""
    kinds = {}
    for path in objects(document):
        if path and path[-1] in MAPS and isinstance(at(document, path), dict):
            continue
        place = [str(step) for step in path if not isinstance(step, int)]
        place = ["*" if i and place[i - 1] in MAPS else step for i, step in enumerate(place)]
        keys = ",".join(sorted(at(document, path)))
        kinds.setdefault(("/".join(place), keys), path)
    return list(kinds.values())


def defined(path: Path_) -> tuple[dict[str, Any], Path_]:
    """The part of the schema that describes an object's nearest list entry, and the way from it."""
    whole = {"tables": "table", "rows": "row", "claims": "claim", "figures": "figure"}
    whole |= {"controls": "control", "data": "data", "check": "check"}
    for end in range(len(path), 1, -1):
        name, index = path[end - 2 : end]
        if (
            isinstance(index, int)
            and name in whole
            and not (name == "rows" and "controls" in path[:end])
        ):
            return {"$ref": f"#/$defs/{whole[name]}", "$defs": SCHEMA["$defs"]}, path[:end]
    return SCHEMA, ()


def test_every_key_is_required_and_no_other_is_allowed(document: dict[str, Any]) -> None:
    checked = 0
    for path in one_of_each(document):
        schema, start = defined(path)
        validator = Draft202012Validator(schema)
        part = copy.deepcopy(at(document, start))
        assert validator.is_valid(part)
        broken = at(part, path[len(start) :])
        for key in list(broken):
            value = broken.pop(key)
            assert not validator.is_valid(part), (*path, key)
            broken[key] = value
            checked += 1
        broken["surplus"] = 1
        assert not validator.is_valid(part), path
        del broken["surplus"]
        assert validator.is_valid(part)
    assert checked > 250


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("schema_version",), 1),
        (("tables", 0, "rows", 0, "verdict", "word"), "similar"),
        (("tables", 0, "claims", 0, "judgements", 0, "verdict"), "maybe"),
        (("tables", 0, "rows", 0, "measures", "heldout", "n_seeds"), 1),
        (("tables", 0, "rows", 0, "measures", "heldout", "interval"), [0.1]),
        (("checklist", 0, "answer"), "perhaps"),
        (("tables", 0, "rows", 0, "failed", 0, "status"), "done"),
    ],
)
def test_wrong_values_are_refused(document: dict[str, Any], path: Path_, value: Any) -> None:
    broken = copy.deepcopy(document)
    at(broken, path[:-1])[path[-1]] = value
    assert not VALIDATOR.is_valid(broken)
