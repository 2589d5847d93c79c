"""Documents of run directories: planted files read back, kept, made again, and what is missing."""

import io
import json
import re
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from rich.console import Console

import simclr_bench.report
from simclr_bench.cli.main import main
from simclr_bench.errors import DataError
from simclr_bench.experiments import profiles
from simclr_bench.experiments.metrics import metrics_of
from simclr_bench.experiments.planning.jobs import Plan
from simclr_bench.experiments.planning.plan_file import write_plan
from simclr_bench.experiments.provenance.verification import verify
from simclr_bench.report import stored
from simclr_bench.report.html import render_html
from simclr_bench.report.stored import finished_document, stored_document
from simclr_bench.report.terminal import TerminalReport
from simclr_bench.results.store import Record, RunDirectory
from tests.report import invented, official

JSON = dict[str, Any]
NOW = {"code": "c", "encoder": official.WEIGHTS}
WORDS = {
    "cats_vs_dogs": "equivalent",
    "tf_flowers": "different",
    "dtd": "inconclusive",
    "cifar_100": "consistent",
    "food_101": "equivalent",
}
SCHEMA = json.loads((Path(simclr_bench.report.__file__).parent / "schema.json").read_text())


@pytest.fixture(autouse=True)
def profile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(profiles.PROFILES, "paper", official.PROFILE)
    monkeypatch.setattr(stored, "current_inputs", lambda _: lambda job: NOW)


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("planted") / "run"
    official.write_run(directory, official.plan())
    return directory


@pytest.fixture
def run(planted: Path, tmp_path: Path) -> Iterator[Path]:
    yield Path(shutil.copytree(planted, tmp_path / "run"))


def read(directory: Path) -> JSON:
    document = stored_document(directory, official.OFFICIAL)
    Draft202012Validator(SCHEMA).validate(document)
    return document


def words_of(document: JSON) -> dict[str, str | None]:
    (table,) = document["tables"]
    return {row["label"]: row["verdict"] and row["verdict"]["word"] for row in table["rows"]}


def terminal(document: JSON) -> str:
    console = Console(file=io.StringIO(), width=120, highlight=False)
    console.print(TerminalReport(document))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def lines_of(text: str, label: str) -> str:
    """The first line of a text that begins with a label."""
    return next(line for line in text.splitlines() if line.startswith(f"{label} "))


def html_rows(page: str) -> dict[str, str]:
    """The text of each row of table 4, by its label."""
    rows = re.findall(r"<tr.*?</tr>", page, re.DOTALL)
    texts = [" ".join(re.sub(r"<[^>]*>", " ", row).split()) for row in rows]
    return {label: next(text for text in texts if text.startswith(label)) for label in WORDS}


def test_the_planted_files_are_what_a_run_writes(run: Path) -> None:
    found = verify(RunDirectory(run), metrics_of)
    assert found.records == found.predictions == 40 and not found.faults


def test_records_of_the_four_cases_give_the_four_words_in_every_view(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = read(run)
    assert words_of(document) == WORDS
    text = terminal(document)
    for label, word in WORDS.items():
        assert word in lines_of(text, label)
    monkeypatch.setattr(
        stored, "stored_document", partial(stored_document, official=official.OFFICIAL)
    )
    for form in ("json", "html"):
        assert main(["report", "--out", str(run), "--format", form]) == 0
    assert words_of(json.loads((run / "report.json").read_text())) == WORDS
    for label, row in html_rows((run / "report.html").read_text()).items():
        said = [word for word in set(WORDS.values()) if f" {word}" in row]
        assert said == [WORDS[label]]


@pytest.mark.parametrize(
    ("plan", "reason"),
    [
        (official.plan(weights="0" * 64), "the weights are not an official checkpoint"),
        (
            official.plan(archives=dict.fromkeys(WORDS, "0" * 64)),
            "the data are not the official archive of tf_flowers",
        ),
    ],
    ids=["weights", "data"],
)
def test_other_data_or_weights_are_not_comparable_in_any_view(
    plan: Plan, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    official.write_run(tmp_path, plan)
    inputs = {**NOW, "encoder": plan.jobs[0].inputs["encoder"]}
    monkeypatch.setattr(stored, "current_inputs", lambda _: lambda job: inputs)
    document = json.loads(json.dumps(read(tmp_path)))
    assert set(words_of(document).values()) == {"not comparable"}
    verdict = document["tables"][0]["rows"][1]["verdict"]
    assert verdict["text"] == f"not comparable: {reason}"
    text = " ".join(terminal(document).split())
    # A reason that all cells share stands once, above the table.
    assert reason in text and "not comparable 5" in text
    page = render_html(document)
    assert reason in page and "not comparable" in page


def test_weights_without_any_published_hash_are_not_comparable(run: Path) -> None:
    document = stored_document(run)
    assert set(words_of(document).values()) == {"not comparable"}


# Finished documents: kept, and made again.


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[JSON]:
    """Every document that was built, and not read, in a test."""
    from simclr_bench.report import document as room

    made: list[JSON] = []
    build = room.build_document

    def counted(*given: Any, **options: Any) -> JSON:
        made.append(build(*given, **options))
        return made[-1]

    monkeypatch.setattr(room, "build_document", counted)
    return made


def finish(run: Path, margin: float = official.MARGIN) -> JSON:
    plan = official.plan()
    records = {record.key: record for record in RunDirectory(run).read_all()}
    return finished_document(run, plan, records, margin)


def test_a_finished_document_is_kept_and_its_figures_with_it(run: Path, built: list[JSON]) -> None:
    first = finish(run)
    files = [Path(file) for figure in first["figures"] for file in figure["files"]]
    assert sorted(path.name for path in files) == ["figure-6.png", "figure-6.svg"]
    assert all(path.parent == run / "figures" and path.stat().st_size > 1000 for path in files)
    assert finish(run) == first and len(built) == 1


def spoil_a_record(run: Path) -> None:
    store = RunDirectory(run)
    record = store.read(official.plan().jobs[0].key)
    assert record is not None
    changed = {**record.details, "loss": [0.5]}
    store.write(Record(**{**vars(record), "details": changed}), store.read_arrays(record))


@pytest.mark.parametrize(
    "change",
    [
        spoil_a_record,
        lambda run: (run / "figures" / "figure-6.svg").unlink(),
        lambda run: (run / "document.json").write_text("{"),
        lambda run: (run / "document.json").write_text("[]"),
        lambda run: (run / "document.json").write_text('{"key": "", "document": {}}'),
        lambda run: (run / "document.json").unlink(),
    ],
    ids=["record", "figure lost", "corrupt", "a list", "another's", "lost"],
)
def test_it_is_made_again_after_a_change(
    run: Path, built: list[JSON], change: Callable[[Path], object]
) -> None:
    first = finish(run)
    change(run)
    assert finish(run) == first and len(built) == 2
    assert finish(run) == first and len(built) == 2


def test_it_is_made_again_for_another_margin_or_code(
    run: Path, built: list[JSON], monkeypatch: pytest.MonkeyPatch
) -> None:
    finish(run)
    other = finish(run, 0.05)
    assert len(built) == 2 and other["tables"][0]["rows"][0]["verdict"]["margin"] == 0.05
    monkeypatch.setattr(stored, "source_fingerprint", lambda *_: "other code")
    finish(run, 0.05)
    assert len(built) == 3


# Directories that are not finished.


def test_an_empty_directory_holds_no_run(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is no run directory"):
        stored_document(tmp_path)


def test_a_plan_without_a_record_says_what_to_do(tmp_path: Path) -> None:
    with RunDirectory(tmp_path).held():
        write_plan(tmp_path, official.plan(), 0.05)
    with pytest.raises(DataError, match="no job has finished yet; run the command that made it"):
        stored_document(tmp_path)


def remove(run: Path, label: str, fewest: int = 0) -> None:
    (series,) = [each for each in official.plan().series if each.label == label]
    for job in series.jobs[fewest:]:
        (run / "records" / f"{job.key}.json").unlink()


def test_rows_of_a_partly_finished_run_are_left_out_and_counted(run: Path) -> None:
    remove(run, "dtd")
    remove(run, "food_101", fewest=3)
    document = read(run)
    assert words_of(document).keys() == WORDS.keys() - {"dtd"}
    rows = {row["label"]: row for row in document["tables"][0]["rows"]}
    assert rows["food_101"]["seeds"] == [0, 1, 2]
    (answer,) = [each for each in document["checklist"] if "finished" in each["question"]]
    assert answer["answer"] == "no" and "13 of 40 jobs have no result yet" in answer["where"]
    assert "13 of 40 jobs have no result yet" in render_html(document)


def test_a_finished_run_says_so(run: Path) -> None:
    answers = {each["question"]: each["answer"] for each in read(run)["checklist"]}
    assert answers["Has everything that was asked for finished?"] == "yes"
    answers = {each["question"]: each["answer"] for each in finish(run)["checklist"]}
    assert answers["Has everything that was asked for finished?"] == "yes"


def test_a_run_of_other_code_is_shown_and_not_judged(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "current_inputs", lambda _: lambda job: {**NOW, "code": "new"})
    document = read(run)
    assert words_of(document) == dict.fromkeys(WORDS)
    (table,) = document["tables"]
    assert {row["stale"] for row in table["rows"]} == {"other code"}
    assert table["rows"][1]["measures"]["as_published"]["mean"] == 0.5
    assert not any(claim["judgements"] for claim in table["claims"])
    assert document["figures"] == []
    assert [each["variant"] for each in document["stale"]] == [{"batch_size": 64}] * 5
    text = terminal(document)
    assert "Stale: table 4: 5 rows, other code" in text
    assert "not judged: stale rows" in text and "not judged: stale rows" in render_html(
        document
    ).replace("Not", "not")


def test_records_of_other_settings_are_stale_where_the_new_ones_are_missing(run: Path) -> None:
    changed = official.plan()
    (series,) = [each for each in changed.series if each.label == "dtd"]
    settings = {k: v for k, v in series.jobs[0].settings.items() if k != "seed"}
    newer = invented.series(
        "table 4",
        "dtd",
        {"batch_size": 64},
        "head",
        "dtd",
        settings | {"learning_rate": 0.3},
        invented.SEEDS,
        "paper",
        series.jobs[0].inputs,
    )
    plan = Plan(
        profile="paper",
        targets=changed.targets,
        series=tuple(newer if each is series else each for each in changed.series),
    )
    with RunDirectory(run).held():
        write_plan(run, plan, official.MARGIN)
    document = read(run)
    assert words_of(document) == WORDS | {"dtd": None}
    (stale,) = document["stale"]
    assert stale["reason"] == "settings.learning_rate 0.1, now 0.3" and stale["label"] == "dtd"


def test_a_corrupt_record_is_named(run: Path) -> None:
    path = run / "records" / f"{official.plan().jobs[0].key}.json"
    path.write_bytes(path.read_bytes().replace(b"tf_flowers", b"tf_flowerz", 1)[:-1])
    with pytest.raises(DataError, match=path.name):
        stored_document(run)
