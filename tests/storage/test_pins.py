"""Hashes that were seen once and are expected from then on."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from simclr_bench.errors import DataError
from simclr_bench.storage.pins import Pin, add_pins, read_pins

ONE = Pin(sha256="1" * 64, bytes=5, url="https://a/x.zip", official=True)
TWO = Pin(sha256="2" * 64, bytes=6, url=None, official=False)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "below" / "pins.json"


def test_a_pin_is_read_back_and_others_stay(path: Path) -> None:
    assert read_pins(path) == {}
    add_pins(path, {"x.zip": ONE})
    add_pins(path, {"y.zip": TWO})
    add_pins(path, {"x.zip": replace(ONE, url="https://mirror/x.zip")})  # the same bytes
    assert read_pins(path) == {"x.zip": ONE, "y.zip": TWO}


@pytest.mark.parametrize("known", [ONE, TWO])
@pytest.mark.parametrize("official", [True, False])
def test_only_what_is_official_replaces_what_is_not(path: Path, known: Pin, official: bool) -> None:
    add_pins(path, {"x.zip": known})
    new = Pin(sha256="3" * 64, bytes=7, url="https://c/x.zip", official=official)
    if official and not known.official:
        add_pins(path, {"x.zip": new})
        assert read_pins(path) == {"x.zip": new}
        return
    with pytest.raises(DataError) as caught:
        add_pins(path, {"y.zip": ONE, "x.zip": new})
    for needle in ("x.zip", known.sha256, new.sha256, known.url or "", f"delete {path}"):
        assert needle in str(caught.value)
    assert read_pins(path) == {"x.zip": known}


def test_the_same_bytes_become_official_once_their_publisher_sent_them(path: Path) -> None:
    add_pins(path, {"x.zip": replace(ONE, url=None, official=False)})
    add_pins(path, {"x.zip": ONE})
    add_pins(path, {"x.zip": replace(ONE, url=None, official=False)})
    assert read_pins(path) == {"x.zip": ONE}


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"files": {"x": {}}}', '{"files": []}', "[" * 10000]
)
def test_damaged_pins_are_named_and_not_overwritten(path: Path, text: str) -> None:
    path.parent.mkdir()
    path.write_text(text)
    for act in (lambda: read_pins(path), lambda: add_pins(path, {"x": ONE})):
        with pytest.raises(DataError, match=f"{path}: the pinned hashes are corrupt; delete"):
            act()
    assert path.read_text() == text


def test_any_flipped_byte_of_the_pins_is_found(path: Path) -> None:
    add_pins(path, {"x.zip": ONE, "y.zip": TWO})
    sound = path.read_bytes()
    for at in range(len(sound)):
        # White space becomes other white space, as good to a parser.
        for bits in (1 << at % 7, *((0x2A,) if sound[at : at + 1].isspace() else ())):
            path.write_bytes(sound[:at] + bytes([sound[at] ^ bits]) + sound[at + 1 :])
            with pytest.raises(DataError, match=f"{path}: the pinned hashes are corrupt"):
                read_pins(path)
        path.write_bytes(sound[:at])
        with pytest.raises(DataError, match=f"{path}: the pinned hashes are corrupt"):
            read_pins(path)
    path.unlink()
    assert read_pins(path) == {}


def test_pins_that_cannot_be_read_are_named(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(DataError, match=f"{path}: the pinned hashes cannot be read"):
        read_pins(path)


def test_processes_that_pin_at_once_lose_nothing(path: Path) -> None:
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from simclr_bench.storage.pins import Pin, add_pins\n"
        "for n in range(20):\n"
        "    pin = Pin(sha256='0', bytes=n, url=None, official=False)\n"
        "    add_pins(Path(sys.argv[1]), {f'{sys.argv[2]}-{n}': pin})\n"
    )
    processes = [subprocess.Popen([sys.executable, "-c", program, path, name]) for name in "abc"]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert len(read_pins(path)) == 60
