"""TFRecord files and examples, damaged in every way; tests/tensorflow compares with TensorFlow."""

import struct
from dataclasses import replace
from pathlib import Path

import pytest

from simclr_bench.datasets.archives import LIMITS
from simclr_bench.datasets.tfrecords import parse_example, read_records
from simclr_bench.errors import DataError
from tests.datasets.written_records import example, record

RECORDS = [b"first", b"", bytes(5000)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.tfrecord"
    path.write_bytes(b"".join(map(record, RECORDS)))
    return path


def test_records_come_back(path: Path) -> None:
    assert list(read_records(path)) == RECORDS


def test_a_flipped_bit_anywhere_is_noticed(path: Path) -> None:
    whole = path.read_bytes()
    for at in [*range(60), 100, 3000, len(whole) - 4, len(whole) - 1]:
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x40]) + whole[at + 1 :])
        with pytest.raises(DataError, match=rf"{path}: record \d"):
            list(read_records(path))


def test_a_cut_anywhere_but_between_records_is_noticed(path: Path) -> None:
    whole = path.read_bytes()
    between = (0, len(record(RECORDS[0])), len(record(RECORDS[0]) + record(RECORDS[1])))
    for cut in [*range(60), 1000, len(whole) - 1]:
        path.write_bytes(whole[:cut])
        if cut in between:
            assert list(read_records(path)) == RECORDS[: between.index(cut)]
        else:
            with pytest.raises(DataError, match="is cut short"):
                list(read_records(path))


def test_a_length_over_the_limit_is_not_allocated(path: Path) -> None:
    with pytest.raises(DataError, match=r"record 2 has 5,000 bytes, over the limit"):
        list(read_records(path, replace(LIMITS, member_bytes=4999)))


def test_features_of_every_kind() -> None:
    features = {"image": b"\x00\xff", "label": 300, "negative": -2, "empty": b""}
    assert parse_example(example(features)) == {
        "image": [b"\x00\xff"],
        "label": [300],
        "negative": [-2],
        "empty": [b""],
    }


def test_unpacked_numbers_unknown_fields_and_floats() -> None:
    def field(number: int, data: bytes) -> bytes:
        return bytes([number << 3 | 2, len(data)]) + data

    unpacked = field(3, b"\x08\x05\x08\xac\x02")
    floats = field(2, field(1, struct.pack("<f", 1.5)))
    entries = field(1, field(1, b"n") + field(2, unpacked))
    entries += field(1, field(1, b"f") + field(2, floats))
    data = field(1, entries) + field(9, b"later") + b"\x78\x01" + b"\x85\x01" + bytes(4)
    assert parse_example(data) == {"n": [5, 300]}


@pytest.mark.parametrize("data", [b"\x0a", b"\x0a\x05ab", b"\xff" * 12, b"\x0b", b"\x0d\x01"])
def test_what_is_no_example_is_an_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse_example(data)
