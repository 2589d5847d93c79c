"""What becomes of a run when settings or code change, or a job comes to nothing."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import simclr_bench
from tests.command import Command

JSON = dict[str, Any]

ROW = ["reproduce", "--table", "1", "--rows", "None", "--seeds", "2", "--jobs", "1"]
FASTER = ["--set", "probe.learning_rate=0.2"]


@pytest.fixture(scope="module")
def plain(keeping: Command, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One row of table 1 with the paper's settings."""
    path = tmp_path_factory.mktemp("plain") / "run"
    result = keeping(*ROW, "--quiet", "--out", path)
    assert result.code == 0 and result.stderr == ""
    return path


@pytest.fixture(scope="module")
def faster(keeping: Command, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with another learning rate."""
    path = tmp_path_factory.mktemp("faster") / "run"
    assert keeping(*ROW, *FASTER, "--quiet", "--out", path).code == 0
    return path


def reported(command: Command, path: Path, to: Path, cwd: Path | None = None) -> JSON:
    """The document that `report` writes."""
    result = command("report", "--format", "json", "--out", path, "--to", to, cwd=cwd)
    assert result.code == 0, result.stderr
    found: JSON = json.loads((to / "report.json").read_text())
    return found


def test_other_settings_make_earlier_rows_stale_until_they_are_run(
    keeping: Command, plain: Path, faster: Path, tmp_path: Path
) -> None:
    path = shutil.copytree(plain, tmp_path / "run")
    plan = (path / "plan.json").read_bytes()
    process = subprocess.Popen(
        [sys.executable, "-m", "simclr_bench", *ROW, *FASTER, "--out", path],
        env=keeping.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    limit = time.monotonic() + 120
    while (path / "plan.json").read_bytes() == plan:
        assert time.monotonic() < limit, "the plan is not written"
        time.sleep(0.001)
    process.kill()
    assert process.wait() == -signal.SIGKILL

    document = reported(keeping, path, tmp_path / "a")
    (stale,) = document["stale"]
    assert (stale["section"], stale["label"], stale["seeds"]) == ("table 1", "None", [0, 1])
    assert stale["reason"] == "settings.learning_rate 0.1, now 0.2"
    (row,) = document["tables"][0]["rows"]
    assert row["stale"] == stale["reason"] and row["settings"]["learning_rate"] == 0.1
    assert (
        row["measures"]
        == reported(keeping, plain, tmp_path / "b")["tables"][0]["rows"][0]["measures"]
    )
    assert keeping("report", "--out", path, "--to", tmp_path).code == 0
    assert stale["reason"] in (tmp_path / "report.html").read_text("utf-8")

    finished = keeping(*ROW, *FASTER, "--json", "--out", path).json
    (row,) = finished["tables"][0]["rows"]
    assert finished["stale"] == [] and row["stale"] is None
    assert row["settings"]["learning_rate"] == 0.2
    assert (
        row["measures"]
        == reported(keeping, faster, tmp_path / "c")["tables"][0]["rows"][0]["measures"]
    )
    # Back again: nothing was lost, and nothing has to run.
    back = keeping(*ROW, "--json", "--out", path)
    assert "2 of 2 jobs have records" in back.stderr and "jobs: " not in back.stderr
    assert back.json["tables"][0]["rows"][0]["settings"]["learning_rate"] == 0.1


def test_other_code_makes_rows_stale_and_other_comments_elsewhere_do_not(
    keeping: Command, plain: Path, tmp_path: Path
) -> None:
    source = Path(simclr_bench.__file__).parent
    package = tmp_path / "changed" / "simclr_bench"
    shutil.copytree(source, package, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    for built in source.glob("*.so"):
        (package / built.name).symlink_to(built)

    def report_after_a_comment_in(name: str) -> JSON:
        path = package / name
        path.write_text(path.read_text() + "\n# A remark.\n")
        return reported(keeping, plain, tmp_path / "to", cwd=package.parent)

    for name in ("cli/doctor.py", "report/words.py", "verdicts/cells.py", "training/bases.py"):
        assert report_after_a_comment_in(name)["stale"] == []
    document = report_after_a_comment_in("data/color.py")
    (stale,) = document["stale"]
    assert "other code" in stale["reason"].split("; ")
    assert document["tables"][0]["rows"][0]["stale"] == stale["reason"]
    assert document["tables"][0]["rows"][0]["seeds"] == stale["seeds"] == [0, 1]


def test_diff_says_what_was_set_and_what_came_of_it(
    keeping: Command, plain: Path, faster: Path
) -> None:
    difference = keeping("diff", plain, faster, "--json").json
    ((row,),) = [table["rows"] for table in difference["tables"]]
    assert row["settings"] == [{"field": "learning_rate", "a": 0.1, "b": 0.2}]
    assert difference["only_a"] == difference["only_b"] == []
    result = keeping("diff", plain, faster)
    assert result.code == 0 and result.stderr == "" and "learning_rate" in result.stdout
    assert str(plain) in result.stdout.replace("\n", "")


def test_a_job_that_diverges_is_a_result(keeping: Command, tmp_path: Path) -> None:
    words = [*ROW, "--set", "probe.learning_rate=1e38", "--out", tmp_path]
    result = keeping(*words, "--json")
    assert result.code == 0, result.stderr
    (row,) = result.json["tables"][0]["rows"]
    assert [(each["seed"], each["status"]) for each in row["failed"]] == [
        (0, "diverged"),
        (1, "diverged"),
    ]
    assert all("the loss became nan" in each["reason"] for each in row["failed"])
    for metric in row["measures"].values():
        assert (metric["mean"], metric["n_seeds"], metric["per_seed"]) == (0, 2, [None, None])
    for path in (tmp_path / "records").iterdir():
        record = json.loads(path.read_text())
        assert (record["status"], record["predictions"], record["metrics"]) == (
            "diverged", None, {},
        )  # fmt: skip
    again = keeping(*words)
    assert again.code == 0 and "2 of 2 jobs have records" in again.stderr
    assert "diverged" in again.stdout
    assert keeping("verify", "--out", tmp_path).stdout.count("2 diverged") == 1


def test_a_dry_run_says_what_it_would_take_and_does_nothing(
    keeping: Command, plain: Path, tmp_path: Path
) -> None:
    words = ["reproduce", "--table", "1", "--jobs", "2", "--dry-run"]
    found = keeping(*words, "--json", "--out", tmp_path / "run").json
    assert (found["jobs"], found["to_run"], found["processes"]) == (64, 64, 2)
    assert found["sections"] == {"table 1": {"jobs": 64, "to_run": 64}}
    assert found["seconds"] > 0 and found["to_make"] == []
    assert found["bytes_free"] > found["bytes"] > 64 * 1000
    result = keeping(*words, "--out", tmp_path / "run")
    text = " ".join(result.stdout.split())
    assert (result.code, result.stderr) == (0, "")
    for needle in ("64 jobs in all", "64 to run", "Time: ", "with --jobs 2", "Disk: "):
        assert needle in text
    assert list(tmp_path.iterdir()) == []
    # What is there already is not counted again.
    assert keeping(*words, "--json", "--out", plain).json["to_run"] == 64 - 2
