"""The product's promise through the real command: everything with `--all`, then from its records.

One run of all tables with two seeds; every test looks at it, or asks for it again.
"""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator

import simclr_bench.report
from simclr_bench.cli.report import SUFFIXES
from simclr_bench.paper.tables import TABLES
from simclr_bench.report.words import is_signed
from tests.command import Command, Result
from tests.report import test_html
from tests.report.pages import Element, read

JSON = dict[str, Any]

SCHEMA = json.loads((Path(simclr_bench.report.__file__).parent / "schema.json").read_text())
SETS = ["cats_vs_dogs", "tf_flowers", "dtd", "cifar_100", "food_101"]
WORDS = {"holds", "fails", "undecided"}
ALL = ["reproduce", "--all", "--seeds", "2", "--jobs", "2"]


@pytest.fixture(scope="module")
def run_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("embedded") / "run"


@pytest.fixture(scope="module")
def first(keeping: Command, run_directory: Path) -> Result:
    """The first run of everything."""
    result = keeping(*ALL, "--json", "--out", run_directory)
    assert result.code == 0, result.stderr
    return result


@pytest.fixture(scope="module")
def document(first: Result) -> JSON:
    found: JSON = first.json
    return found


@pytest.fixture(scope="module")
def page(keeping: Command, document: JSON, run_directory: Path) -> str:
    """The page that `report` writes of it."""
    written = keeping("report", "--out", run_directory, "--json").json
    assert written["format"] == "html"
    return Path(written["file"]).read_text("utf-8")


@pytest.fixture(scope="module")
def root(page: str) -> Element:
    return read(page)


def table_of(document: JSON, number: str) -> JSON:
    (table,) = [table for table in document["tables"] if table["id"] == number]
    found: JSON = table
    return found


def test_the_document_validates_and_is_alone_on_stdout(document: JSON) -> None:
    Draft202012Validator(SCHEMA).validate(document)


def test_every_printed_line_has_a_row_and_every_result_both_seeds(document: JSON) -> None:
    assert [table["id"] for table in document["tables"]] == list(TABLES) == ["1", "2", "3", "4"]
    for table in document["tables"]:
        labels = list(dict.fromkeys(row["label"] for row in table["rows"]))
        assert labels == [*TABLES[table["id"]].rows, *TABLES[table["id"]].added_rows]
        assert table["id"] == "3" or table["measures"]
        for row in table["rows"]:
            assert set(row["measures"]) == {measure["name"] for measure in table["measures"]}
            for metric in row["measures"].values():
                low, high = metric["interval"]
                assert metric["n_seeds"] == len(metric["per_seed"]) == 2
                assert low <= metric["mean"] <= high
                assert metric["mean"] == pytest.approx(sum(metric["per_seed"]) / 2)
    rows = table_of(document, "4")["rows"]
    assert [(row["label"], row["batch_size"]) for row in rows] == [
        (label, batch_size) for batch_size in (64, 32) for label in SETS
    ]


def test_every_claim_of_the_paper_has_a_verdict_or_a_reason(document: JSON) -> None:
    judged = 0
    for table in document["tables"]:
        claims = {claim.id: claim for claim in TABLES[table["id"]].claims}
        assert [claim["id"] for claim in table["claims"]] == list(claims)
        for claim in table["claims"]:
            assert claim["sentence"] == claims[claim["id"]].sentence
            assert claim["mechanism_check"] is True
            if not claim["testable"]:
                assert claim["reason"] and not claim["judgements"]
                continue
            judged += 1
            assert claim["judgements"] and claim["paper"]["evidence"]
            assert {judgement["verdict"] for judgement in claim["judgements"]} <= WORDS
    assert judged == 11
    # Parameters are counted, not estimated: this one does not depend on the machine.
    smaller = {claim["id"]: claim for claim in table_of(document, "2")["claims"]}
    verdicts = [each["verdict"] for each in smaller["student-is-smaller"]["judgements"]]
    assert verdicts == ["fails", "fails"]


def test_no_cell_of_embedded_data_is_compared_with_the_paper(document: JSON) -> None:
    printed = [
        row
        for table in document["tables"]
        for row in table["rows"]
        if table["id"] != "3" and row["paper"]["printed"]
    ]
    assert len(printed) == 7 + 2 + 5
    assert {row["verdict"]["word"] for row in printed} == {"not comparable"}


def test_both_figures_and_three_controls_have_their_numbers(document: JSON) -> None:
    assert [figure["id"] for figure in document["figures"]] == ["2", "6"]
    heldout = {row["label"]: row for row in table_of(document, "1")["rows"]}
    (panel,) = [p for p in document["figures"][0]["panels"] if p["title"] == "Ours, held-out"]
    assert len(panel["categories"]) == 8
    for label, value in zip(panel["categories"], panel["series"][0]["values"], strict=True):
        assert value == heldout[label]["measures"]["heldout"]["mean"]
    for figure in document["figures"]:
        assert [Path(file).suffix for file in figure["files"]] == [".png", ".svg"]
        assert all(Path(file).stat().st_size > 1000 for file in figure["files"])
    controls = [control["id"] for control in document["controls"]]
    assert controls == ["class-count", "batch-size", "hard-labels"]
    assert all(control["finding"] and control["rows"] for control in document["controls"])


def test_equal_runs_are_one_experiment(document: JSON) -> None:
    (equal,) = document["equal_runs"]
    assert [run["printed"] for run in equal["runs"]] == ["0.873", "0.906"]
    first, second = (
        next(
            row for row in table_of(document, run["table"])["rows"] if row["label"] == run["label"]
        )
        for run in equal["runs"]
    )
    assert first["records"] == second["records"] and len(first["records"]) == 2


def test_one_batch_has_the_granularity_of_one_batch(document: JSON) -> None:
    for row in [*table_of(document, "1")["rows"], *table_of(document, "4")["rows"]]:
        published = row["measures"]["as_published"]
        assert published["n"] == row["batch_size"]
        assert all((value * row["batch_size"]).is_integer() for value in published["per_seed"])


def test_pretraining_is_worth_something_on_every_set(document: JSON) -> None:
    checks = {check["dataset"]: check for check in document["encoder"]["check"]}
    assert list(checks) == SETS
    for check in checks.values():
        assert check["difference"]["n_seeds"] >= 5
        assert check["difference"]["interval"][0] > 0
        assert check["chance"] + 0.02 < check["pretrained"]["mean"] < 0.97
    assert checks["tf_flowers"]["difference"]["mean"] >= 0.1


def test_a_record_holds_what_it_took(document: JSON, run_directory: Path) -> None:
    records = [json.loads(path.read_text()) for path in (run_directory / "records").iterdir()]
    inputs = {"head": {"code", "encoder"}, "converged": {"code", "encoder"}}
    inputs["student"] = {"code", "encoder", "base"}
    assert {record["job"]["kind"] for record in records} == set(inputs)
    for record in records:
        assert (record["status"], record["job"]["settings"]["threads"]) == ("done", 1)
        assert record["job"]["inputs"].keys() == inputs[record["job"]["kind"]]
        assert record["environment"]["packages"]["torch"]
        assert (run_directory / "predictions" / record["predictions"]["file"]).exists()
    used = {key for t in document["tables"] for row in t["rows"] for key in row["records"]}
    assert used < {record["key"] for record in records}


def touched(run_directory: Path) -> dict[Path, tuple[int, int]]:
    """Everything that a run that has nothing to do leaves alone."""
    paths = [run_directory / "document.json"]
    for name in ("records", "predictions", "figures"):
        paths += (run_directory / name).iterdir()
    assert len(paths) > 300
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in paths}


def test_a_second_call_does_nothing_and_gives_the_same_document(
    keeping: Command, first: Result, run_directory: Path
) -> None:
    before = touched(run_directory)
    again = keeping(*ALL, "--json", "--out", run_directory, PYTHONPROFILEIMPORTTIME="1")
    assert again.code == 0 and again.stdout == first.stdout
    assert touched(run_directory) == before
    imported = {
        line.rpartition("|")[2].strip()
        for line in again.stderr.splitlines()
        if line.startswith("import time:")
    }
    assert "simclr_bench.experiments.running.runner" in imported
    # The last starts processes.
    heavy = {"torch", "torchvision", "scipy", "matplotlib", "multiprocessing.popen_spawn_posix"}
    assert not heavy & imported
    count = len(list((run_directory / "records").iterdir()))
    assert f"{count} of {count} jobs have records" in again.stderr and "jobs: " not in again.stderr


def test_the_text_shows_all_of_it(keeping: Command, document: JSON, run_directory: Path) -> None:
    brief = keeping(*ALL, "--quiet", "--out", run_directory)
    result = keeping(*ALL, "--quiet", "--details", "--out", run_directory)
    assert result.code == 0 and result.stderr == ""
    assert 3 * brief.stdout.count("\n") < result.stdout.count("\n")
    words = " ".join(result.stdout.split())
    for table in document["tables"]:
        assert f"Table {table['id']}. {table['caption']}" in words
        for claim in table["claims"]:
            assert f"“{claim['sentence']}”" in words
    for figure in document["figures"]:
        assert f"Figure {figure['id']}. {figure['caption']}" in words
    for control in document["controls"]:
        assert control["title"] in words and control["finding"] in words
    for word in ("? undecided EMBEDDED", "✗ fails EMBEDDED", "∅ not comparable", "0.906"):
        assert word in words
    assert words.count("EMBEDDED") > 20 and max(map(len, result.stdout.splitlines())) <= 100


def test_a_part_of_it_is_answered_from_the_same_records(
    keeping: Command, document: JSON, run_directory: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(run_directory, tmp_path / "run")
    words = ["reproduce", "--table", "4", "--rows", "food_101,dtd", "--seeds", "2", "--json"]
    result = keeping(*words, "--out", copy)
    assert result.json["run_directory"] == str(copy)
    (table,) = result.json["tables"]
    assert [row["label"] for row in table["rows"]] == ["dtd", "food_101"] * 2
    whole = {(row["label"], row["batch_size"]): row for row in table_of(document, "4")["rows"]}
    for row in table["rows"]:
        assert row["measures"] == whole[row["label"], row["batch_size"]]["measures"]
    assert "jobs: " not in result.stderr


def test_a_copy_of_a_run_is_a_run_of_its_own(
    keeping: Command, document: JSON, run_directory: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(run_directory, tmp_path / "run")
    result = keeping(*ALL, "--json", "--out", copy)
    assert "jobs: " not in result.stderr
    assert (
        result.stdout
        == json.dumps(document, indent=2).replace(str(run_directory), str(copy)) + "\n"
    )


def test_fail_on_turns_a_failed_claim_into_1_and_nothing_else(
    keeping: Command, first: Result, run_directory: Path
) -> None:
    failing = keeping(*ALL, "--json", "--fail-on", "fails", "--out", run_directory)
    assert (failing.code, failing.stdout) == (1, first.stdout)
    # Embedded cells are not comparable, so none is different.
    assert keeping(*ALL, "--fail-on", "different", "--out", run_directory).code == 0


def test_a_finished_run_has_nothing_to_estimate(
    keeping: Command, document: JSON, run_directory: Path
) -> None:
    found = keeping(*ALL, "--dry-run", "--json", "--out", run_directory).json
    assert found["jobs"] == len(list((run_directory / "records").iterdir())) > 100
    assert (found["to_run"], found["seconds"], found["bytes"], found["to_make"]) == (0, 0, 0, [])


def test_verify_names_the_file_of_any_flipped_byte(
    keeping: Command, document: JSON, run_directory: Path, tmp_path: Path
) -> None:
    sound = keeping("verify", "--json", "--out", run_directory).json
    count = len(list((run_directory / "records").iterdir()))
    assert (sound["records"], sound["predictions"], sound["faults"]) == (count, count, [])

    kinds: dict[str, Path] = {}  # a record of each kind will do: the whole takes longer to read
    for path in (run_directory / "records").iterdir():
        kinds.setdefault(json.loads(path.read_text())["job"]["kind"], path)
    assert len(kinds) == 3
    copy = tmp_path / "run"
    for name in ("records", "predictions"):
        (copy / name).mkdir(parents=True)
    shutil.copy(run_directory / "store.json", copy)
    for path in kinds.values():
        shutil.copy(path, copy / "records")
        shutil.copy(run_directory / "predictions" / f"{path.stem}.npz", copy / "predictions")
    assert keeping("verify", "--out", copy).code == 0

    rng = np.random.default_rng(0)
    for path in [*(copy / "records").iterdir(), *(copy / "predictions").iterdir()]:
        original = path.read_bytes()
        for place in (0, int(rng.integers(1, len(original) - 1)), len(original) - 1):
            changed = bytearray(original)
            changed[place] ^= int(rng.integers(1, 256))
            path.write_bytes(bytes(changed))
            result = keeping("verify", "--out", copy)
            result.assert_refused(3, "corrupt")
            assert result.stderr.startswith(f"simclr-bench: {path}: "), place
        path.write_bytes(original)


def test_a_corrupt_record_stops_the_next_run_by_name(
    keeping: Command, document: JSON, run_directory: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(run_directory, tmp_path / "run")
    path = next((copy / "records").iterdir())
    path.write_bytes(path.read_bytes().replace(b'"correct": ', b'"correct": 1', 1))
    result = keeping(*ALL, "--out", copy)
    result.assert_refused(3, str(path), "its checksum differs", "delete it")
    keeping("report", "--out", copy).assert_refused(3, str(path), "its checksum differs")


@pytest.mark.parametrize("form", [form for form in SUFFIXES if form != "html"])
def test_every_format_is_written(
    keeping: Command, document: JSON, run_directory: Path, tmp_path: Path, form: str
) -> None:
    result = keeping("report", "--out", run_directory, "--format", form, "--to", tmp_path)
    path = tmp_path / f"report{SUFFIXES[form]}"
    assert (result.code, result.stdout, result.stderr) == (0, f"{path}\n", "")
    text = path.read_text("utf-8")
    if form == "json":
        assert json.loads(text) == document
        return
    for row in table_of(document, "4")["rows"]:
        assert row["label"].replace("_", "_" if form == "csv" else r"\_") in text
        value = row["measures"]["heldout"]["mean"]
        assert (repr(value) if form == "csv" else f"{value:.3f}") in text


def test_each_measured_cell_of_the_page_is_the_documents(document: JSON, root: Element) -> None:
    views = root.all("table", "results")
    tables = [table for table in document["tables"] if table["measures"]]
    assert len(views) == len(tables) == 3
    compared = 0
    for view, table in zip(views, tables, strict=True):
        titles = [cell.words for cell in view.all("tr")[1].children]
        lines = [line for line in view.all("tr") if line.all("td", "metric")]
        for line, row in zip(lines, test_html.as_shown(table["rows"]), strict=True):
            cells = dict(zip(titles, line.children, strict=True))
            assert line.children[0].words.startswith(row["cells"][0])
            for measure in table["measures"]:
                sign = "+" if measure["name"] == "gap" else ""
                metric = row["measures"][measure["name"]]
                assert cells[measure["title"]].words == test_html.shown(metric, sign)
                compared += 1
    assert compared == 8 * 4 + 2 * 6 + 10 * 5
    others = [
        test_html.shown(cell, "+" if is_signed(column) else "")
        for control in document["controls"]
        for row in control["rows"]
        for column, cell in zip(control["columns"], row["cells"], strict=True)
        if isinstance(cell, dict)
    ]
    found = [cell.words for c in root.all("table", "control") for cell in c.all("td", "metric")]
    assert found == others and len(found) > 50


def test_the_page_is_small_whole_and_keeps_its_policy(page: str, root: Element) -> None:
    assert len(page.encode()) < 2_000_000
    test_html.test_the_policy_forbids_all_but_the_pages_own_style(page, root)
    test_html.test_the_policy_comes_before_what_it_governs(page)
    test_html.test_the_page_keeps_its_own_policy(root)
    test_html.test_nothing_is_outside(page, root)


def test_no_number_of_the_page_is_its_own(document: JSON, page: str, root: Element) -> None:
    test_html.test_no_number_is_the_pages_own(document, page)
    test_html.test_every_cell_leads_to_its_command(document, root)
    commands = [code.text for code in root.all("code", "command")]
    assert commands and all(re.match(r"simclr-bench reproduce --table \d ", c) for c in commands)
