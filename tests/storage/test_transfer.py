"""One URL: servers that cut, stall, answer other ranges, change the file, lie about its length."""

from pathlib import Path
from typing import Any

import pytest

from simclr_bench.errors import DataError
from simclr_bench.storage import transfer
from simclr_bench.storage.download import NotThere
from tests.storage.fetching import FILE, OTHER, Bytes, fetch, left_in
from tests.storage.server import Answer, File, Handler, Server, status


def test_cut_connections_are_continued_where_they_ended(server: Server, tmp_path: Path) -> None:
    counted = Bytes()
    cuts = [FILE.cut_after(last) for last in (1, 90_000, 200_000)]
    fetch(server, tmp_path / "file", *cuts, FILE.well, advance=counted)
    assert (tmp_path / "file").read_bytes() == FILE.data
    ranges = [request.get("Range") for request in server.requests]
    assert ranges == [None, "bytes=1-", "bytes=90000-", "bytes=200000-"]
    assert {request.get("If-Range") for request in server.requests[1:]} == {'"one"'}
    assert counted.total == len(FILE.data)


def test_many_cuts_that_bring_something_do_not_end_it(server: Server, tmp_path: Path) -> None:
    cuts = [FILE.cut_after(last) for last in range(10_000, 300_000, 10_000)]
    fetch(server, tmp_path / "file", *cuts, FILE.well)
    assert (tmp_path / "file").read_bytes() == FILE.data


def test_cuts_that_bring_nothing_end_it_and_keep_what_came(server: Server, tmp_path: Path) -> None:
    counted = Bytes()
    with pytest.raises(DataError, match="after 500 of 300000 bytes") as caught:
        fetch(server, tmp_path / "file", FILE.cut_after(500), advance=counted)
    assert "file.partial" in str(caught.value) and len(str(caught.value).splitlines()) == 1
    assert len(server.requests) == 1 + transfer.FRUITLESS_TRIES
    assert left_in(tmp_path) == {"file.partial", "file.partial.json"}
    assert (tmp_path / "file.partial").read_bytes() == FILE.data[:500]
    assert counted.total == 0
    server.requests.clear()
    fetch(server, tmp_path / "file", FILE.well)
    assert server.requests[0]["Range"] == "bytes=500-"
    assert (tmp_path / "file").read_bytes() == FILE.data


def test_a_stalled_connection_is_dropped_and_continued(server: Server, tmp_path: Path) -> None:
    fetch(server, tmp_path / "file", FILE.stalling_after(70_000), FILE.well)
    assert server.requests[1]["Range"] == "bytes=70000-"
    assert not server.stalled_in_vain
    assert (tmp_path / "file").read_bytes() == FILE.data


def test_a_server_without_ranges_starts_over(server: Server, tmp_path: Path) -> None:
    counted = Bytes()
    fetch(server, tmp_path / "file", FILE.cut_after(90_000), FILE.without_ranges, advance=counted)
    assert (tmp_path / "file").read_bytes() == FILE.data
    assert counted.total == len(FILE.data)


def test_without_ranges_cuts_that_bring_nothing_new_end_it(server: Server, tmp_path: Path) -> None:
    def short(handler: Handler) -> None:
        handler.start(200, content_length=len(FILE.data))
        handler.wfile.write(FILE.data[:1000])
        handler.close_connection = True

    with pytest.raises(DataError, match="after 1000 of 300000 bytes"):
        fetch(server, tmp_path / "file", short)
    assert len(server.requests) == 1 + transfer.FRUITLESS_TRIES


def test_what_was_given_up_is_not_news_when_it_comes_again(server: Server, tmp_path: Path) -> None:
    def cut(last: int) -> Answer:
        def answer(handler: Handler) -> None:
            handler.start(200, content_length=len(FILE.data))
            handler.wfile.write(FILE.data[:last])
            handler.close_connection = True

        return answer

    with pytest.raises(DataError, match="tries in a row"):
        fetch(server, tmp_path / "file", *[cut(1000), cut(500)] * 20)
    assert len(server.requests) == 1 + transfer.FRUITLESS_TRIES


@pytest.mark.parametrize("given", ["bytes 0-299999/300000", "bytes 500-999/7", "", "bytes x"])
def test_another_range_than_asked_for_starts_over(
    server: Server, tmp_path: Path, given: str
) -> None:
    def other_range(handler: Handler) -> None:
        handler.start(206, content_length=10, content_range=given)
        handler.wfile.write(b"0123456789")

    fetch(server, tmp_path / "file", FILE.cut_after(500), other_range, FILE.well)
    assert (tmp_path / "file").read_bytes() == FILE.data
    assert [request.get("Range") for request in server.requests] == [None, "bytes=500-", None]


def test_a_range_that_nobody_asked_for_is_refused(server: Server, tmp_path: Path) -> None:
    def partial(handler: Handler) -> None:
        handler.start(206, content_length=1, content_range="bytes 0-0/300000")
        handler.wfile.write(b"0")

    with pytest.raises(DataError, match="answers 206"):
        fetch(server, tmp_path / "file", partial)
    assert left_in(tmp_path) == set()


def test_a_range_beyond_the_file_starts_over(server: Server, tmp_path: Path) -> None:
    """The file has become shorter, or what is there was never of it."""
    (tmp_path / "file.partial").write_bytes(OTHER.data[:299_000])
    fetch(server, tmp_path / "file", status(416), FILE.well)
    assert (tmp_path / "file").read_bytes() == FILE.data


def test_a_range_beyond_another_file_is_not_its_end(
    server: Server, tmp_path: Path, as_if_https: None
) -> None:
    """No hash would notice what was taken for whole."""

    def shorter(handler: Handler) -> None:
        handler.start(416, content_range="bytes */500", content_length=0)

    answers = [OTHER.cut_after(1000), shorter, FILE.well]
    done = fetch(server, tmp_path / "file", *answers, sha256=None, size=None)
    assert done.sha256 == FILE.sha256


def test_a_whole_partial_is_taken_if_the_server_says_so(server: Server, tmp_path: Path) -> None:
    """Stopped between the last byte and the renaming, with no size known."""
    (tmp_path / "file.partial").write_bytes(FILE.data)
    fetch(server, tmp_path / "file", FILE.well, size=None)
    assert (tmp_path / "file").read_bytes() == FILE.data and len(server.requests) == 1


def test_a_whole_partial_of_the_known_size_needs_no_server(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.partial").write_bytes(FILE.data)
    fetch(server, tmp_path / "file", status(500))
    assert (tmp_path / "file").read_bytes() == FILE.data and server.requests == []


def test_a_new_version_is_not_joined_to_the_old_one(
    server: Server, tmp_path: Path, as_if_https: None
) -> None:
    """If-Range tells without any hash: the new version comes whole."""
    unknown: dict[str, Any] = {"sha256": None, "size": None}
    done = fetch(server, tmp_path / "file", OTHER.cut_after(1000), FILE.well, **unknown)
    assert server.requests[1]["Range"] == "bytes=1000-"
    assert server.requests[1]["If-Range"] == OTHER.etag
    assert done.sha256 == FILE.sha256 and (tmp_path / "file").read_bytes() == FILE.data


@pytest.mark.parametrize("etag", ["", 'W/"weak"'])
def test_without_hash_and_version_nothing_is_continued(
    server: Server, tmp_path: Path, as_if_https: None, etag: str
) -> None:
    file = File(FILE.data, etag=etag)
    fetch(server, tmp_path / "file", file.cut_after(1000), file.well, sha256=None)
    assert [request.get("Range") for request in server.requests] == [None, None]
    assert (tmp_path / "file").read_bytes() == FILE.data


def test_two_versions_that_were_joined_are_fetched_again(server: Server, tmp_path: Path) -> None:
    """A server without ETags cannot tell; the hash can, and the second attempt is whole."""
    old, new = File(OTHER.data, etag=""), File(FILE.data, etag="")
    counted = Bytes()
    fetch(server, tmp_path / "file", old.cut_after(1000), new.well, advance=counted)
    assert (tmp_path / "file").read_bytes() == FILE.data
    assert [request.get("Range") for request in server.requests] == [None, "bytes=1000-", None]
    assert counted.total == len(FILE.data)


def test_a_partial_of_unknown_origin_costs_one_more_try(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.partial").write_bytes(OTHER.data[:1000])
    (tmp_path / "file.partial.json").write_text("{half")
    fetch(server, tmp_path / "file", FILE.well)
    assert (tmp_path / "file").read_bytes() == FILE.data
    assert [request.get("Range") for request in server.requests] == ["bytes=1000-", None]


def test_a_longer_partial_than_the_file_is_given_up(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.partial").write_bytes(FILE.data + b"more")
    fetch(server, tmp_path / "file", FILE.well)
    assert server.requests[0].get("Range") is None
    assert (tmp_path / "file").read_bytes() == FILE.data


def test_chunks_and_connections_that_end_the_file(server: Server, tmp_path: Path) -> None:
    for name, answer in {"a": FILE.chunked, "b": FILE.until_closed}.items():
        for size in (None, len(FILE.data)):
            fetch(server, tmp_path / f"{name}{size}", answer, size=size)
            assert (tmp_path / f"{name}{size}").read_bytes() == FILE.data


def test_a_stated_length_ends_the_file_on_an_open_connection(
    server: Server, tmp_path: Path
) -> None:
    fetch(server, tmp_path / "file", FILE.stalling_after(len(FILE.data)))
    assert (tmp_path / "file").read_bytes() == FILE.data
    assert len(server.requests) == 1 and not server.stalled_in_vain


def test_a_cut_cannot_pass_for_the_end(server: Server, tmp_path: Path, as_if_https: None) -> None:
    """With no length stated and nothing known, neither could be told from the other."""
    with pytest.raises(DataError, match="does not say how long"):
        fetch(server, tmp_path / "file", FILE.until_closed, sha256=None, size=None)
    done = fetch(server, tmp_path / "file", FILE.chunked, sha256=None, size=None)
    assert done.sha256 == FILE.sha256


def test_chunks_that_are_cut_are_not_the_file(
    server: Server, tmp_path: Path, as_if_https: None
) -> None:
    def cut(handler: Handler) -> None:
        handler.start(200, transfer_encoding="chunked")
        handler.wfile.write(b"3e8\r\n%s" % FILE.data[:500])
        handler.close_connection = True

    fetch(server, tmp_path / "file", cut, FILE.chunked, sha256=None, size=None)
    assert (tmp_path / "file").read_bytes() == FILE.data


@pytest.mark.parametrize("size", [300_000, None])
def test_a_body_without_end_is_stopped(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int | None
) -> None:
    monkeypatch.setattr(transfer, "MOST_BYTES", 400_000)

    def endless(handler: Handler) -> None:
        handler.start(200, transfer_encoding="chunked")
        while not handler.server.over.is_set():
            handler.wfile.write(b"%x\r\n%s\r\n" % (10_000, b"x" * 10_000))

    with pytest.raises(DataError, match=f"more than the {size or 400_000} bytes wanted"):
        fetch(server, tmp_path / "file", endless, size=size)
    assert left_in(tmp_path) == set()


def test_a_length_beyond_all_bounds_is_refused(
    server: Server, tmp_path: Path, as_if_https: None
) -> None:
    def huge(handler: Handler) -> None:
        handler.start(200, content_length=10**15)

    with pytest.raises(DataError, match="offers 1000000000000000 bytes, at most"):
        fetch(server, tmp_path / "file", huge, sha256=None, size=None)


@pytest.mark.parametrize("size", [300_000, None])
def test_a_web_page_is_not_the_file(
    server: Server, tmp_path: Path, as_if_https: None, size: int | None
) -> None:
    def page(handler: Handler) -> None:
        text = b"<html>Please log in</html>"
        handler.start(200, content_type="text/html; charset=utf-8", content_length=len(text))
        handler.wfile.write(text)

    with pytest.raises(DataError, match="a web page, not"):
        fetch(server, tmp_path / "file", page, size=size, sha256=None)
    assert left_in(tmp_path) == set()


def test_passing_errors_are_tried_again_and_final_ones_are_not(
    server: Server, tmp_path: Path
) -> None:
    fetch(server, tmp_path / "file", status(503), status(429), FILE.well)
    assert (tmp_path / "file").read_bytes() == FILE.data
    for code, tries in {403: 1, 500: transfer.FRUITLESS_TRIES, 418: 1}.items():
        server.requests.clear()
        with pytest.raises(DataError, match=f"answers {code}") as caught:
            fetch(server, tmp_path / "other", status(code))
        assert len(server.requests) == tries and not isinstance(caught.value, NotThere)
    with pytest.raises(NotThere, match="answers 404"):
        fetch(server, tmp_path / "other", status(404))
