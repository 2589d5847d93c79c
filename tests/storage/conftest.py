"""What tests of downloads share: the server, and a machine without sockets."""

import socket
from collections.abc import Iterator

import pytest

from simclr_bench.storage import http, transfer
from tests.storage.server import Server, running


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(transfer, "PAUSE", 0.001)
    monkeypatch.setattr(http, "TIMEOUT", 0.3)
    with running() as server:
        yield server


@pytest.fixture
def as_if_https(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets http do without a hash: what https may, which is not served here."""
    monkeypatch.setattr(transfer, "require_safe", lambda url, *, has_hash: None)


@pytest.fixture
def no_socket(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Sockets that were asked for, none of which is given."""
    asked: list[object] = []

    def refuse(*args: object, **kwargs: object) -> None:
        asked.append(args)
        raise AssertionError("a socket was opened")

    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)
    return asked
