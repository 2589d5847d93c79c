"""A server on loopback that does to a client what servers do."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# What a request is answered with. The last of a list answers all that follow.
Answer = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """Answers as the test says."""

    protocol_version = "HTTP/1.1"
    server: "Server"

    def do_GET(self) -> None:
        self.server.requests.append(dict(self.headers))
        answers = self.server.answers[self.path]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        answer(self)

    def start(self, status: int, **headers: str | int) -> None:
        """Sends status and headers; `content_length` becomes Content-Length."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def range_start(self) -> int | None:
        """The first byte asked for, if a range is."""
        text = self.headers.get("Range")
        return int(text.removeprefix("bytes=").rstrip("-")) if text else None

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    """Paths, what they answer, and what was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, list[Answer]] = {}
        self.requests: list[dict[str, str]] = []
        self.over = threading.Event()
        self.stalled_in_vain = False

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{path}"

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # clients hang up: that is what is tested


@contextmanager
def running() -> Iterator[Server]:
    """A server in threads of this process."""
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass(frozen=True)
class File:
    """Bytes that are served well or badly."""

    data: bytes
    etag: str = '"one"'
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @property
    def md5(self) -> str:
        return hashlib.md5(self.data).hexdigest()

    def well(self, handler: Handler) -> None:
        """As a good server does: ranges, and If-Range."""
        self.cut_after(len(self.data))(handler)

    def cut_after(self, last: int) -> Answer:
        """Promises all and hangs up once byte `last` of the file is sent."""

        def answer(handler: Handler) -> None:
            start = handler.range_start()
            if handler.headers.get("If-Range", self.etag) != self.etag:
                start = None
            tags = {"ETag": self.etag} if self.etag else {}
            length = len(self.data)
            if start is None:
                handler.start(200, content_length=length, **tags, **self.headers)
            elif start >= length:
                handler.start(416, content_range=f"bytes */{length}", content_length=0)
                return
            else:
                handler.start(
                    206,
                    content_length=length - start,
                    content_range=f"bytes {start}-{length - 1}/{length}",
                    **tags,
                    **self.headers,
                )
            handler.wfile.write(self.data[start or 0 : last])
            handler.close_connection = True

        return answer

    def stalling_after(self, last: int) -> Answer:
        """Promises all and falls silent, the connection open."""

        def answer(handler: Handler) -> None:
            self.cut_after(last)(handler)
            handler.wfile.flush()
            handler.server.stalled_in_vain = not handler.server.over.wait(20)

        return answer

    def without_ranges(self, handler: Handler) -> None:
        """All of it, whatever was asked for."""
        handler.start(200, content_length=len(self.data))
        handler.wfile.write(self.data)

    def chunked(self, handler: Handler) -> None:
        """In chunks, with no length stated."""
        handler.start(200, transfer_encoding="chunked")
        for start in range(0, len(self.data), 1000):
            block = self.data[start : start + 1000]
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(block), block))
        handler.wfile.write(b"0\r\n\r\n")

    def until_closed(self, handler: Handler) -> None:
        """With no length at all: the file ends where the connection does."""
        handler.start(200, connection="close")
        handler.wfile.write(self.data)
        handler.close_connection = True


def status(code: int) -> Answer:
    """An answer without the file."""
    return lambda handler: handler.start(code, content_length=0)


def redirect(location: str) -> Answer:
    """Sends the client elsewhere."""
    return lambda handler: handler.start(302, content_length=0, location=location)
