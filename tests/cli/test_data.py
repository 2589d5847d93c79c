"""`data list`, `fetch`, `import` and `verify`, around a library that decodes nothing."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from simclr_bench.cli.main import main
from simclr_bench.datasets.catalog import DATASETS, Archive, Dataset, downloads_directory
from simclr_bench.errors import StoreError
from simclr_bench.storage import transfer
from tests.command import Command, Result
from tests.datasets import stand_in
from tests.datasets.stand_in import RIGHT, small_set
from tests.storage.server import File, Server, running, status

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command in this process, with the stand-in for its library."""
    monkeypatch.setenv("SIMCLR_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(transfer, "PAUSE", 0.001)
    stand_in.install(monkeypatch)

    def act(*words: str | Path) -> Result:
        code = main(["data", *map(str, words)])
        said = capsys.readouterr()
        return Result(code, said.out, said.err)

    return act


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Serves two of the five sets: cifar_100, which is there, and dtd, which is gone."""
    file = File(RIGHT)
    with running() as server:
        for name, answer in {"cifar_100": file.well, "dtd": status(404)}.items():
            server.answers[f"/{name}.zip"] = [answer]
            archive = Archive(
                name=f"{name}.zip",
                urls=(server.url(f"/{name}.zip"),),
                size=len(RIGHT),
                sha256=file.sha256,
            )
            monkeypatch.setitem(DATASETS, name, small_set(name, archive))
        yield server


def listed(run: Run, name: str) -> Any:
    (found,) = [each for each in run("list", "--json").json["datasets"] if each["name"] == name]
    return found


def test_list_shows_all_sets_their_sizes_and_licences(run: Run) -> None:
    result = run("list")
    assert result.code == 0 and result.stderr == ""
    words = " ".join(result.stdout.split())
    for name, dataset in DATASETS.items():
        assert f"{name} {dataset.images:,} {len(dataset.classes)} " in words
        assert f"{name}: {dataset.licence}" in words
    assert "food_101 101,000 101 5.0 GB ≤ 79.4 GB missing" in words
    assert words.count("missing") == len(DATASETS)


def test_list_as_json_is_the_catalog(run: Run, tmp_path: Path) -> None:
    document = run("list", "--json").json
    assert document["cache"] == str(tmp_path / "cache")
    assert [each["name"] for each in document["datasets"]] == list(DATASETS)
    cats = document["datasets"][0]
    assert cats["images"] == 23_262 and cats["counts"] == {"all": [12_500, 12_500]}
    assert [each["fetched"] for each in cats["archives"]] == [False, False]
    assert (cats["state"], cats["official"], cats["bytes"]) == ("missing", None, None)


def test_list_follows_a_set_from_missing_to_imported(
    run: Run, server: Server, tmp_path: Path
) -> None:
    downloads_directory().mkdir(parents=True)
    archive = downloads_directory() / "cifar_100.zip"
    partial = archive.with_name("cifar_100.zip.partial")
    partial.write_bytes(RIGHT[:700])
    assert listed(run, "cifar_100")["state"] == "partial"
    partial.rename(archive)
    assert listed(run, "cifar_100")["state"] == "damaged"
    assert "has 700 bytes, 5,000 wanted" in " ".join(run("list").stdout.split())
    archive.write_bytes(RIGHT)
    assert listed(run, "cifar_100")["state"] == "fetched"
    assert "not imported yet" in " ".join(run("list").stdout.split())
    assert run("fetch", "cifar_100").code == 0
    found = listed(run, "cifar_100")
    assert (found["state"], found["official"], found["bytes"]) == ("imported", True, 3_000_000)
    assert "imported, official" in run("list").stdout
    (tmp_path / "mine").mkdir()
    assert run("import", "cifar_100", tmp_path / "mine", "--unofficial").code == 0
    assert "imported, NOT official" in run("list").stdout
    (stand_in.dataset_directory("cifar_100") / "manifest.json").write_text("{")
    assert listed(run, "cifar_100")["state"] == "damaged"
    assert "the manifest is corrupt" in run("list").stdout


def test_fetch_says_what_it_has_done(run: Run, server: Server) -> None:
    result = run("fetch", "cifar_100")
    assert result.code == 0
    archive = downloads_directory() / "cifar_100.zip"
    wanted = f"cifar_100: 2 training and 2 held-out images, official, from {archive}"
    assert " ".join(result.stdout.split()) == wanted
    assert "fetching cifar_100.zip, MB: 1/1 done" in result.stderr
    again = run("fetch", "cifar_100", "cifar_100", "--json")
    assert [each["archive"] for each in again.json["fetched"]] == [None]
    assert len(server.requests) == 1


def test_fetch_as_json_is_one_document(run: Run, server: Server) -> None:
    result = run("fetch", "cifar_100", "--json", "--no-keep-archive")
    (fetched,) = result.json["fetched"]
    archive = downloads_directory() / "cifar_100.zip"
    assert fetched["archive"]["path"] == str(archive) and not archive.exists()
    assert fetched["archive"]["url"] == server.url("/cifar_100.zip")
    assert fetched["imported"]["source"]["official"] is True
    assert result.json["failed"] == {}


def test_one_failure_is_one_line_and_3(run: Run, server: Server) -> None:
    result = run("fetch", "dtd")
    assert result.code == 3 and result.stdout == ""
    last = result.stderr.strip().splitlines()[-1]
    for needle in (server.url("/dtd.zip"), "404", "data import NAME PATH"):
        assert needle in last


def test_a_set_that_fails_does_not_stop_the_others(run: Run, server: Server) -> None:
    result = run("fetch", "dtd", "cifar_100")
    assert result.code == 3
    assert "cifar_100: 2 training" in result.stdout
    *before, last = result.stderr.strip().splitlines()
    assert any("404" in line for line in before) and "dtd" in last
    as_json = run("fetch", "dtd", "cifar_100", "--json")
    assert as_json.code == 3 and list(as_json.json["failed"]) == ["dtd"]


def test_fetch_all_offline_names_every_set_that_is_missing(
    run: Run, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    result = run("fetch", "--all", "--offline")
    assert result.code == 3 and result.stdout == ""
    last = result.stderr.strip().splitlines()[-1]
    assert f"{', '.join(DATASETS)}: not fetched" in last
    for dataset in DATASETS.values():
        assert str(dataset.archives[0].path) in result.stderr


@pytest.mark.parametrize(
    ("words", "needles"),
    [
        (["fetch"], ["name data sets or say --all", "tf_flowers"]),
        (["fetch", "--all", "dtd"], ["name data sets or say --all"]),
        (["fetch", "cifar100"], ["no data set 'cifar100'", "did you mean cifar_100?"]),
        (["import", "dtd"], ["PATH"]),
        (["import", "flowers", "x"], ["did you mean tf_flowers?"]),
        (["verify", "food101"], ["did you mean food_101?"]),
        (["remove"], ["invalid choice: 'remove'"]),
        ([], ["COMMAND"]),
    ],
)
def test_a_usage_error_is_one_line_and_2(
    command: Command, words: list[str], needles: list[str]
) -> None:
    command("data", *words).assert_refused(2, *needles)


def test_import_hands_over_what_was_asked(run: Run, server: Server, tmp_path: Path) -> None:
    path = tmp_path / "archive"
    path.write_bytes(b"three images")
    refused = run("import", "cifar_100", path)
    assert refused.code == 3 and "wanted 4 images, got 3" in refused.stderr
    taken = run("import", "cifar_100", path, "--unofficial", "--skip-corrupt", "--json")
    assert taken.json["imported"]["skip_corrupt"] is True
    assert taken.json["imported"]["source"]["official"] is False
    plain = run("import", "cifar_100", path, "--unofficial")
    assert "NOT official" in plain.stdout
    assert (
        run("import", "cifar_100", path, "--unofficial", "--json").json["imported"]["skip_corrupt"]
        is False
    )


def test_a_set_that_another_process_imports_stops_no_other(
    run: Run, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answers["/dtd.zip"] = [File(RIGHT).well]
    real = stand_in.import_dataset

    def import_dataset(dataset: Dataset, *arguments: Any, **options: Any) -> Any:
        if dataset.name == "dtd":
            raise StoreError("dtd: another process is importing this data set; wait for it")
        return real(dataset, *arguments, **options)

    library = sys.modules["simclr_bench.datasets.library"]
    monkeypatch.setattr(library, "import_dataset", import_dataset)
    result = run("fetch", "dtd", "cifar_100", "--json")
    assert result.code == 5 and "another process is importing" in result.stderr
    document = json.loads(result.stdout)
    assert [each["imported"]["name"] for each in document["fetched"]] == ["cifar_100"]
    assert list(document["failed"]) == ["dtd"]


def test_verify_names_faults_and_exits_with_3(run: Run, server: Server) -> None:
    stand_in.dataset_directory("dtd").mkdir(parents=True)  # left by an import that failed
    nothing = run("verify")
    assert nothing.code == 3 and "no data set is imported" in nothing.stderr
    run("fetch", "cifar_100")
    sound = run("verify")
    assert sound.code == 0 and "cifar_100: every file" in sound.stdout
    (stand_in.dataset_directory("cifar_100") / "damage").write_text("shard 0\nshard 1\n")
    result = run("verify", "cifar_100")
    assert result.code == 3 and "shard 0 (and 1 more; --json lists all)" in result.stderr
    result = run("verify", "--json")
    assert result.code == 3 and result.json["faults"] == {"cifar_100": ["shard 0", "shard 1"]}
    (stand_in.dataset_directory("dtd") / "manifest.json").write_text("{")
    result = run("verify")
    assert result.code == 3 and "dtd: the manifest is corrupt" in result.stderr


@pytest.mark.parametrize("words", [["data", "--help"], ["data", "fetch", "--help"]])
def test_help_imports_neither_torch_nor_what_opens_sockets(words: list[str]) -> None:
    program = (
        "import json, sys\n"
        "from simclr_bench.cli.main import main\n"
        "try:\n"
        f"    main({words!r})\n"
        "except SystemExit:\n"
        "    pass\n"
        "print(json.dumps([n for n in ('torch', 'numpy', 'ssl') if n in sys.modules]))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert json.loads(done.stdout.splitlines()[-1]) == []
