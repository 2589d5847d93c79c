"""`reproduce`'s arguments through the real command; `report` and `diff` around invented parts."""

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from rich.console import Console

from simclr_bench.cli import reproduce
from simclr_bench.cli.arguments import build_parser
from simclr_bench.cli.arguments.records import FORMATS
from simclr_bench.cli.arguments.reproduce import FIGURES
from simclr_bench.cli.dry_run import _shown
from simclr_bench.cli.main import COMMANDS, main
from simclr_bench.cli.report import SUFFIXES
from simclr_bench.errors import UsageError
from simclr_bench.experiments.planning.estimate import Estimate
from simclr_bench.experiments.planning.jobs import Plan
from simclr_bench.experiments.settings.tree import KINDS
from tests.command import Command
from tests.report.diff.invented import document

TABLE = ["reproduce", "--table", "4"]


@pytest.mark.parametrize(
    ("words", "needles"),
    [
        (["reproduce", "--all", "--table", "4"], ["--table: not allowed with argument --all"]),
        (["reproduce", "--figure", "6", "--table", "4"], ["not allowed with"]),
        (["reproduce", "--figure", "3"], ["no figure '3'", "2, 6"]),
        (["reproduce", "--config", "x"], ["--all --table --figure is required"]),
        ([*TABLE, "--config", "missing.toml"], ["missing.toml", "No such file"]),
        ([*TABLE, "--set", "probe.iterations"], ["--set", "section.key=value"]),
        ([*TABLE, "--set", "probe.iteration=3"], ["--set", "probe.iterations?"]),
        ([*TABLE, "--set", "probe.momentum=1"], ["--set", "probe.momentum", "below 1", "'1'"]),
        ([*TABLE, "--set", "run.jobs=2", "--jobs", "2"], ["run.jobs", "--set and by --jobs"]),
        ([*TABLE, "--jobs", "0"], ["--jobs", "run.jobs", "from 1 to", "'0'"]),
        ([*TABLE, "--workers", "-1"], ["--workers", "run.workers", "'-1'"]),
        ([*TABLE, "--margin", "0.7"], ["--margin", "verdict.margin", "at most 0.5", "'0.7'"]),
        (["transfer", "--data", "x", "--device", "cpu"], ["--device is for --weights"]),
        (["transfer", "--data", "x", "--weights", "random:x"], ["--weights must be", "'random:x'"]),
        (["reproduce", "--table", "2", "--batch-size", "8"], ["--set distillation.batch_size"]),
        (["reproduce", "--table", "3", "--batch-size", "8"], ["table 2", "--batch-size"]),
        ([*TABLE, "--batch-size", "64,x"], ["--batch-size", "run.batch_size", "'64,x'"]),
        ([*TABLE, "--rows", ""], ["--rows", "run.rows"]),
        ([*TABLE, "--fail-on", "fails,maybe"], ["--fail-on", "'maybe'", "different, fails"]),
        (["report", "--format", "pdf"], ["--format", "pdf", "html"]),
        (["diff", "a"], ["B"]),
    ],
)
def test_a_usage_error_is_one_line_and_2(
    command: Command, words: list[str], needles: list[str]
) -> None:
    command(*words).assert_refused(2, *needles)


def test_a_bad_variable_and_a_bad_file_are_one_line_and_2(command: Command, tmp_path: Path) -> None:
    command(*TABLE, SIMCLR_BENCH_PROBE_STEPS="3").assert_refused(
        2, "SIMCLR_BENCH_PROBE_STEPS", "[probe] has iterations"
    )
    command(*TABLE, SIMCLR_BENCH_RUN_JOBS="many").assert_refused(
        2, "SIMCLR_BENCH_RUN_JOBS: run.jobs must be", "'many'"
    )
    path = tmp_path / "bad.toml"
    path.write_text("[run]\njobs = \n")
    command(*TABLE, "--config", path).assert_refused(2, f"{path}: is not TOML", "line 2")


def test_print_config_shows_every_key_with_its_origin(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("[distillation]\nwidths = [512, 128]\n")
    words = [*TABLE, "--print-config", "--config", path, "--seeds", "3", "--set", "run.jobs=1"]
    environ = {"SIMCLR_BENCH_PROBE_FRAMING": "whole"}
    as_json = command(*words, "--json", **environ)
    assert as_json.code == 0 and as_json.stderr == ""
    config = as_json.json["config"]
    assert list(config) == list(KINDS)
    assert config["distillation.widths"] == {"value": [512, 128], "origin": str(path)}
    assert config["probe.framing"] == {"value": "whole", "origin": "SIMCLR_BENCH_PROBE_FRAMING"}
    assert config["run.seeds"] == {"value": "0:3", "origin": "--seeds"}
    assert config["run.jobs"] == {"value": 1, "origin": "--set"}
    assert config["verdict.margin"] == {"value": 0.05, "origin": "built in"}

    text = command(*words, **environ).stdout
    rows = {tuple(line.split()[:2]) for line in text.splitlines()}
    assert {("[run]",), ("widths", "512,128"), ("framing", "whole"), ("seeds", "0:3")} <= rows
    assert max(map(len, text.splitlines())) <= 100
    for key in KINDS:
        assert f"  {key.split('.')[1]} " in text
    assert not (tmp_path / "runs").exists()


def test_a_setting_takes_every_way_in_to_the_same_place() -> None:
    parser = build_parser()
    options = parser.parse_args([*TABLE, "--batch-size", "8,4", "--rows", "dtd", "--jobs", "3"])
    run = reproduce.resolved_settings(options).settings.run
    assert (run.batch_size, run.rows, run.jobs) == ((8, 4), ("dtd",), 3)


def test_fail_on_is_repeated_or_has_commas() -> None:
    parser = build_parser()
    assert parser.parse_args(TABLE).fail_on == []
    both = ["different", "fails"]
    assert parser.parse_args([*TABLE, "--fail-on", "different,fails"]).fail_on == both
    words = [*TABLE, "--fail-on", "different", "--fail-on", "fails"]
    assert parser.parse_args(words).fail_on == both
    # Nothing is left over from the call before.
    assert parser.parse_args(TABLE).fail_on == []


def test_verdicts_are_those_on_our_results() -> None:
    table: dict[str, Any] = {
        "rows": [{"verdict": {"word": "different"}}, {"verdict": None}],
        "claims": [{"judgements": [{"verdict": "holds"}], "paper": {"verdict": "fails"}}],
    }
    assert reproduce.verdicts_of({"tables": [table]}) == {"different", "holds"}
    table["claims"][0]["judgements"].append({"verdict": "fails"})
    assert reproduce.verdicts_of({"tables": [table]}) == {"different", "holds", "fails"}


def test_every_verb_has_a_module_and_every_format_a_suffix() -> None:
    for verb, module in COMMANDS.items():
        assert module.startswith("simclr_bench.cli.")
        with pytest.raises(SystemExit) as ended:
            build_parser().parse_args([verb, "--help"])
        assert ended.value.code == 0
    assert set(SUFFIXES) == set(FORMATS) and set(FIGURES) == {"2", "6"}


@pytest.fixture
def invented(monkeypatch: pytest.MonkeyPatch) -> None:
    """Documents by run directory, and renderings that show which one was made of what."""

    def stand_in(name: str, **functions: Any) -> None:
        module = ModuleType(name)
        vars(module).update(functions)
        monkeypatch.setitem(sys.modules, name, module)

    def rendering(form: str) -> Any:
        return lambda document: f"{form} of {document['run_directory']}, ±"

    stand_in(
        "simclr_bench.report.stored",
        stored_document=lambda path: {"run_directory": str(path)},
    )
    stand_in("simclr_bench.report.html", render_html=rendering("html"))
    stand_in("simclr_bench.report.markdown", render_markdown=rendering("markdown"))
    stand_in("simclr_bench.report.delimited", render_csv=rendering("csv"))
    stand_in("simclr_bench.report.latex", render_latex=rendering("latex"))


@pytest.mark.parametrize("form", [form for form in FORMATS if form != "json"])
@pytest.mark.usefixtures("invented")
def test_report_writes_each_format_into_a_folder(
    tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", "--out", "run", "--format", form, "--to", str(tmp_path)]) == 0
    path = tmp_path / f"report{SUFFIXES[form]}"
    assert path.read_text(encoding="utf-8") == f"{form} of run, ±"
    assert capsys.readouterr().out == f"{path}\n"


@pytest.mark.usefixtures("invented")
def test_report_goes_where_it_is_sent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    assert main(["report", "--out", "run", "--format", "json", "--to", "new/x.json"]) == 0
    assert json.loads((tmp_path / "new" / "x.json").read_text()) == {"run_directory": "run"}
    assert main(["report", "--out", "run"]) == 0
    assert (tmp_path / "run" / "report.html").exists()
    capsys.readouterr()
    assert main(["report", "--out", "run", "--to", "a/folder", "--json"]) == 0
    written = json.loads(capsys.readouterr().out)
    assert written["file"] == "a/folder/report.html"
    assert written["bytes"] == (tmp_path / written["file"]).stat().st_size
    (tmp_path / "file").write_text("")
    assert main(["report", "--out", "run", "--to", "file/report.html"]) == 3
    assert "give another --to" in capsys.readouterr().err


def test_quiet_and_targets_reach_the_parser() -> None:
    options = build_parser().parse_args(["reproduce", "--figure", "2", "--quiet", "--dry-run"])
    assert (options.figure, options.quiet, options.dry_run) == ("2", True, True)
    with pytest.raises(UsageError):
        build_parser().parse_args(["reproduce", "--table", "04"])


def test_diff_compares_two_run_directories_or_says_why_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = document([], profile={"name": "folder", "label": "YOUR IMAGES", "notice": ""})
    documents = {"a": document([]), "b": document([], run_directory="b"), "f": folder}
    module = ModuleType("simclr_bench.report.stored")
    vars(module)["stored_document"] = lambda path: documents[str(path)]
    monkeypatch.setitem(sys.modules, module.__name__, module)

    assert main(["diff", "a", "b", "--json"]) == 0
    difference = json.loads(capsys.readouterr().out)
    assert (difference["a"], difference["b"]) == ("runs/a", "b")
    assert main(["diff", "a", "b"]) == 0
    assert "Environment: the same" in capsys.readouterr().out
    assert main(["diff", "a", "f"]) == 2
    refused = capsys.readouterr()
    assert refused.out == "" and len(refused.err.splitlines()) == 1
    assert "a and f cannot be compared" in refused.err and "'folder'" in refused.err


@pytest.mark.parametrize(("left", "seconds"), [(0, 0.0), (2, 9.0), (2, 100.0)])
def test_a_dry_run_promises_minutes_only_where_something_is_left(left: int, seconds: float) -> None:
    plan = Plan(profile="embedded", targets=("table 1",), series=())
    found = Estimate(seconds=seconds, bytes=2**20, to_make=())
    console = Console(width=100)
    with console.capture() as capture:
        console.print(_shown(plan, {"table 1": (2, left)}, found, 3, 2**30, left))
    text = " ".join(capture.get().split())
    assert ("Everything has a record" in text) == (left == 0)
    assert ("Time: less than a minute with --jobs 3" in text) == (seconds == 9)
    assert ("Time: about 2 min with --jobs 3" in text) == (seconds == 100)


def test_only_a_batch_size_given_here_must_find_a_use(command: Command, tmp_path: Path) -> None:
    words = ["reproduce", "--table", "2", "--dry-run", "--json", "--out", tmp_path]
    assert command(*words, SIMCLR_BENCH_RUN_BATCH_SIZE="8").json["jobs"] == 32
    command(*words, "--set", "run.batch_size=8").assert_refused(2, "--set", "distillation")
