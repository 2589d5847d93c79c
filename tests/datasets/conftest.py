"""A cache of its own for every test, and a folder in which nothing may appear."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache directory, not yet made."""
    monkeypatch.setenv("SIMCLR_BENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@contextmanager
def nothing_new(root: Path, *, but: Path | None = None) -> Iterator[None]:
    """Demands that no file below `root` appears, goes or changes, except below `but`."""

    def state() -> dict[Path, bytes | None]:
        return {
            path: path.read_bytes() if path.is_file() else None
            for path in root.rglob("*")
            if but is None or not (path == but or path.is_relative_to(but))
        }

    before = state()
    yield
    assert state() == before
