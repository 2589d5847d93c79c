"""`simclr-bench verify` on stores of invented jobs, in a process of its own.

The metrics are the invented ones: what is tested is the command, not how a metric is computed.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command import Result
from tests.experiments.running.invented import job, run_here

PROGRAM = """
import sys
import types

stand_in = types.ModuleType("simclr_bench.experiments.metrics")
sys.modules["simclr_bench.experiments.metrics"] = stand_in


def metrics_of(kind, arrays):
    right = arrays["heldout_predicted"] == arrays["heldout_label"]
    correct, n = int(right.sum()), len(right)
    return {"kind": kind, "heldout": {"value": correct / n, "correct": correct, "n": n}}


stand_in.metrics_of = metrics_of
from simclr_bench.cli.main import main

code = main()
assert "torch" not in sys.modules
sys.exit(code)
"""


def verify(*words: str | Path, cwd: Path | None = None) -> Result:
    command = [sys.executable, "-c", PROGRAM, "verify", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=60)
    return Result(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def run_directory(tmp_path: Path) -> Path:
    run_here(tmp_path / "run", [job(0), job(1), job(2, "diverge")])
    return tmp_path / "run"


def test_a_sound_store_is_told_in_one_line(run_directory: Path) -> None:
    done = verify("--out", run_directory)
    assert (done.code, done.stderr) == (0, "")
    assert done.stdout == (
        f"{run_directory}: 3 records are as written (1 diverged, 2 done); every metric was computed"
        " again from 2 files of predictions, with equal results\n"
    )


def test_json_holds_what_was_checked(run_directory: Path) -> None:
    assert verify("--out", run_directory, "--json").json == {
        "run_directory": str(run_directory),
        "records": 3,
        "predictions": 2,
        "statuses": {"diverged": 1, "done": 2},
        "leftovers": [],
        "faults": [],
    }


@pytest.mark.parametrize("name", [f"records/{job(0).key}.json", f"predictions/{job(0).key}.npz"])
def test_a_flipped_byte_ends_with_3_and_the_files_name(run_directory: Path, name: str) -> None:
    path = run_directory / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    verify("--out", run_directory).assert_refused(3, f"{path}: ", "corrupt")


def test_several_faults_are_counted_and_json_lists_all(run_directory: Path) -> None:
    for path in (run_directory / "predictions").iterdir():
        path.write_bytes(b"")
    verify("--out", run_directory).assert_refused(3, "corrupt", "(and 1 more; verify --json")
    done = verify("--out", run_directory, "--json")
    assert done.code == 3
    assert len(json.loads(done.stdout)["faults"]) == 2


def test_no_store_ends_with_3_and_an_old_one_with_5(tmp_path: Path) -> None:
    verify("--out", tmp_path).assert_refused(3, f"{tmp_path}: is no run directory")
    (tmp_path / "store.json").write_text('{"schema_version": 1}')
    verify("--out", tmp_path).assert_refused(5, "written with store schema 1", "another --out")


def test_the_default_is_where_reproduce_writes(tmp_path: Path) -> None:
    verify(cwd=tmp_path).assert_refused(3, "runs/embedded: is no run directory")
