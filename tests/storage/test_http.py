"""Redirects, addresses, and what headers say of a file."""

import base64
from email.message import Message
from io import BytesIO
from pathlib import Path
from typing import IO
from urllib.request import HTTPRedirectHandler, Request

import pytest

from simclr_bench.errors import DataError
from simclr_bench.storage import http
from simclr_bench.storage.download import download
from tests.storage.fetching import FILE, OTHER, fetch, left_in, mirrored
from tests.storage.server import File, Server, redirect


def goog(file: File) -> str:
    return f"crc32c=AAAAAA==,md5={base64.b64encode(bytes.fromhex(file.md5)).decode()}"


@pytest.mark.parametrize("name", ["x-goog-hash", "Content-MD5"])
def test_the_servers_own_hash_is_checked(
    server: Server, tmp_path: Path, as_if_https: None, name: str
) -> None:
    def says(file: File) -> dict[str, str]:
        return {name: goog(file) if name == "x-goog-hash" else goog(file).split("md5=")[1]}

    right, wrong = File(FILE.data, headers=says(FILE)), File(FILE.data, headers=says(OTHER))
    done = fetch(server, tmp_path / "right", right.well, sha256=None)
    assert done.server_hashes["md5"] == FILE.md5
    with pytest.raises(DataError, match=rf"MD5 {FILE.md5}, {OTHER.md5} \(the server's\) wanted"):
        fetch(server, tmp_path / "wrong", wrong.well, sha256=None)
    assert left_in(tmp_path) == {"right"}


def test_hashes_of_another_form_or_encoding_are_not_taken_for_the_files() -> None:
    headers = Message()
    headers["x-goog-hash"] = goog(FILE)
    assert http.stated_hashes(headers, whole=False)["md5"] == FILE.md5
    headers["x-goog-stored-content-encoding"] = "gzip"
    assert http.stated_hashes(headers, whole=True) == {}
    part = Message()
    part["Content-MD5"] = goog(FILE).split("md5=")[1]
    assert http.stated_hashes(part, whole=False) == {}
    nonsense = Message()
    nonsense["Content-MD5"] = "not base64!"
    assert http.stated_hashes(nonsense, whole=True) == {}


def test_redirects_are_followed_a_few_times(server: Server, tmp_path: Path) -> None:
    server.answers = {"/a": [redirect("/b")], "/b": [redirect(server.url("/c"))]}
    server.answers |= {"/c": [FILE.cut_after(1000), FILE.well]}
    done = mirrored(server, tmp_path / "file", "/a")
    assert (done.url, done.final_url) == (server.url("/a"), server.url("/c"))
    assert server.requests[-1]["Range"] == "bytes=1000-"
    server.answers = {f"/{n}": [redirect(f"/{n + 1}")] for n in range(20)}
    server.requests.clear()
    with pytest.raises(DataError, match="answers 302"):
        mirrored(server, tmp_path / "other", "/0")
    assert len(server.requests) == 1 + http.REDIRECTS
    server.answers = {"/a": [redirect("/a")]}
    with pytest.raises(DataError, match="answers 302"):
        mirrored(server, tmp_path / "other", "/a")


@pytest.mark.parametrize(
    ("chain", "refused"),
    [
        (("https://a/x", "http://a/x"), "from https to http"),
        (("https://a/x", "https://b/x", "http://127.0.0.1/x"), "from https to http"),
        (("http://a/x", "https://b/x", "http://a/x"), "from https to http"),
        (("https://a/x", "ftp://a/x"), "from https to ftp"),
        (("http://a/x", "ftp://a/x"), "from http to ftp"),
        (("https://a/x", "file:///etc/passwd"), "from https to file"),
        (("https://a/x", "https://b/x", "https://c/x"), None),
        (("http://a/x", "http://b/x", "https://b/x"), None),
    ],
)
def test_no_redirect_leaves_https(chain: tuple[str, ...], refused: str | None) -> None:
    follower = http.SafeRedirects()
    request: Request | None = Request(chain[0], headers={"Range": "bytes=5-"})
    nothing: IO[bytes] = BytesIO()

    def follow() -> None:
        nonlocal request
        for url in chain[1:]:
            assert request is not None
            request = follower.redirect_request(request, nothing, 302, "Found", Message(), url)

    if refused is None:
        follow()
        assert request is not None and request.full_url == chain[-1]
        assert request.get_header("Range") == "bytes=5-"
    else:
        with pytest.raises(http.Refused, match=refused):
            follow()


def test_the_opener_follows_by_these_rules_alone() -> None:
    handlers = [h for h in http.make_opener().handlers if isinstance(h, HTTPRedirectHandler)]
    assert [type(handler) for handler in handlers] == [http.SafeRedirects]


def test_a_redirect_to_a_file_of_this_machine_is_refused(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="url 'file:///etc/hostname' is not allowed"):
        fetch(server, tmp_path / "file", redirect("file:///etc/hostname"))


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/x", "ftp://127.0.0.1/x", "file:///x", "x"])
def test_unsafe_addresses_are_refused_unasked(
    tmp_path: Path, no_socket: list[object], url: str
) -> None:
    with pytest.raises(DataError, match=r"SHA-256 is known|not a way to fetch"):
        download([url], tmp_path / "file", sha256=None, size=5)
    assert no_socket == []
