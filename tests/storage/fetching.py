"""Downloads from the loopback server, in a line."""

import random
from pathlib import Path
from typing import Any

from simclr_bench.storage.download import Downloaded, download
from tests.storage.server import Answer, File, Server

FILE = File(random.Random(0).randbytes(300_000))
OTHER = File(random.Random(1).randbytes(300_000), etag='"two"')


class Bytes:
    """Adds up what `advance` is told."""

    def __init__(self) -> None:
        self.total = 0

    def __call__(self, amount: int) -> None:
        self.total += amount


def fetch(
    server: Server,
    target: Path,
    *answers: Answer,
    file: File = FILE,
    sha256: str | None = "",
    size: int | None = 0,
    **other: Any,
) -> Downloaded:
    """Downloads /file, answered so in turn; its hash and size are pinned unless given."""
    server.answers["/file"] = list(answers)
    return download(
        [server.url("/file")],
        target,
        sha256=file.sha256 if sha256 == "" else sha256,
        size=len(file.data) if size == 0 else size,
        **other,
    )


def mirrored(server: Server, target: Path, *paths: str, **known: Any) -> Downloaded:
    pinned = {"sha256": FILE.sha256, "size": len(FILE.data)} | known
    return download([server.url(path) for path in paths], target, **pinned)


def left_in(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir() if not path.name.endswith(".lock")}
