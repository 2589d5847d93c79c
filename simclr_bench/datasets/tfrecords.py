"""TFRecord files and the tf.train.Example messages in them, without TensorFlow.

A record is its length (8 bytes), the length's checksum (4), the data, the data's checksum (4). Both
sums are checked. An Example is a protocol buffer: a map from feature names to lists.

Sources: https://www.tensorflow.org/tutorials/load_data/tfrecord, "TFRecords format details";
https://protobuf.dev/programming-guides/encoding;
https://github.com/tensorflow/tensorflow, tensorflow/core/example/{example,feature}.proto.
"""

import struct
from collections.abc import Iterator
from pathlib import Path

from simclr_bench.datasets.archives import LIMITS, Limits
from simclr_bench.datasets.crc32c import masked_crc32c
from simclr_bench.errors import DataError

Feature = list[bytes] | list[int]

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def read_records(path: Path, limits: Limits = LIMITS) -> Iterator[bytes]:
    """Goes through the records of a file.

    Raises:
        DataError: It cannot be read, a checksum differs, or it ends within a record.
    """
    number = 0
    try:
        with path.open("rb") as file:
            while head := file.read(12):
                where = f"{path}: record {number}"
                if len(head) < 12:
                    raise DataError(f"{where} is cut short; get the file again")
                length, check = struct.unpack("<QI", head)
                if masked_crc32c(head[:8]) != check:
                    raise DataError(f"{where}: the checksum of its length differs")
                if length > limits.member_bytes:
                    raise DataError(f"{where} has {length:,} bytes, over the limit")
                data, tail = file.read(length), file.read(4)
                if len(data) < length or len(tail) < 4:
                    raise DataError(f"{where} is cut short; get the file again")
                if masked_crc32c(data) != struct.unpack("<I", tail)[0]:
                    raise DataError(f"{where}: the checksum of its data differs")
                yield data
                number += 1
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error


def parse_example(data: bytes) -> dict[str, Feature]:
    """The features of a tf.train.Example; lists of floats are left out.

    Raises:
        ValueError: It is no such message.
    """
    features: dict[str, Feature] = {}
    for field, message in _messages(data):
        if field != 1:
            continue
        for entry_field, entry in _messages(message):
            if entry_field != 1:
                continue
            fields = dict(_messages(entry))
            value = _feature(fields.get(2, b""))
            if value is not None:
                features[fields.get(1, b"").decode()] = value
    return features


def _feature(data: bytes) -> Feature | None:
    value: Feature | None = None
    for field, message in _messages(data):
        if field == 1:
            value = [item for number, item in _messages(message) if number == 1]
        elif field == 3:
            value = _integers(message)
    return value


def _integers(data: bytes) -> list[int]:
    """An Int64List, packed or not."""
    found: list[int] = []
    for field, kind, value in _fields(data):
        if field != 1:
            continue
        if isinstance(value, int) and kind == _VARINT:
            found.append(value)
        elif isinstance(value, bytes):
            at = 0
            while at < len(value):
                item, at = _varint(value, at)
                found.append(item)
    return [item - (1 << 64) if item >> 63 else item for item in found]


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    for field, _, value in _fields(data):
        if isinstance(value, bytes):
            yield field, value


def _fields(data: bytes) -> Iterator[tuple[int, int, int | bytes]]:
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        field, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            value, at = _varint(data, at)
            yield field, kind, value
            continue
        if kind == _BYTES:
            length, at = _varint(data, at)
        elif kind in (_FIXED64, _FIXED32):
            length = 8 if kind == _FIXED64 else 4
        else:
            raise ValueError(f"unknown wire type {kind}")
        if at + length > len(data):
            raise ValueError("a field is longer than its message")
        yield field, kind, data[at : at + length]
        at += length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise ValueError("a number has no end")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at
