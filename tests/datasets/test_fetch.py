"""From a URL to an imported data set: which archive, verified how, pinned when."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from simclr_bench.cli.progress import SilentProgress
from simclr_bench.datasets.catalog import Archive, Dataset, downloads_directory
from simclr_bench.datasets.fetch import Fetched, fetch_dataset, pins_path
from simclr_bench.errors import DataError
from simclr_bench.storage import http, transfer
from simclr_bench.storage.pins import Pin, add_pins, read_pins
from tests.datasets import stand_in
from tests.datasets.stand_in import RIGHT, read_manifest, small_set
from tests.storage.server import File, Server, running, status

FILE = File(RIGHT)
OTHER = File(b"right, and other bytes")
WRONG = File(b"wrong counts")


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("SIMCLR_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(transfer, "PAUSE", 0.001)
    stand_in.install(monkeypatch)
    with running() as server:
        yield server


@pytest.fixture
def as_if_https(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "require_safe", lambda url, *, has_hash: None)


def archive(server: Server, name: str, file: File | None, size: int | None = None) -> Archive:
    """One on the server; without a file, one that nobody knows the hash of."""
    known = {"size": len(file.data), "sha256": file.sha256} if file else {"size": size}
    return Archive(name=name, urls=(server.url(f"/{name}"),), **{"sha256": None, **known})


def fetch(dataset: Dataset, *, offline: bool = False, keep_archive: bool = True) -> Fetched:
    return fetch_dataset(
        dataset, offline=offline, keep_archive=keep_archive, progress=SilentProgress()
    )


def pins(name: str = "s") -> dict[str, Pin]:
    return read_pins(pins_path(small_set(name)))


def test_an_archive_is_downloaded_verified_and_imported(server: Server) -> None:
    server.answers["/x.zip"] = [FILE.well]
    fetched = fetch(small_set("s", archive(server, "x.zip", FILE)))
    assert (downloads_directory() / "x.zip").read_bytes() == RIGHT
    assert fetched.archive is not None and fetched.archive.sha256 == FILE.sha256
    assert fetched.manifest.source["url"] == server.url("/x.zip")
    assert fetched.manifest.source["official"]
    assert pins() == {}  # its hash is published


def test_what_is_imported_is_not_fetched_again(server: Server) -> None:
    server.answers["/x.zip"] = [FILE.well]
    dataset = small_set("s", archive(server, "x.zip", FILE))
    first = fetch(dataset)
    again = fetch(dataset)
    assert len(server.requests) == 1
    assert again.archive is None and again.manifest == first.manifest


def test_an_import_from_elsewhere_is_replaced_by_the_real_one(
    server: Server, tmp_path: Path
) -> None:
    server.answers["/x.zip"] = [FILE.well]
    dataset = small_set("s", archive(server, "x.zip", FILE))
    (tmp_path / "mine").write_bytes(b"three images")
    stand_in.import_dataset(dataset, tmp_path / "mine", unofficial=True, progress=SilentProgress())
    fetch(dataset)
    manifest = read_manifest("s")
    assert manifest is not None and manifest.source["official"]


def test_a_damaged_import_is_made_again(server: Server) -> None:
    server.answers["/x.zip"] = [FILE.well]
    dataset = small_set("s", archive(server, "x.zip", FILE))
    fetch(dataset)
    assert fetch(dataset).archive is None
    (stand_in.dataset_directory("s") / "damage").write_text("a shard is missing")
    assert fetch(dataset).archive is not None
    (stand_in.dataset_directory("s") / "manifest.json").write_text("{")
    assert fetch(dataset).archive is not None
    assert len(server.requests) == 1  # the archive was still there


def test_a_build_that_is_gone_makes_way_for_the_next(server: Server) -> None:
    server.answers = {"/old.zip": [status(404)], "/new.zip": [OTHER.well]}
    old, new = archive(server, "old.zip", FILE), archive(server, "new.zip", OTHER)
    fetched = fetch(small_set("s", old, new))
    assert fetched.archive is not None and fetched.archive.path.name == "new.zip"


def test_a_build_that_cannot_be_had_now_does_not(server: Server) -> None:
    """A server in trouble is no reason to take other files than the paper's."""
    server.answers = {"/old.zip": [status(503)], "/new.zip": [OTHER.well]}
    old, new = archive(server, "old.zip", FILE), archive(server, "new.zip", OTHER)
    with pytest.raises(DataError, match="503"):
        fetch(small_set("s", old, new))
    assert not new.path.exists()


def test_builds_that_are_all_gone_are_all_named(server: Server) -> None:
    server.answers = {"/old.zip": [status(404)], "/new.zip": [status(410)]}
    old, new = archive(server, "old.zip", FILE), archive(server, "new.zip", OTHER)
    with pytest.raises(DataError, match=r"old\.zip.*404.*new\.zip.*410"):
        fetch(small_set("s", old, new))


def test_an_archive_that_is_here_comes_first_and_needs_no_network(server: Server) -> None:
    old, new = archive(server, "old.zip", FILE), archive(server, "new.zip", OTHER)
    with pytest.raises(DataError, match=r"old\.zip: not there, and the network is forbidden"):
        fetch(small_set("s", old, new), offline=True)
    downloads_directory().mkdir(parents=True)
    new.path.write_bytes(OTHER.data)
    fetched = fetch(small_set("s", old, new), offline=True)
    assert fetched.manifest.source["sha256"] == OTHER.sha256
    assert fetched.manifest.source["url"] == new.urls[0]
    assert server.requests == []


def test_an_archive_is_removed_only_after_its_import(server: Server) -> None:
    server.answers["/x.zip"] = [WRONG.well]
    dataset = small_set("s", archive(server, "x.zip", WRONG))
    with pytest.raises(DataError, match="wanted 4 images, got 3"):
        fetch(dataset, keep_archive=False)
    assert dataset.archives[0].path.exists()
    server.answers["/y.zip"] = [FILE.well]
    dataset = small_set("s", archive(server, "y.zip", FILE))
    fetch(dataset, keep_archive=False)
    assert not dataset.archives[0].path.exists() and read_manifest("s") is not None


def test_an_unpublished_hash_is_pinned_once_the_contents_were_right(
    server: Server, as_if_https: None
) -> None:
    server.answers["/x.zip"] = [FILE.well]
    dataset = small_set("s", archive(server, "x.zip", None))
    fetched = fetch(dataset)
    seen = Pin(sha256=FILE.sha256, bytes=len(RIGHT), url=server.url("/x.zip"), official=True)
    assert pins() == {"x.zip": seen} and pins("t") == {}
    assert fetch(dataset).archive is None  # known by its pin
    assert not fetched.manifest.source["official"]


def test_wrong_contents_are_not_pinned(server: Server, as_if_https: None) -> None:
    server.answers["/x.zip"] = [WRONG.well]
    with pytest.raises(DataError, match="wanted 4 images, got 3"):
        fetch(small_set("s", archive(server, "x.zip", None)))
    assert pins() == {}


@pytest.mark.parametrize("size", [None, len(OTHER.data)])
def test_another_hash_than_the_pinned_one_is_refused_naming_both(
    server: Server, size: int | None
) -> None:
    pinned = Pin(
        sha256=hashlib.sha256(RIGHT).hexdigest(),
        bytes=len(OTHER.data),
        url="https://a/x.zip",
        official=True,
    )
    server.answers["/x.zip"] = [OTHER.well]
    add_pins(pins_path(small_set("s")), {"x.zip": pinned})
    with pytest.raises(DataError) as caught:
        fetch(small_set("s", archive(server, "x.zip", None, size)))
    assert pinned.sha256 in str(caught.value) and OTHER.sha256 in str(caught.value)
    assert not (downloads_directory() / "x.zip").exists() and read_manifest("s") is None
    assert pins() == {"x.zip": pinned}


def test_what_nobody_published_and_no_server_sent_is_pinned_as_the_users_own(
    server: Server,
) -> None:
    given = archive(server, "x.zip", None)
    given.path.parent.mkdir(parents=True, exist_ok=True)
    given.path.write_bytes(RIGHT)
    fetch(small_set("s", given))
    pin = pins()["x.zip"]
    assert pin.official is False and pin.url is None


def test_without_hash_and_pin_http_is_not_asked(server: Server) -> None:
    with pytest.raises(DataError, match="no SHA-256 is known"):
        fetch(small_set("s", archive(server, "x.zip", None)))
    assert server.requests == []


def test_dead_time_is_not_spent_here() -> None:
    """The tests above patch the pauses that people wait for."""
    assert transfer.PAUSE >= 1 and http.TIMEOUT >= 30
