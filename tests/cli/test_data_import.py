"""`data import` and `data verify` on real formats: exit codes, one line, one document."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from simclr_bench.cli.main import main
from simclr_bench.datasets.catalog import DATASETS
from tests.command import Result
from tests.datasets.attacks import ATTACKS
from tests.datasets.miniature import make_miniature, write_archive, write_prepared

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command in this process."""
    monkeypatch.setenv("SIMCLR_BENCH_CACHE", str(tmp_path / "cache"))

    def act(*words: str | Path) -> Result:
        code = main(["data", *map(str, words)])
        said = capsys.readouterr()
        return Result(code, said.out, said.err)

    return act


def last_line(result: Result) -> str:
    """The error: progress comes before it."""
    assert result.stdout == ""
    line = result.stderr.strip().splitlines()[-1]
    assert line.startswith("simclr-bench: ")
    return line


@pytest.mark.parametrize("name", DATASETS)
def test_a_miniature_is_unofficial_and_imported_only_when_that_is_wanted(
    run: Run, tmp_path: Path, name: str
) -> None:
    miniature = make_miniature(name, per_class=2 if len(DATASETS[name].classes) < 9 else 1)
    archive = write_archive(miniature, tmp_path)
    refused = run("import", name, archive)
    assert refused.code == 3
    assert "--unofficial" in last_line(refused) and "wanted " in last_line(refused)
    result = run("import", name, archive, "--unofficial", "--json")
    assert result.code == 0, result.stderr
    imported = result.json["imported"]
    assert imported["source"]["kind"] == "archive" and imported["source"]["official"] is False
    assert imported["deviations"] and imported["classes"] == list(DATASETS[name].classes)
    assert sum(imported["counts"]["train"]) > 0
    verified = run("verify", name, "--json")
    assert verified.code == 0 and verified.json == {"faults": {name: []}}
    assert "NOT official" in run("list").stdout


def test_faults_give_exit_code_3_and_are_listed_as_json(run: Run, tmp_path: Path) -> None:
    archive = write_archive(make_miniature("tf_flowers"), tmp_path)
    assert run("import", "tf_flowers", archive, "--unofficial").code == 0
    (shard,) = (tmp_path / "cache" / "datasets" / "tf_flowers").glob("data-*/shard-*.bin")
    data = bytearray(shard.read_bytes())
    data[77] ^= 4
    shard.write_bytes(data)
    result = run("verify", "tf_flowers")
    assert result.code == 3 and f"{shard}: SHA-256 is " in last_line(result)
    listed = run("verify", "--json")
    assert listed.code == 3
    (shard_fault, image_fault) = json.loads(listed.stdout)["faults"]["tf_flowers"]
    assert str(shard) in shard_fault and "CRC-32" in image_fault
    os.truncate(shard, 70)
    assert f"{shard}: has 70 bytes, wanted are" in last_line(run("verify", "tf_flowers"))


def test_a_set_that_cannot_be_verified_hides_no_other(run: Run, tmp_path: Path) -> None:
    for name in ("tf_flowers", "cats_vs_dogs"):
        archive = write_archive(make_miniature(name), tmp_path)
        assert run("import", name, archive, "--unofficial").code == 0
    datasets = tmp_path / "cache" / "datasets"
    (shard,) = (datasets / "tf_flowers").glob("data-*/shard-*.bin")
    os.truncate(shard, 70)
    manifest = datasets / "cats_vs_dogs" / "manifest.json"
    manifest.write_bytes(manifest.read_bytes()[:-5])
    result = run("verify", "--json")
    assert result.code == 3
    faults = json.loads(result.stdout)["faults"]
    assert f"{manifest}: the manifest is corrupt" in faults["cats_vs_dogs"][0]
    assert f"{shard}: has 70 bytes" in faults["tf_flowers"][0]
    states = {each["name"]: each for each in run("list", "--json").json["datasets"]}
    assert f"{shard}: has 70 bytes" in states["tf_flowers"]["note"]
    assert {states[name]["state"] for name in ("tf_flowers", "cats_vs_dogs")} == {"damaged"}
    missing = run("verify", "dtd", "--json")
    assert missing.code == 3
    assert "dtd is not imported" in json.loads(missing.stdout)["faults"]["dtd"][0]


def test_what_does_not_decode_stops_or_is_listed(run: Run, tmp_path: Path) -> None:
    whole = make_miniature("tf_flowers")
    hurt = whole.entries[4]
    archive = write_archive(whole.changed(hurt.file, hurt.data[:60]), tmp_path)
    result = run("import", "tf_flowers", archive, "--unofficial")
    assert result.code == 3
    assert f"{archive}: {hurt.file}: does not decode" in last_line(result)
    assert "--skip-corrupt" in last_line(result)
    taken = run("import", "tf_flowers", archive, "--unofficial", "--skip-corrupt", "--json")
    assert taken.code == 0 and taken.json["imported"]["dropped"] == 1


@pytest.mark.parametrize("attack", ["tar_parent", "tar_symlink", "zip_parent", "zip_bomb"])
def test_an_attack_gives_one_line(run: Run, tmp_path: Path, attack: str) -> None:
    make, _ = ATTACKS[attack]
    archive = make(tmp_path / "archive")
    result = run("import", "dtd", archive, "--unofficial")
    assert result.code == 3 and str(archive) in last_line(result)
    assert not [p for p in tmp_path.rglob("*") if "odd" in p.name or p.name == "one.txt"]


def test_a_whole_set_is_taken_without_a_word_of_doubt(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    miniature = make_miniature("cats_vs_dogs", per_class=4)
    monkeypatch.setitem(DATASETS, "cats_vs_dogs", replace(miniature.dataset))
    result = run("import", "cats_vs_dogs", write_prepared(miniature, tmp_path))
    assert result.code == 0 and "6 training and 2 held-out images" in result.stdout
    assert run("import", "cats_vs_dogs", tmp_path / "nothing").code == 3
    assert run("import", "cats_and_dogs", tmp_path).code == 2
