"""`python -m benchmarks.comparing` and its proof, around races that nobody ran."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.comparing import __main__ as command
from benchmarks.comparing import builds, proof
from benchmarks.comparing.builds import Build
from benchmarks.comparing.rounds import Duel, Raced
from benchmarks.grid import LossCell
from benchmarks.grid.losses import nt_xent
from simclr_bench.errors import JobError

BASE = Build("v1", Path("/base"), "a" * 40, dirty=False)
NEW = Build("the working tree", Path("/new"), "b" * 40, dirty=True)


class Race:
    """What stands in for the duel: a ratio for each cell, or why there is none."""

    def __init__(self, *ratios: float | str) -> None:
        self.ratios = ratios
        self.asked: list[Any] = []

    def duel(self, base: Any, new: Any, cells: tuple[LossCell, ...], checks: Any) -> "Race":
        self.asked.append((base.args, new.args, cells, [check.args for check in checks]))
        return self

    def run(self, rounds: int) -> list[Raced]:
        self.asked.append(rounds)
        return [raced(nt_xent(2**i, 8), ratio) for i, ratio in enumerate(self.ratios, 4)]


def raced(cell: LossCell, ratio: float | str) -> Raced:
    if isinstance(ratio, str):
        return Raced(cell, not_comparable=ratio)
    base = [10 + 0.01 * i for i in range(12)]
    again = [10.0] * 12
    return Raced(cell, base, [ratio * ms for ms in base], again, [0.0] * 11 + [0.2], repeated=3)


@pytest.fixture
def race(monkeypatch: pytest.MonkeyPatch) -> Race:
    found = Race(1.2, 1.01, 0.8, "v1: ImportError: no nt_xent")
    monkeypatch.setattr(command, "Duel", found.duel)
    monkeypatch.setattr(command, "working_tree", lambda root: NEW)
    monkeypatch.setattr(command, "base_of", lambda text, root, say: BASE)
    for module in (command, proof):
        monkeypatch.setattr(module, "environment", lambda: {"cpu": "A CPU"})
    return found


def test_a_line_per_cell_and_one_that_sums_up(
    race: Race, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["--base", "v1"]) == 6
    slower, same, faster, unknown, summary = capsys.readouterr().out.splitlines()
    assert slower.startswith("nt_xent-N16-D8-float32-tau0.1 ") and slower.endswith("  slower")
    assert "base    10.055 ms  new    12.066 ms  ratio 1.200 [1.200, 1.200]  p 1.1e-04" in slower
    assert same.endswith("  not flagged") and "ratio 1.010" in same
    assert faster.endswith("  faster")
    assert unknown.endswith("  not comparable (v1: ImportError: no nt_xent)")
    assert summary == (
        "the working tree (bbbbbbbbbbbb, modified) over v1 (aaaaaaaaaaaa): 1 slower, 1 faster,"
        " 1 not comparable of 4 (beyond x1.1 and p < 0.01 over 12 rounds); others used the machine"
        " in 3 rounds"
    )


def test_each_side_has_its_own_folder_and_check(race: Race) -> None:
    command.main(["--base", "v1", "--rounds", "9"])
    assert race.asked == [
        (("v1", Path("/base")), (NEW.name, Path("/new"), 0.0), command.CELLS, [(BASE,), (NEW,)]),
        9,
    ]


def test_the_suite_is_the_quick_one_and_a_large_cell() -> None:
    assert len(command.CELLS) == len(set(command.CELLS)) == 8
    assert command.CELLS[-1] == nt_xent(4096, 128)
    assert {cell.loss for cell in command.CELLS} == {"nt_xent", "distillation"}


def test_nothing_slower_is_0_and_the_factor_is_the_user_s(race: Race) -> None:
    race.ratios = (1.01, 0.8)
    assert command.main(["--base", "v1"]) == 0
    race.ratios = (1.2,)
    assert command.main(["--base", "v1", "--factor", "1.3"]) == 0


def test_json_and_record_hold_every_time(
    race: Race, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = ["--base", "v1", "--json", "--record", str(tmp_path / "new")]
    assert command.main(words) == 6 and command.main(words) == 6
    found, _ = json.JSONDecoder().raw_decode(capsys.readouterr().out)
    assert found["base"] == {"name": "v1", "commit": "a" * 40, "dirty": False}
    assert (found["slower"], found["faster"], found["factor"]) == (1, 1, 1.1)
    slower, *_, unknown = found["cells"]
    assert slower["decision"]["verdict"] == "slower" and slower["rounds"] == 12
    assert slower["base_ms"][:2] == [10, 10.01] and slower["rounds_repeated"] == 3
    assert slower["interval"][0] < 1.2 < slower["interval"][1]
    assert unknown["decision"] is None and unknown["not_comparable"].startswith("v1: ImportError")
    first, second = (tmp_path / "new" / "comparisons.jsonl").read_text().splitlines()
    assert json.loads(first).pop("finished") and json.loads(second)["cells"] == found["cells"]
    assert "/base" not in first and "/new" not in first


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--rounds", "7"], "--rounds: needs 8 or more, got 7"),
        (["--factor", "0.5"], "--factor: must be 1 or more, got 0.5"),
        (["--factor", "nan"], "--factor: must be 1 or more, got nan"),
    ],
)
def test_usage_is_one_line_and_2(
    race: Race, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert command.main(["--base", "v1", *words]) == 2
    assert capsys.readouterr().err == f"simclr-bench: {message}\n" and race.asked == []


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [(JobError("it failed"), 4, "it failed"), (KeyboardInterrupt(), 130, "interrupted")],
)
def test_what_fails_is_one_line_and_its_code(
    race: Race,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
    text: str,
) -> None:
    def run(rounds: int) -> list[Raced]:
        raise error

    monkeypatch.setattr(race, "run", run)
    assert command.main(["--base", "v1"]) == code
    told = capsys.readouterr()
    assert told.err == f"simclr-bench: {text}\n" and told.out == ""


def test_a_missing_extension_is_3(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(command, "ROOT", tmp_path)
    assert command.main(["--base", "HEAD"]) == 3
    assert "has no compiled extension: run `make build` there" in capsys.readouterr().err


def test_the_proof_spreads_both_kinds_over_its_time() -> None:
    found = proof.in_turn(10, 20)
    assert found.count(0.2) == 10 and found.count(0.0) == 20
    assert [found[i : i + 3].count(0.2) for i in range(0, 30, 3)] == [1] * 10
    assert proof.in_turn(0, 2) == [0.0, 0.0]


@pytest.mark.parametrize(
    ("slow", "same", "holds"),
    [(10, 1, True), (9, 0, False), (10, 2, False), (0, 0, False)],
)
def test_the_proof_holds_for_all_slow_and_one_in_twenty(slow: int, same: int, holds: bool) -> None:
    found = [[i < slow for i in range(10)], [i < same for i in range(20)]]
    assert proof.holds(*found) == holds


@pytest.mark.parametrize(
    ("same", "slow", "code"), [(1.0, 1.2, 0), (1.0, 1.05, 1), (1.2, 1.2, 1), (0.8, 1.2, 1)]
)
def test_the_proof_counts_and_records_raw(
    race: Race,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    same: float,
    slow: float,
    code: int,
) -> None:
    def duel(base: Any, new: Any, cells: Any, checks: Any) -> Race:
        assert cells == (proof.LARGE,)
        handicaps.append(new.args[2])
        return Race(slow if new.args[2] else same)

    handicaps: list[float] = []
    monkeypatch.setattr(command, "Duel", duel)
    monkeypatch.setattr(proof, "working_tree", lambda root: NEW)
    monkeypatch.setattr(proof, "copy_of", lambda tree, folder: BASE)
    words = ["proof", "--slow", "2", "--same", "4", "--record", str(tmp_path)]
    monkeypatch.setattr("sys.argv", words)
    assert proof.main() == code
    assert sorted(handicaps) == [0.0] * 4 + [0.2] * 2
    out = capsys.readouterr().out
    assert f"20 % slower: flagged in {2 * (slow > 1.1)} of 2" in out
    assert f"identical: flagged in {4 * (same != 1)} of 4" in out
    lines = [json.loads(x) for x in (tmp_path / "comparisons.jsonl").read_text().splitlines()]
    assert [line["proof"]["handicap"] for line in lines] == handicaps
    assert {line["proof"]["flagged"] for line in lines if line["proof"]["handicap"]} == {slow > 1.1}
    assert all(line["environment"] == {"cpu": "A CPU"} for line in lines)


def test_the_copy_has_the_same_package_and_sources(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    for name in ("simclr_bench/_C.so", "simclr_bench/a/b.py", "csrc/c.cpp", "csrc/d/e.h"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(name)
    found = proof.copy_of(builds.Build("x", tree, None, None), tmp_path / "copy")
    assert found.folder == tmp_path / "copy" and builds.extension_of(found.folder) is not None
    assert builds.hash_of_sources(found.folder) == builds.hash_of_sources(tree)


def test_a_race_takes_what_the_command_gives_it() -> None:
    """The stand-in above has the duel's parameters."""
    assert [*Duel.__init__.__annotations__][:4] == ["base", "new", "cells", "checks"]
