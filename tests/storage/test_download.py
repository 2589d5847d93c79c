"""Whole and verified or not there: hashes, mirrors, offline, full disks, signals, two processes."""

import errno
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any

import pytest

from simclr_bench.errors import DataError
from simclr_bench.storage import transfer
from simclr_bench.storage.download import NotThere, download, offline
from tests.storage.fetching import FILE, OTHER, Bytes, fetch, left_in, mirrored
from tests.storage.server import File, Handler, Server, status


def test_a_good_server_gives_the_file(server: Server, tmp_path: Path) -> None:
    counted = Bytes()
    target = tmp_path / "deep" / "file.zip"
    done = fetch(server, target, FILE.well, advance=counted)
    assert target.read_bytes() == FILE.data
    assert done.path == target and done.url == done.final_url == server.url("/file")
    assert (done.sha256, done.bytes) == (FILE.sha256, len(FILE.data))
    assert counted.total == len(FILE.data)
    assert left_in(target.parent) == {"file.zip"}
    assert server.requests[0]["Accept-Encoding"] == "identity"


def test_a_file_that_is_there_is_verified_and_not_fetched(server: Server, tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_bytes(FILE.data)
    done = fetch(server, target, status(500))
    assert server.requests == [] and done.url is None and done.sha256 == FILE.sha256


def test_a_damaged_file_is_replaced_only_by_the_right_one(server: Server, tmp_path: Path) -> None:
    target = tmp_path / "file"
    damaged = FILE.data[:-1] + bytes([FILE.data[-1] ^ 1])
    target.write_bytes(damaged)
    with pytest.raises(DataError, match="404"):
        fetch(server, target, status(404))
    assert target.read_bytes() == damaged
    fetch(server, target, FILE.well)
    assert target.read_bytes() == FILE.data


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (FILE.data[:-1] + b"x", "SHA-256"),
        (FILE.data + b"x", "offers 300001 bytes, 300000 wanted"),
        (FILE.data[:-1], "offers 299999 bytes, 300000 wanted"),
        (b"", "offers 0 bytes, 300000 wanted"),
    ],
)
def test_a_wrong_file_is_refused_and_nothing_is_left(
    server: Server, tmp_path: Path, changed: bytes, words: str
) -> None:
    counted = Bytes()
    with pytest.raises(DataError) as caught:
        fetch(server, tmp_path / "file", File(changed).well, advance=counted)
    assert words in str(caught.value) and server.url("/file") in str(caught.value)
    assert left_in(tmp_path) == set() and counted.total == 0 and len(server.requests) == 1


def test_a_wrong_hash_names_what_was_wanted_and_what_came(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        fetch(server, tmp_path / "file", OTHER.well)
    assert FILE.sha256 in str(caught.value) and OTHER.sha256 in str(caught.value)
    assert "thrown away" in str(caught.value)


def test_a_wrong_file_that_is_cut_every_time_comes_to_an_end(
    server: Server, tmp_path: Path
) -> None:
    answers = [OTHER.cut_after(1000), OTHER.well, OTHER.cut_after(1000), OTHER.well]
    with pytest.raises(DataError, match="SHA-256"):
        fetch(server, tmp_path / "file", *answers)
    assert len(server.requests) == 4 and left_in(tmp_path) == set()


def test_a_wrong_md5_is_refused_beside_a_right_sha256(server: Server, tmp_path: Path) -> None:
    fetch(server, tmp_path / "right", FILE.well, md5=FILE.md5)
    with pytest.raises(DataError, match=r"MD5 \w+, 00 \(known\) wanted"):
        fetch(server, tmp_path / "wrong", FILE.well, md5="00")
    assert left_in(tmp_path) == {"right"}


def test_a_server_that_is_not_there(tmp_path: Path, server: Server) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(DataError, match="refused"):
        download([f"http://127.0.0.1:{port}/f"], tmp_path / "f", sha256=FILE.sha256, size=None)


def test_mirrors_are_tried_in_order(server: Server, tmp_path: Path) -> None:
    server.answers = {"/a": [status(404)], "/b": [OTHER.well], "/c": [FILE.well], "/d": [status(1)]}
    done = mirrored(server, tmp_path / "file", "/a", "/b", "/c", "/d")
    assert done.url == server.url("/c") and len(server.requests) == 3
    assert (tmp_path / "file").read_bytes() == FILE.data


def test_all_mirrors_that_failed_are_named_in_one_line(server: Server, tmp_path: Path) -> None:
    server.answers = {"/a": [status(404)], "/b": [OTHER.well], "/c": [status(500)]}
    with pytest.raises(DataError) as caught:
        mirrored(server, tmp_path / "file", "/a", "/b", "/c")
    text = str(caught.value)
    assert not isinstance(caught.value, NotThere)  # one of them may have it, later
    assert len(text.splitlines()) == 1 and str(tmp_path / "file") in text
    for needle in (f"{server.url('/a')} answers 404", f"{server.url('/c')} answers 500", "SHA-256"):
        assert needle in text


def test_a_mirror_continues_what_another_began(server: Server, tmp_path: Path) -> None:
    server.answers = {"/a": [FILE.cut_after(1000), status(403)], "/b": [FILE.well]}
    counted = Bytes()
    mirrored(server, tmp_path / "file", "/a", "/b", advance=counted)
    assert server.requests[2]["Range"] == "bytes=1000-" and "If-Range" not in server.requests[2]
    assert (tmp_path / "file").read_bytes() == FILE.data and counted.total == len(FILE.data)


def test_without_a_hash_a_mirror_begins_anew(
    server: Server, tmp_path: Path, as_if_https: None
) -> None:
    server.answers = {"/a": [OTHER.cut_after(1000), status(403)], "/b": [FILE.well]}
    mirrored(server, tmp_path / "file", "/a", "/b", sha256=None)
    assert (tmp_path / "file").read_bytes() == FILE.data


@pytest.mark.parametrize("by", ["argument", "environment"])
def test_offline_opens_no_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_socket: list[object], by: str
) -> None:
    monkeypatch.setenv("SIMCLR_BENCH_OFFLINE", "1" if by == "environment" else "")
    assert offline() == (by == "environment")
    url, target = "https://127.0.0.1:9/f", tmp_path / "sub" / "file"
    known: dict[str, Any] = {"sha256": FILE.sha256, "size": None, "offline": by == "argument"}
    with pytest.raises(DataError, match=rf"{target}: not there.*{url}"):
        download([url], target, **known)
    assert not target.parent.exists()
    target.parent.mkdir()
    target.write_bytes(OTHER.data)
    with pytest.raises(DataError, match=OTHER.sha256):
        download([url], target, **known)
    target.write_bytes(FILE.data)
    assert download([url], target, **known).sha256 == FILE.sha256
    assert no_socket == []


def test_sockets_would_be_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_socket: list[object]
) -> None:
    monkeypatch.setenv("SIMCLR_BENCH_OFFLINE", "0")
    with pytest.raises(AssertionError, match="a socket was opened"):
        download(["https://127.0.0.1:9/f"], tmp_path / "f", sha256=FILE.sha256, size=None)
    assert no_socket


def test_a_full_disk_is_seen_beforehand(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage:
        free = 299_999

    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage)
    with pytest.raises(DataError, match=r"300000 more bytes are needed, the disk has 299999; free"):
        fetch(server, tmp_path / "file", FILE.well)
    assert server.requests == []
    (tmp_path / "file.partial").write_bytes(FILE.data[:1])
    fetch(server, tmp_path / "file", FILE.well)


def test_a_disk_that_fills_up_keeps_what_came(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = transfer._write

    def full(file: IO[bytes], block: bytes) -> None:
        plain(file, block[:500])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(transfer, "_write", full)
    with pytest.raises(DataError, match=r"the disk is full .*; free some.*the same command"):
        fetch(server, tmp_path / "file", FILE.well)
    assert len(server.requests) == 1  # no other try, no mirror
    assert (tmp_path / "file.partial").read_bytes() == FILE.data[:500]
    monkeypatch.setattr(transfer, "_write", plain)
    fetch(server, tmp_path / "file", FILE.well)
    assert server.requests[1]["Range"] == "bytes=500-"
    assert (tmp_path / "file").read_bytes() == FILE.data


PROGRAM = """
import sys, pathlib
from simclr_bench.storage.download import download
url, target, sha256 = sys.argv[1:]
print(download([url], pathlib.Path(target), sha256=sha256, size=300_000).url, flush=True)
"""


def start_process(server: Server, target: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, server.url("/file"), target, FILE.sha256],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "no_proxy": "*", "SIMCLR_BENCH_OFFLINE": ""},
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal_keeps_what_has_arrived(
    server: Server, tmp_path: Path, number: signal.Signals
) -> None:
    server.answers["/file"] = [FILE.stalling_after(120_000), FILE.well]
    process = start_process(server, tmp_path / "file")
    partial = tmp_path / "file.partial"
    while not (partial.exists() and partial.stat().st_size == 120_000):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(number)
    process.communicate()
    assert partial.read_bytes() == FILE.data[:120_000] and not (tmp_path / "file").exists()
    done = start_process(server, tmp_path / "file")
    assert done.communicate()[0].strip() == server.url("/file")
    assert server.requests[1]["Range"] == "bytes=120000-"
    assert (tmp_path / "file").read_bytes() == FILE.data
    assert left_in(tmp_path) == {"file"}


def test_processes_that_fetch_the_same_file_fetch_it_once(server: Server, tmp_path: Path) -> None:
    def slowly(handler: Handler) -> None:
        time.sleep(0.2)
        FILE.well(handler)

    server.answers["/file"] = [slowly]
    processes = [start_process(server, tmp_path / "file") for _ in range(3)]
    said = sorted(process.communicate()[0].strip() for process in processes)
    assert said == ["None", "None", server.url("/file")]
    assert len(server.requests) == 1
    assert (tmp_path / "file").read_bytes() == FILE.data and left_in(tmp_path) == {"file"}


def test_a_directory_that_cannot_be_made_is_named(server: Server, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(DataError, match="the download directory"):
        fetch(server, tmp_path / "taken" / "file", FILE.well)
