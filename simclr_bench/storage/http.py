"""What of HTTP a download needs: requests that stay safe, and what answers say of a file."""

import base64
import binascii
import re
from email.message import Message
from http.client import HTTPResponse
from typing import IO, Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, Request, build_opener

from simclr_bench import __version__

# Seconds without a byte after which a connection counts as dropped.
TIMEOUT = 60.0

REDIRECTS = 5

# Answers that a second try may change; others are final.
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
GONE = frozenset({404, 410})


class Refused(Exception):
    """The URL does not give the file; the text says why, `gone` that there is none."""

    def __init__(self, reason: str, *, gone: bool = False) -> None:
        super().__init__(reason)
        self.gone = gone


class Dropped(Exception):
    """A try ended early; another may do better."""


class SafeRedirects(HTTPRedirectHandler):
    """Follows a few redirects, none of them from https to anything else."""

    max_redirections = REDIRECTS

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> Request | None:
        """The request to follow with, or urllib's refusal."""
        was, new = urlsplit(req.full_url).scheme, urlsplit(newurl).scheme
        if new not in ("http", "https") or (was == "https" and new != "https"):
            raise Refused(f"redirects from {was} to {new}, which is not followed ({newurl})")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def make_opener() -> OpenerDirector:
    """What opens URLs as urllib does, with safe redirects."""
    return build_opener(SafeRedirects())


def require_safe(url: str, *, has_hash: bool) -> None:
    """Refuses what is not http or https, and http where no hash would show that it was altered."""
    scheme = urlsplit(url).scheme
    if scheme not in ("http", "https"):
        raise Refused(f"{scheme or 'no scheme'} is not a way to fetch; http and https are")
    if scheme == "http" and not has_hash:
        raise Refused("http can be altered on the way, and no SHA-256 is known to tell")


def open_url(url: str, start: int, version: str) -> HTTPResponse:
    """Asks for a file.

    Args:
        url: Where it is.
        start: The first byte wanted.
        version: What the server called the file that earlier bytes are of; "" if it did not.

    Raises:
        HTTPError: The answer is neither 2xx nor a redirect that is followed.
        Refused: A redirect is unsafe.
        OSError, HTTPException, ValueError: There is no answer, or no sense in it.
    """
    # `identity`: hashes are of the file as it is, not of what a proxy makes of it.
    headers = {"User-Agent": f"simclr-bench/{__version__}", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if version:
            headers["If-Range"] = version
    response: HTTPResponse = make_opener().open(Request(url, headers=headers), timeout=TIMEOUT)
    return response


def failure_of(error: HTTPError) -> Refused | Dropped:
    """What a status other than success means for the next try."""
    answer = f"answers {error.code} ({error.reason})".split("\n")[0]
    if error.code in PASSING:
        return Dropped(answer)
    return Refused(answer, gone=error.code in GONE)


def version_of(headers: Message) -> str:
    """What If-Range may name: a strong ETag or a date, else ""."""
    version: str = headers.get("ETag", "W/")
    # A weak one stands for whatever bytes mean the same.
    return headers.get("Last-Modified", "") if version.startswith("W/") else version


def range_of(headers: Message) -> tuple[int | None, int | None]:
    """First byte and total length by Content-Range, each None if it does not say."""
    text = headers.get("Content-Range", "").strip()
    found = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(?:(\d+)|\*)", text)
    if not found:
        return None, None
    start, total = (int(number) if number else None for number in found.groups())
    return start, total


def stated_hashes(headers: Message, *, whole: bool) -> dict[str, str]:
    """Hashes of the whole file that the server states: md5 in hex, others as they are.

    Args:
        headers: The answer's.
        whole: The answer is the whole file.
    """
    stated = {}
    if whole and "Content-MD5" in headers:
        stated["md5"] = headers["Content-MD5"]
    # Google's are of what is stored, which is not what is sent if that is compressed.
    if headers.get("x-goog-stored-content-encoding", "identity") == "identity":
        for line in headers.get_all("x-goog-hash", []):
            stated |= dict(part.strip().split("=", 1) for part in line.split(",") if "=" in part)
    if "md5" in stated:
        try:
            stated["md5"] = base64.b64decode(stated["md5"], validate=True).hex()
        except binascii.Error:
            del stated["md5"]
    return stated
