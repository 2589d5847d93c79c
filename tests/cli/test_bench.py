"""`bench`: what it starts, how what it started ends, and who cannot use it."""

import argparse
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import simclr_bench
from simclr_bench.cli import bench
from simclr_bench.cli.arguments.bench import WORKS
from simclr_bench.cli.main import main
from tests.command import Command

ROOT = Path(simclr_bench.__file__).resolve().parents[1]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that would have run."""
    commands: list[list[str]] = []

    def run(command: list[str], checkout: Path, quiet: bool = False, **_: str) -> int:
        assert checkout == ROOT
        commands.append(command)
        return 0

    monkeypatch.setattr(bench, "_run", run)
    monkeypatch.setattr(bench, "MODULES", {work: (f"test_{work}.py",) for work in WORKS})
    monkeypatch.setattr(bench, "_check_modules", lambda checkout, modules: None)
    return commands


PYTEST = [sys.executable, "-m", "pytest", "--benchmark-only"]
COMPARE = [sys.executable, "-m", "benchmarks.comparing"]


@pytest.mark.parametrize(
    ("words", "modules", "rest"),
    [
        ([], WORKS, []),
        (["train", "loss", "train"], ["train", "loss"], []),
        (["loss", "--quick"], ["loss"], ["--suite=quick"]),
        (["--sweep", "loss"], ["loss"], ["--suite=sweep"]),
        (["loss", "--device", "cuda"], ["loss"], ["--device=cuda"]),
        (["loss", "--", "-k", "N256", "--json"], ["loss"], ["-k", "N256", "--json"]),
        (["--", "--benchmark-autosave"], WORKS, ["--benchmark-autosave"]),
    ],
)
def test_words_become_a_selection(
    started: list[list[str]], words: list[str], modules: list[str], rest: list[str]
) -> None:
    assert main(["bench", *words]) == 0
    assert started == [[*PYTEST, *(f"benchmarks/test_{work}.py" for work in modules), *rest]]


def test_records_go_where_the_user_is(
    started: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["bench", "loss", "--record", "out"]) == 0
    assert main(["bench", "--compare", "HEAD", "--record", "out"]) == 0
    assert all(f"--record={tmp_path / 'out'}" in command for command in started)


def test_a_comparison_has_its_own_program(
    started: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path)
    assert main(["bench", "--compare", "v1"]) == 0
    assert main(["bench", "loss", "--compare", "other", "--factor", "1.2", "--rounds", "9"]) == 0
    assert main(["bench", "--compare", "v1", "--json"]) == 0
    assert started == [
        [*COMPARE, "--base=v1"],
        [*COMPARE, f"--base={tmp_path / 'other'}", "--factor=1.2", "--rounds=9"],
        [*COMPARE, "--base=v1", "--json"],
    ]


@pytest.mark.parametrize(
    ("words", "needle"),
    [
        (["los"], "'los' is none of loss, augment, extract, train"),
        (["--quick", "--sweep"], "--sweep: not allowed with argument --quick"),
        (["--factor", "1.2"], "--factor is for --compare"),
        (["--rounds", "9"], "--rounds is for --compare: add --compare BASE, or leave it out"),
        (["--record", __file__], "test_bench.py is no folder: name one, or a new one"),
        (["--compare", "v1", "--record", __file__], "is no folder"),
        (["--compare", "v1", "--factor", "0.9"], "'0.9' is not a factor from 1 on"),
        (["--compare", "v1", "--rounds", "0"], "'0' is not a positive number"),
        (["train", "--compare", "v1"], "--compare races the losses"),
        (["--compare", "v1", "--sweep"], "--sweep is not for --compare"),
        (["--compare", "v1", "--device", "cuda"], "--device cuda is not for --compare"),
        (["--compare", "v1", "--", "-x"], "what follows `--` is not for --compare"),
    ],
)
def test_a_usage_error_is_one_line_and_2(
    started: list[list[str]], capsys: pytest.CaptureFixture[str], words: list[str], needle: str
) -> None:
    assert main(["bench", *words]) == 2
    told = capsys.readouterr()
    assert needle in told.err and len(told.err.splitlines()) == 1 and told.out == ""
    assert started == []


@pytest.mark.parametrize("words", [[], ["--compare", "HEAD"]])
def test_a_wheel_says_in_one_line_that_a_checkout_is_needed(
    command: Command, tmp_path: Path, words: list[str]
) -> None:
    installed = tmp_path / "site-packages"
    ignored = shutil.ignore_patterns("*.so", "__pycache__")
    shutil.copytree(ROOT / "simclr_bench", installed / "simclr_bench", ignore=ignored)
    result = command("bench", *words, cwd=tmp_path, PYTHONPATH=str(installed))
    result.assert_refused(3, "a checkout", "git clone", "`make bench`")


@pytest.mark.parametrize("name", ["pytest", "pytest_benchmark"])
def test_without_pytest_the_remedy_is_named(
    started: list[list[str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
) -> None:
    monkeypatch.setattr(bench, "find_spec", lambda wanted: None if wanted == name else True)
    assert main(["bench", "loss"]) == 3
    assert f"bench needs {name}: pip install pytest pytest-benchmark" in capsys.readouterr().err
    assert started == []


@pytest.mark.parametrize(
    ("pytest_code", "code"), [(0, 0), (1, 4), (2, 130), (3, 4), (4, 2), (5, 2)]
)
def test_how_pytest_ends_is_told_in_the_product_s_codes(
    monkeypatch: pytest.MonkeyPatch, pytest_code: int, code: int
) -> None:
    monkeypatch.setattr(bench, "_run", lambda *_, **__: pytest_code)
    monkeypatch.setattr(bench, "_check_modules", lambda checkout, modules: None)
    assert main(["bench", "loss"]) == code


def test_a_comparison_s_code_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "_run", lambda *_, **__: 6)
    assert main(["bench", "--compare", "HEAD"]) == 6


def child(program: str) -> list[str]:
    return [sys.executable, "-c", program]


def test_what_a_signal_ended_is_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    killed = child("import os; os.kill(os.getpid(), 9)")
    with pytest.raises(bench.JobError, match="ended by signal 9"):
        bench._run(killed, ROOT)


def test_timings_are_of_openmp_as_users_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    program = "import os, sys; sys.exit(int(os.environ.get('GOMP_SPINCOUNT', '7')) % 256)"
    monkeypatch.setenv("GOMP_SPINCOUNT", "10000")
    assert bench._run(child(program), ROOT) == 7
    monkeypatch.setenv("GOMP_SPINCOUNT", "99")
    assert bench._run(child(program), ROOT) == 99


def test_json_is_pytest_benchmark_s_own_document(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(command: list[str], checkout: Path, quiet: bool = False, **_: str) -> int:
        assert quiet
        (path,) = [word.split("=")[1] for word in command if word.startswith("--benchmark-json=")]
        Path(path).write_text(json.dumps({"benchmarks": [1]}))
        return 1

    monkeypatch.setattr(bench, "_run", run)
    monkeypatch.setattr(bench, "_check_modules", lambda checkout, modules: None)
    assert main(["bench", "loss", "--json"]) == 4
    assert json.loads(capsys.readouterr().out) == {"benchmarks": [1]}
    monkeypatch.setattr(bench, "_run", lambda *_, **__: 5)
    assert main(["bench", "loss", "--json"]) == 2
    assert json.loads(capsys.readouterr().out) == {"benchmarks": []}


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A checkout with a benchmark of nothing."""
    root = tmp_path / "tiny"
    ignored = shutil.ignore_patterns("*.so", "__pycache__")
    shutil.copytree(ROOT / "simclr_bench", root / "simclr_bench", ignore=ignored)
    (root / "setup.py").write_text("")
    (root / "benchmarks").mkdir()
    for name in bench.MODULES["loss"]:
        (root / "benchmarks" / name).write_text(
            "def test_nothing(benchmark):\n    benchmark.pedantic(int, rounds=2)\n"
        )
    return root


def test_autosave_and_compare_of_pytest_benchmark_work(
    command: Command, tiny: Path, tmp_path: Path
) -> None:
    storage = f"--benchmark-storage={tmp_path / 'storage'}"
    one = ["-p", "no:cacheprovider", "-k", "nt_xent", storage]
    path = str(tiny)
    first = command("bench", "loss", "--", *one, "--benchmark-autosave", cwd=tiny, PYTHONPATH=path)
    assert first.code == 0 and "1 passed, 1 deselected" in first.stdout, first
    (saved,) = (tmp_path / "storage").rglob("*.json")
    assert json.loads(saved.read_text())["benchmarks"][0]["name"] == "test_nothing"
    again = ["--json", "--", *one, "--benchmark-compare"]
    second = command("bench", "loss", *again, cwd=tiny, PYTHONPATH=path)
    assert second.code == 0 and "test_nothing (NOW)" in second.stderr, second
    assert [each["name"] for each in second.json["benchmarks"]] == ["test_nothing"]


def test_a_benchmark_that_fails_is_4(command: Command, tiny: Path) -> None:
    (tiny / "benchmarks" / "test_nt_xent.py").write_text("def test_it(benchmark): assert not 1\n")
    words = ["bench", "loss", "--", "-p", "no:cacheprovider"]
    assert command(*words, cwd=tiny, PYTHONPATH=str(tiny)).code == 4


def test_sigterm_ends_what_was_started(command: Command, tiny: Path, tmp_path: Path) -> None:
    here = tmp_path / "here"
    (tiny / "benchmarks" / "test_nt_xent.py").write_text(
        "import os, pathlib, time\n"
        "def test_it(benchmark):\n"
        f"    pathlib.Path({str(here)!r}).write_text(str(os.getpid()))\n"
        "    time.sleep(60)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "simclr_bench", "bench", "loss", "--", "-p", "no:cacheprovider"],
        cwd=tiny,
        env=command.environment(PYTHONPATH=str(tiny)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not (here.exists() and here.read_text()):
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 143 and errors.splitlines()[-1].startswith(
        "simclr-bench: terminated; records of finished benchmarks are kept"
    )
    assert not Path(f"/proc/{here.read_text()}").exists()


def test_the_modules_of_every_work_are_named_once() -> None:
    assert tuple(bench.MODULES) == WORKS
    options: dict[str, Any] = {"works": [], "quick": False, "sweep": False, "device": None}
    found = argparse.Namespace(**options, record=None, pytest=[])
    for name in (name for names in bench.MODULES.values() for name in names):
        assert (ROOT / "benchmarks" / name).is_file()
        assert f"benchmarks/{name}" in bench.selection(found)
