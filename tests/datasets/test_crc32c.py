"""CRC-32C against the published vectors and a bitwise sum."""

import numpy as np
import pytest

from simclr_bench.datasets.crc32c import BLOCK, SHORT, crc32c, masked_crc32c


def bitwise(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


@pytest.mark.parametrize(
    ("data", "crc"),
    [
        (b"", 0x00000000),
        (b"123456789", 0xE3069283),
        (bytes(32), 0x8A9136AA),  # RFC 3720, B.4, as are the next three
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
    ],
)
def test_published_vectors(data: bytes, crc: int) -> None:
    assert crc32c(data) == crc


@pytest.mark.parametrize(
    "size", [1, 3, SHORT - 1, SHORT, *range(SHORT + 1, SHORT + 4), 17 * BLOCK, 17 * BLOCK + 1, 9001]
)
def test_any_length(size: int) -> None:
    data = np.random.default_rng(size).integers(0, 256, size, dtype=np.uint8).tobytes()
    assert crc32c(data) == bitwise(data)
    assert crc32c(bytes(size)) == bitwise(bytes(size))


def test_the_mask() -> None:
    crc = bitwise(b"abc")
    rotated = (crc >> 15 | crc << 17) & 0xFFFFFFFF
    assert masked_crc32c(b"abc") == (rotated + 0xA282EAD8) % 2**32
