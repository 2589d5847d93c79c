"""Hashes that were seen once and are expected from then on."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from simclr_bench.errors import DataError
from simclr_bench.storage.pins import Pin, pin, pins_path, read_pin

ONE = Pin(sha256="1" * 64, bytes=5, url="https://a/x.zip")
TWO = Pin(sha256="2" * 64, bytes=6, url=None)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIMCLR_BENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_pin_is_read_back_and_others_stay() -> None:
    assert read_pin("x.zip") is None
    pin("x.zip", ONE)
    pin("y.zip", TWO)
    pin("x.zip", Pin(sha256="1" * 64, bytes=5, url="https://mirror/x.zip"))  # the same bytes
    assert (read_pin("x.zip"), read_pin("y.zip")) == (ONE, TWO)
    assert set(json.loads(pins_path().read_text())) == {"x.zip", "y.zip"}


def test_another_hash_is_refused_naming_both() -> None:
    pin("x.zip", ONE)
    with pytest.raises(DataError) as caught:
        pin("x.zip", TWO)
    for needle in ("x.zip", ONE.sha256, TWO.sha256, "https://a/x.zip", str(pins_path())):
        assert needle in str(caught.value)
    assert read_pin("x.zip") == ONE


@pytest.mark.parametrize("text", ["{", "[]", '{"x": {}}', '{"x": {"sha256": "1", "bytes": "y"}}'])
def test_damaged_pins_are_named_and_not_overwritten(cache: Path, text: str) -> None:
    cache.mkdir()
    pins_path().write_text(text)
    for act in (lambda: read_pin("x"), lambda: pin("x", ONE)):
        with pytest.raises(DataError, match=r"pins\.json: the pins cannot be read"):
            act()
    assert pins_path().read_text() == text


def test_processes_that_pin_at_once_lose_nothing() -> None:
    program = (
        "import sys\n"
        "from simclr_bench.storage.pins import Pin, pin\n"
        "for n in range(20):\n"
        "    pin(f'{sys.argv[1]}-{n}', Pin(sha256='0', bytes=n, url=None))\n"
    )
    processes = [subprocess.Popen([sys.executable, "-c", program, name]) for name in "abc"]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert len(json.loads(pins_path().read_text())) == 60
